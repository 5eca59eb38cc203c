"""The same input gives the same bytes, wherever, whenever and by whomever it is run (formats H, P4)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance import IMAGE_ID, SIZES
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

MANIFEST = "abaeb483b7767328a1ec25b3bffe654647c30500efce28b135968e72180de712"  # in each that keeps manifests

SURROUNDINGS = {
    "home": {},
    "far": {"TZ": "Asia/Kolkata", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "1", "umask": "077"},
    "odd": {
        "TZ": "XXX-13:30", "LC_ALL": "C", "PYTHONHASHSEED": "4242", "umask": "000", "PYTHONUTF8": "0",
        "SOURCE_DATE_EPOCH": "1", "PYTHONOPTIMIZE": "2",
    },
}  # fmt: skip


def export(folder: Path, place: str, *names: str, format_name: str, **environment: str) -> Path:
    """Export with the command itself, in a process of its own; return where the bundle is."""
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
    return folder / "bundle.tar"


@pytest.mark.parametrize("format_name", BUNDLES)
@pytest.mark.parametrize("kind", ["sample", "oci"])
def test_surroundings_change_no_byte(sample: Source, tmp_path: Path, kind: str, format_name: str) -> None:
    place = "sample:"
    if kind == "oci":
        copy(sample, LayoutStore(tmp_path / "store"), [TAG, TRUSTY])
        place = f"oci:{tmp_path / 'store'}"
    found = {
        name: export(
            tmp_path / name, place, TAG, TRUSTY, format_name=format_name, **surroundings
        ).read_bytes()
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


# ── a dir: its files ──


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["sample", "oci"])
def test_surroundings_change_no_file_of_a_dir(sample: Source, tmp_path: Path, kind: str) -> None:
    place = "sample:"
    if kind == "oci":
        copy(sample, LayoutStore(tmp_path / "store"), [TAG, TRUSTY])
        place = f"oci:{tmp_path / 'store'}"
    first, *others = (
        files(export(tmp_path / name, place, TAG, TRUSTY, format_name="dir", **surroundings))
        for name, surroundings in SURROUNDINGS.items()
    )
    assert others == [first] * 2


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077], ids=oct)
def test_the_files_of_a_dir_have_the_modes_of_any_new_file(tmp_path: Path, umask: int) -> None:
    folder = export(tmp_path / "here", "sample:", TAG, format_name="dir", umask=f"{umask:o}")
    assert folder.stat().st_mode & 0o7777 == 0o777 & ~umask
    assert {path.stat().st_mode & 0o7777 for path in folder.iterdir()} == {0o666 & ~umask}


def test_the_dir_of_the_sample_never_changes(sample: Source, tmp_path: Path) -> None:
    copy(sample, create_bundle(tmp_path / "d", "dir"), [TAG])
    assert {name: hashlib.sha256(raw).hexdigest() for name, raw in files(tmp_path / "d").items()} == {
        "version": hashlib.sha256(b"Directory Transport Version: 1.1\n").hexdigest(),
        "manifest.json": MANIFEST,
        **{digest.removeprefix("sha256:"): digest.removeprefix("sha256:") for digest in (IMAGE_ID, *SIZES)},
    }


def test_the_order_of_the_request_and_a_dir_that_is_there_change_no_file(
    sample: Source, tmp_path: Path
) -> None:
    found = []
    for names in ([TAG, TRUSTY], [TRUSTY, TAG], [TAG]):
        copy(sample, create_bundle(tmp_path / "d", "dir"), names)
        found.append(files(tmp_path / "d"))
    assert found == [found[0]] * 3
