"""The command and a running engine: what is told where something has no room."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, docker_item, encode, image, layout, sha256, tar
from tests.cli.conftest import Lading
from tests.daemons import Answer, FakeEngine, fake_engine

BIG = tar({"random": os.urandom(4 << 20)})  # no document: it goes straight to where it will lie
APP = image(ONE, BIG)
SAVED = tar({**layout(("app:1", APP)), "manifest.json": encode([docker_item(APP, "app:1")])})
HUGE = 1 << 62  # bytes
TOLD = {
    "Id": sha256(APP.config),
    "RepoTags": ["app:1"],
    "RepoDigests": [],
    "Size": 7,
    "Os": "linux",
    "Architecture": "amd64",
    "RootFS": {"Layers": [sha256(ONE), sha256(BIG)]},
}
ROOT = Path(__file__).parents[2]
SKELETON = {"oci-layout", "index.lock", "writers.lock"}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    with fake_engine() as fake:
        monkeypatch.setenv("DOCKER_HOST", fake.host)
        fake.has(TOLD)
        fake.answers["/images/get"] = Answer(SAVED)
        yield fake


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder with room for a megabyte."""
    folder = tmp_path / "narrow"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def saves(engine: FakeEngine) -> int:
    return sum("/images/get" in line for line in engine.asked)


@pytest.mark.parametrize("name", ["out.tar", "out.tar.zst"])
def test_a_bundle_that_cannot_fit_is_refused_before_anything_is_saved(
    lading: Lading, tmp_path: Path, engine: FakeEngine, name: str
) -> None:
    engine.has({**TOLD, "Size": HUGE})
    folder = tmp_path / "out"
    folder.mkdir()
    ran = lading("copy", "docker-daemon:", "app:1", str(folder / name))
    assert ran.code == 7
    assert ran.last.startswith(f"error: {folder / name}: needs {HUGE} bytes and its file system has ")
    assert ran.last.endswith(" free; make room")
    assert (saves(engine), os.listdir(folder)) == (0, [])


@pytest.mark.parametrize(
    "words", [("extract", "docker-daemon:", "app:1", "root"), ("verify", "docker-daemon:")]
)
def test_what_is_kept_in_a_temporary_folder_is_refused_before_it_is_full(
    lading: Lading, temporary: Path, engine: FakeEngine, words: tuple[str, ...]
) -> None:
    engine.has({**TOLD, "Size": HUGE})
    ran = lading(*words)
    assert ran.code == 7
    told = f"temporary file in {temporary} for docker-daemon: needs {HUGE} bytes and its file system has "
    assert told in ran.err
    assert "free some space there, or have TMPDIR name another folder" in ran.err
    assert saves(engine) == 0


def test_an_engine_with_containerd_tells_no_size_that_could_be_compared(
    lading: Lading, tmp_path: Path, engine: FakeEngine
) -> None:
    engine.has({**TOLD, "Size": HUGE})
    engine.says("/info", {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]})
    assert lading("copy", "docker-daemon:", "app:1", str(tmp_path / "out.tar")).code == 0


@pytest.mark.root
@needs_root
@pytest.mark.parametrize("name", ["out.tar", "out.tar.zst", "oci:store"])
def test_a_full_destination_is_told_as_such(
    lading: Lading, narrow: Path, engine: FakeEngine, name: str
) -> None:
    engine.has({**TOLD, "Size": 7})  # so the lack of room shows only as the layers come
    place = f"oci:{narrow / 'store'}" if name == "oci:store" else str(narrow / name)
    ran = lading("copy", "docker-daemon:", "app:1", place)
    assert ran.code == 7
    assert ran.last.startswith(f"error: {place}: needs {len(BIG)} bytes and its file system has ")
    assert [path for path in narrow.rglob("*") if path.is_file() and path.name not in SKELETON] == []


def test_a_pipe_needs_room_in_the_temporary_folder(temporary: Path, engine: FakeEngine) -> None:
    engine.has({**TOLD, "Size": HUGE})
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    words = [sys.executable, "-m", "toolkit", "copy", "docker-daemon:", "app:1", "-"]
    ran = subprocess.run(words, capture_output=True, text=True, env=environ, check=False)
    assert ran.returncode == 7
    assert f"error: {temporary}/standard output: needs {HUGE} bytes and its file system has " in ran.stderr
    assert "free; free some space there, or have TMPDIR name another folder" in ran.stderr
    assert (ran.stdout, saves(engine)) == ("", 0)
