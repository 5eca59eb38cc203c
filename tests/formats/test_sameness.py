"""The same input gives the same bytes, wherever, whenever and by whomever it is run (formats H, P4)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.bundles import FORMATS, create_bundle
from toolkit.operations.copy import copy
from toolkit.ports import Source
from toolkit.stores.layout import LayoutStore

PROJECT = Path(__file__).parents[2]
BUNDLES = [format_.name for format_ in FORMATS if format_.members_of]
TAG, TRUSTY = "ubuntu:14.04", "ubuntu:trusty"
EXPORT = "import sys; from toolkit.cli import main; sys.exit(main(sys.argv[1:]))"

GOLDEN = {  # of `lading export ubuntu:14.04 --from sample: --format …`; tests/golden/README.md
    "universal": "57753921e9a2d506bb1e43b03fa09b6a35ca9847c7e67bd9cc3b9c82fbbface4",
    "docker": "82fad3611601ba27a0809782dba55587fdfac05a35a207489d8b64f942f46e40",
    "oci": "190ff89e242abceb23964f1ca71740491d895fbcd871bcbe98a0ee157fde97f1",
    "docker-v1.2": "3f1230901c7284bed570dc50845132daecf7e913eb51a8ddcd971349011aa17d",
    "docker-v1": "61997cede24958a687b6c46f7441db5b4f781112bfa1655de4a668b133399e2f",
}

SURROUNDINGS = {
    "home": {},
    "far": {"TZ": "Asia/Kolkata", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "1", "umask": "077"},
    "odd": {
        "TZ": "XXX-13:30", "LC_ALL": "C", "PYTHONHASHSEED": "4242", "umask": "000", "PYTHONUTF8": "0",
        "SOURCE_DATE_EPOCH": "1", "PYTHONOPTIMIZE": "2",
    },
}  # fmt: skip


def exported(folder: Path, place: str, *names: str, format_name: str, **environment: str) -> bytes:
    """Export with the command itself, in a process of its own, and return the bundle."""
    folder.mkdir()
    umask = int(environment.pop("umask", "022"), 8)
    kept = {key: os.environ[key] for key in ("PATH", "TMPDIR") if key in os.environ}
    words = ["export", *names, "--from", place, "-o", "bundle.tar", "--format", format_name, "--quiet"]
    subprocess.run(
        [sys.executable, "-c", EXPORT, *words],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(PROJECT), "LADING_HOME": str(folder / "home"), **environment},
        umask=umask,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return (folder / "bundle.tar").read_bytes()


@pytest.mark.parametrize("format_name", BUNDLES)
@pytest.mark.parametrize("kind", ["sample", "oci"])
def test_surroundings_change_no_byte(sample: Source, tmp_path: Path, kind: str, format_name: str) -> None:
    place = "sample:"
    if kind == "oci":
        copy(sample, LayoutStore(tmp_path / "store"), [TAG, TRUSTY])
        place = f"oci:{tmp_path / 'store'}"
    found = {
        name: exported(tmp_path / name, place, TAG, TRUSTY, format_name=format_name, **surroundings)
        for name, surroundings in SURROUNDINGS.items()
        if kind == "sample" or name != "odd"
    }
    assert {hashlib.sha256(raw).hexdigest() for raw in found.values()} == {
        hashlib.sha256(found["home"]).hexdigest()
    }


@pytest.mark.parametrize("format_name", BUNDLES)
def test_the_bundle_of_the_sample_never_changes(sample: Source, tmp_path: Path, format_name: str) -> None:
    copy(sample, create_bundle(tmp_path / "b.tar", format_name), [TAG])
    assert hashlib.sha256((tmp_path / "b.tar").read_bytes()).hexdigest() == GOLDEN[format_name]


@pytest.mark.parametrize("format_name", BUNDLES)
def test_a_file_that_is_there_and_the_clock_change_no_byte(
    sample: Source, tmp_path: Path, format_name: str
) -> None:
    path = tmp_path / "b.tar"
    found = []
    for _ in range(2):  # the second time over the first, later
        copy(sample, create_bundle(path, format_name), [TAG, TRUSTY])
        found.append(path.read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("format_name", BUNDLES)
def test_the_order_of_the_request_changes_no_byte(sample: Source, tmp_path: Path, format_name: str) -> None:
    found = []
    for names in ([TAG, TRUSTY], [TAG, TRUSTY, TAG], [TRUSTY, TAG]):
        copy(sample, create_bundle(tmp_path / "b.tar", format_name), names)
        found.append((tmp_path / "b.tar").read_bytes())
    assert found[0] == found[1] == found[2]
