"""P1 to P4 of formats H: what is carried stays the same, what is changed is noticed, what is cut short is nothing,
and where it was done leaves no trace.

A few examples of each; `pytest tests/properties --hypothesis-profile long` tries some fifty times as many.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from tests.archives import Picture, layout, tar
from tests.flips import exit_codes, members_of
from tests.kill.faults import AFTER, AMID, BEFORE, Fault, in_child
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import ToolkitError
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.ports import Closes, Source
from toolkit.stores.layout import LayoutStore

from .strategies import WRITTEN, Made, archives, pictures, scaled

PROJECT = Path(__file__).parents[2]
EXPORT = "import sys; from toolkit.cli import main; sys.exit(main(sys.argv[1:]))"
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
Facts = dict[str, list[tuple[str, tuple[str, ...]]]]

pytestmark = pytest.mark.property


@contextmanager
def work() -> Iterator[Path]:
    """A folder for one example: a fixture would be the same for all of them."""
    with tempfile.TemporaryDirectory(prefix="law-") as folder:
        yield Path(folder)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    source = open_bundle(path)
    try:
        yield source
    finally:
        assert isinstance(source, Closes)
        source.close()


def facts(source: Source) -> Facts:
    """Return the image ID and the diffIDs of each platform of each name; all of it verified."""
    report = verify(source)
    assert report.ok, report.errors
    found: Facts = {}
    for image in report.images:
        platforms = [
            (str(each.config.image_id), tuple(map(str, each.config.diff_ids))) for each in image.images()
        ]
        found.update(dict.fromkeys(image.names, platforms))
    return found


def carried(path: Path, store: Path) -> Facts:
    """Import all images of a bundle, and return what the store has then."""
    with opened(path) as source:
        names = [name for line in source.listings() for name in line.names]
        copy(source, LayoutStore(store), names)
    return facts(LayoutStore(store))


@settings(max_examples=scaled(40), suppress_health_check=SLOW)
@given(made=archives())
def test_p1_an_archive_that_is_accepted_is_the_same_after_an_import_an_export_and_an_import(
    made: Made,
) -> None:
    note(f"{made.format}, {made.how}")
    with work() as here:
        (here / "a.tar").write_bytes(made.raw)
        try:
            first = carried(here / "a.tar", here / "first")
        except ToolkitError as error:
            note(f"refused: {error}")
            assume(False)
        copy(LayoutStore(here / "first"), create_bundle(here / "b.tar", made.format), list(first))
        assert carried(here / "b.tar", here / "second") == first


@settings(max_examples=scaled(60), suppress_health_check=SLOW)
@given(
    made=archives().filter(lambda made: made.format != "docker-v1"),  # which has no digest of anything
    where=st.floats(0, 1, exclude_max=True),
    change=st.integers(1, 255),
    data=st.data(),
)
def test_p2_a_changed_byte_of_a_blob_a_config_or_a_layer_is_noticed(
    made: Made, where: float, change: int, data: st.DataObject
) -> None:
    """A layer of docker-v1.2 that is compressed is known by what it unpacks to: there that is the same."""
    with work() as here:
        path = here / "a.tar"
        path.write_bytes(made.raw)
        assume(not exit_codes(path))
        before = carried(path, here / "before")
        content = [each for each in members_of(path) if each.content and is_proven(each.name)]
        member = data.draw(st.sampled_from(content), label="member")
        raw = bytearray(made.raw)
        raw[member.body + int(where * len(member.content))] ^= change
        path.write_bytes(raw)
        codes = exit_codes(path)
        if codes or made.format != "docker-v1.2":
            assert codes
            assert codes <= {5, 6}
        else:
            assert carried(path, here / "after") == before


def is_proven(name: str) -> bool:
    """Tell a blob, config or layer from what lists them, and from v1 jsons."""
    last = name.rpartition("/")[2]
    return last not in {"index.json", "manifest.json", "repositories", "oci-layout", "VERSION", "json"}


@settings(max_examples=scaled(12), suppress_health_check=SLOW)
@given(
    picture=pictures(),
    format_name=st.sampled_from([*WRITTEN, "dir", "an oci: store"]),
    moment=st.floats(0, 1),
    how=st.sampled_from([BEFORE, AMID, AFTER]),
)
def test_p3_a_process_that_is_killed_leaves_no_target_or_a_whole_one(
    picture: Picture, format_name: str, moment: float, how: str
) -> None:
    with work() as here:
        (here / "in.tar").write_bytes(tar(dict(layout(("app:1", picture)))))
        target = here / "target"

        def carry(to: Path) -> None:
            sink = LayoutStore(to) if format_name.startswith("an oci:") else create_bundle(to, format_name)
            copy(open_bundle(here / "in.tar"), sink, ["app:1"], jobs=1)

        calls = len(in_child(lambda: carry(here / "whole"), Fault()).calls)
        killed = in_child(lambda: carry(target), Fault(max(1, round(moment * calls)), how))
        note(f"{format_name}: {how} call {round(moment * calls)} of {calls}")
        whole = told(here / "whole", format_name)
        if killed.was_killed and told(target, format_name):
            assert told(target, format_name) == whole
        carry(target)
        assert told(target, format_name) == whole
        assert not [path for path in here.rglob("*") if ".part" in path.name]


def told(target: Path, format_name: str) -> Facts:
    """Return what a target holds; nothing where there is none, or none that anybody takes for one."""
    if format_name.startswith("an oci:"):
        return facts(LayoutStore(target)) if (target / "index.json").exists() else {}
    if not target.exists():
        return {}
    with opened(target) as source:
        report = verify(source)
        assert report.ok, report.errors
        assert report.images
        return {"": [(str(each.config.image_id), ()) for image in report.images for each in image.images()]}


ENVIRONMENTS = st.fixed_dictionaries(
    {
        "TZ": st.sampled_from(["UTC", "Asia/Kolkata", "XXX-13:30", "America/St_Johns"]),
        "LC_ALL": st.sampled_from(["C", "tr_TR.UTF-8", "C.UTF-8"]),
        "PYTHONHASHSEED": st.integers(0, 2**32 - 1).map(str),
        "PYTHONUTF8": st.sampled_from(["0", "1"]),
        "SOURCE_DATE_EPOCH": st.integers(0, 2**31).map(str),
    }
)


@settings(max_examples=scaled(3), suppress_health_check=SLOW)
@given(
    picture=pictures(),
    format_name=st.sampled_from(WRITTEN),
    environment=ENVIRONMENTS,
    umask=st.sampled_from([0o000, 0o022, 0o077]),
    folder=st.sampled_from(["a", "Ünïcode", "with space"]),
)
def test_p4_where_and_when_it_is_done_changes_no_byte(
    picture: Picture, format_name: str, environment: dict[str, str], umask: int, folder: str
) -> None:
    with work() as here:
        (here / "in.tar").write_bytes(tar(dict(layout(("app:1", picture)))))
        copy(open_bundle(here / "in.tar"), create_bundle(here / "out.tar", format_name), ["app:1"])
        (here / folder).mkdir()
        words = [
            "export",
            "app:1",
            "--from",
            "../in.tar",
            "-o",
            "out.tar",
            "--format",
            format_name,
            "--quiet",
        ]
        home = {"PYTHONPATH": str(PROJECT), "LADING_HOME": str(here / "home"), "PATH": os.environ["PATH"]}
        subprocess.run(
            [sys.executable, "-c", EXPORT, *words],
            cwd=here / folder, env={**home, **environment}, umask=umask, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert (here / folder / "out.tar").read_bytes() == (here / "out.tar").read_bytes()
