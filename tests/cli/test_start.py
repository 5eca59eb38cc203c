"""What a command imports, and what it does without: the time it takes to start is mostly that."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import IMAGE, SAMPLE, Lading
from toolkit.__main__ import run
from toolkit.cli.version import UNKNOWN, installed_version

ROOT = Path(__file__).parents[2]
CODE = "import atexit, json, sys; from toolkit.__main__ import run;"
CODE += "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr)); sys.exit(run())"

NEVER = {"configparser", "concurrent.futures", "logging", "traceback", "toolkit.cli.differences"}
DECODERS = {"bz2", "lzma", "isal", "zstandard", "toolkit.plumbing.compressing"}
READERS = {"toolkit.bundles.dir_reader", "toolkit.bundles.docker_reader", "toolkit.bundles.docker_v1_reader"}
WRITERS = {"toolkit.bundles.dir_sink", "toolkit.bundles.docker_v1", "toolkit.bundles.docker_v1_2"}
ELSEWHERE = {"toolkit.bundles.rootfs", "toolkit.stores.graph", "toolkit.operations.joining"}
SIGNATURES = {"cryptography", "toolkit.signature", "toolkit.secretkey", "toolkit.operations.admission"}
METADATA = {"toolkit.outline"}  # what images look like in a list, which none that is carried gets
ALL = NEVER | DECODERS | READERS | WRITERS | ELSEWHERE | SIGNATURES | METADATA


def imported(*argv: str) -> set[str]:
    """Run a command in a process of its own, and return the modules it had at its end."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CODE, *argv]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    return set(json.loads(ran.stderr.splitlines()[-1]))


@pytest.fixture
def layout(lading: Lading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    assert lading("copy", SAMPLE, IMAGE, "oci:layout").code == 0
    return "oci:layout"


@pytest.mark.usefixtures("home")
def test_the_version_needs_nothing_of_images() -> None:
    images = {
        "toolkit.image",
        "toolkit.model",
        "toolkit.bundles",
        "toolkit.places",
        "toolkit.settings",
        "hashlib",
    }
    found = imported("--version")
    assert not found & ((ALL | images) - DECODERS)  # zipfile has some, where no installer left a folder
    assert "toolkit.plumbing" not in found


def test_a_list_of_a_layout_needs_nothing_that_reads_bundles(layout: str) -> None:
    bundles = {"toolkit.bundles.oci_reader", "toolkit.plumbing.archive", "toolkit.bundles.tarsink"}
    assert not imported("ls", layout) & ((ALL | bundles) - METADATA)


def test_an_export_needs_nothing_that_reads_bundles_or_writes_other_formats(layout: str) -> None:
    bundles = {"toolkit.bundles.oci_reader", "toolkit.plumbing.archive", "toolkit.bundles.agreement"}
    argv = ("export", IMAGE, "--from", layout, "-o", "x.tar", "--quiet")
    assert not imported(*argv) & (ALL | bundles)


def test_an_import_needs_the_reader_of_its_format_alone(lading: Lading, layout: str) -> None:
    assert lading("export", IMAGE, "--from", layout, "-o", "x.tar").code == 0
    formats = {"toolkit.bundles.universal", "toolkit.bundles.docker_members", "toolkit.bundles.tarsink"}
    found = imported("import", "x.tar", "--quiet")
    assert not found & ((ALL | formats) - METADATA)
    assert "toolkit.bundles.oci_reader" in found


def test_signing_needs_nothing_that_reads_images(layout: str) -> None:
    del layout
    assert imported("sign", "--generate", "site", "--no-passphrase")
    Path("x.tar").write_bytes(b"x")
    found = imported("sign", "x.tar", "--key", "site.key")
    assert "toolkit.signature" in found
    assert not found & (NEVER | READERS | WRITERS | {"toolkit.places"})


def test_an_extraction_needs_nothing_that_carries_or_compares(layout: str) -> None:
    carrying = {"toolkit.cli.carrying", "toolkit.bundles.tarsink", "toolkit.plumbing.filetable"}
    argv = ("extract", layout, IMAGE, "out", "--quiet")
    assert not imported(*argv) & ((ALL | carrying) - METADATA)


def test_bars_are_imported_where_they_are_drawn(layout: str) -> None:
    drawn = {"rich", "toolkit.cli.bars"}
    for words in ((), ("--json",), ("--quiet",)):
        assert not imported("export", IMAGE, "--from", layout, "-o", "x.tar", *words) & drawn


def test_garbage_is_collected_once_a_command_runs(monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    monkeypatch.setattr(sys, "argv", ["lading", "ls", layout])
    try:
        assert run() == 0
        assert gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


def test_the_version_is_known_by_the_folder_that_an_installer_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.cli.version.__file__", str(tmp_path / "toolkit/cli/version.py"))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert installed_version() == UNKNOWN
    (tmp_path / "lading-7.1.dist-info").mkdir()
    assert installed_version() == "7.1"
    monkeypatch.setattr("toolkit.cli.version.__file__", str(tmp_path / "archive.zip/toolkit/cli/version.py"))
    (tmp_path / "lading-7.1.dist-info/METADATA").write_text("Name: lading\nVersion: 7.1\n")
    assert installed_version() == "7.1"
