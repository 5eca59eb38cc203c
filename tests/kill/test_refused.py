"""A full disk, a limit, no permission: one sentence, the right exit code, no target, nothing left."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from luigi.retcodes import run_with_retcodes

from tests.kill.faults import CREATES, REFUSED, WRITES, Ended, Fault, in_child
from tests.kill.scenes import TAG, Inputs, pipeline, state, strays
from toolkit.cli import main
from toolkit.errors import StoreError

pytestmark = pytest.mark.kill

IS_ROOT = os.geteuid() == 0
ROOT = [
    pytest.mark.root,
    pytest.mark.skipif(not IS_ROOT, reason="needs root to mount, or to write a legacy root"),
]
NEEDS_SPACE = {
    *WRITES,
    CREATES,
    "ftruncate",
    "fsync",
    "mkdir",
    "link",
    "symlink",
    "mknod",
    "replace",
    "rename",
}
BUNDLES = {"bundle": ".tar", "packed": ".tar.gz"}
MOMENTS = 16
NOBODY = 65534
TASK_FAILED, SCHEDULING_FAILED = 30, 35  # pipelines/defaults.cfg


def export_words(inputs: Inputs, to: Path) -> list[str]:
    return ["export", TAG, "--from", f"graph:{inputs.folder / 'sample'}", "-o", str(to)]


def import_words(inputs: Inputs, store: str) -> list[str]:
    return ["import", str(inputs.bundle), "--into", store]


def extract_words(inputs: Inputs, to: Path) -> list[str]:
    return ["extract", str(inputs.bundle), TAG, str(to)]


def luigi_export(inputs: Inputs, folder: Path) -> Callable[[], int]:
    words = ["--module", "pipelines", "ExportImage", "--tag", TAG, "--no-lock"]

    def work() -> int:
        with pipeline(folder):
            run_with_retcodes([*words, "--source", f"graph:{inputs.folder / 'sample'}"])
        return 0

    return work


def one_sentence(ended: Ended, about: str) -> bool:
    """Whether the last thing that was said is our error, and no traceback came before it."""
    last = ended.said.rstrip().splitlines()[-1]
    return last.startswith("error: ") and about in last and "Traceback" not in ended.said


# ── a disk that is full from some call on ──


@pytest.mark.parametrize(
    "to",
    [
        "bundle",
        "packed",
        "oci",
        "tree",
        pytest.param("graph+aufs", marks=ROOT),
        pytest.param("graph+vfs", marks=ROOT),
    ],
)
def test_a_disk_that_fills_up_at_any_call_leaves_nothing_of_what_was_begun(
    inputs: Inputs, folder: Path, to: str
) -> None:
    place = folder / "new" / f"place{BUNDLES.get(to, '')}"
    place.parent.mkdir()
    words = export_words(inputs, place) if to in BUNDLES else import_words(inputs, f"{to}:{place}")
    if to == "tree":
        words = extract_words(inputs, place)
    calls = in_child(lambda: main(words), Fault()).calls
    whole = state(folder)
    places = [number for number, name in enumerate(calls, 1) if name in NEEDS_SPACE]
    for number in [*places[:: max(1, len(places) // MOMENTS)], places[-1]]:
        shutil.rmtree(folder / "new")
        (folder / "new").mkdir()
        ended = in_child(lambda: main(words), Fault(number, REFUSED))
        where = f"call {number}, {calls[number - 1]}: {ended.said}"
        assert ended.code == StoreError.exit_code, where
        assert one_sentence(ended, os.strerror(errno.ENOSPC).lower()), where
        assert strays(folder) == [], where
        # Whole it is where only the fsync of its folder failed.
        assert nothing_begun(place, to) or state(folder) == whole, where
    if to == "tree" and place.exists():  # which is never written over
        shutil.rmtree(place)
    assert in_child(lambda: main(words)).code == 0
    assert state(folder) == whole


def test_a_temporary_folder_that_fills_up_at_any_call_leaves_nothing(inputs: Inputs, folder: Path) -> None:
    place = folder / "out.tar"

    def work() -> int:
        tempfile.tempdir = str(folder)
        return main([*export_words(inputs, place), "--compression", "gzip"])

    calls = in_child(work, Fault()).calls
    whole = state(folder)
    for number in [number for number, name in enumerate(calls, 1) if name in NEEDS_SPACE]:
        place.unlink(missing_ok=True)
        ended = in_child(work, Fault(number, REFUSED))
        where = f"call {number}, {calls[number - 1]}: {ended.said}"
        assert ended.code == StoreError.exit_code, where
        assert one_sentence(ended, os.strerror(errno.ENOSPC).lower()), where
        assert state(folder).keys() <= whole.keys(), where
        assert not place.exists() or state(folder) == whole, where
    assert calls[:4] == ("pwrite",) * 4  # the layers, into the temporary file


def nothing_begun(place: Path, to: str) -> bool:
    """Whether there is no target; of an `oci:` store there may be blobs that nobody names."""
    return not (place / "index.json" if to == "oci" else place).exists()


# ── a disk that is full ──


@pytest.fixture
def mounted(folder: Path) -> Iterator[Callable[[int], Path]]:
    """Gives the folder a file system of its own, of so many KiB."""
    mounts = []

    def mount(kib: int) -> Path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], check=True)
        mounts.append(folder)
        return folder

    yield mount
    for path in mounts:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.mark.parametrize("kib", [4, 64, 160, 240])
@pytest.mark.parametrize("to", [*BUNDLES, "oci", "graph", "graph+vfs", "tree"])
@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="needs root to mount")
def test_a_command_tells_a_full_disk_in_one_sentence(
    inputs: Inputs, mounted: Callable[[int], Path], to: str, kib: int
) -> None:
    folder = mounted(kib)
    place = folder / f"new{BUNDLES.get(to, '')}"
    words = export_words(inputs, place) if to in BUNDLES else import_words(inputs, f"{to}:{place}")
    if to == "tree":
        words = extract_words(inputs, place)
    ended = in_child(lambda: main(words))
    if ended.code == 0:
        pytest.fail(f"it fits: {sorted(folder.iterdir())}") if kib < 160 else None
        return
    assert ended.code == StoreError.exit_code, ended.said
    assert one_sentence(ended, "free"), ended.said
    assert strays(folder) == []
    assert nothing_begun(place, to)


@pytest.mark.parametrize("kib", [4, 64, 200, 400])
@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="needs root to mount")
def test_a_pipeline_tells_a_full_disk_in_one_sentence(
    inputs: Inputs, mounted: Callable[[int], Path], kib: int
) -> None:
    folder = mounted(kib)
    ended = in_child(luigi_export(inputs, folder))
    assert ended.code == TASK_FAILED, ended.said
    assert one_sentence(ended, "free"), ended.said
    assert strays(folder) == []
    assert not list(folder.glob("var/bundles/*"))


def test_a_file_that_may_not_get_so_large_is_one_sentence(inputs: Inputs, folder: Path) -> None:
    def work() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        return main(export_words(inputs, folder / "out.tar"))

    ended = in_child(work)
    assert ended.code == StoreError.exit_code, ended.said
    assert one_sentence(ended, os.strerror(errno.EFBIG).lower())
    assert list(folder.iterdir()) == []


# ── no permission ──


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that another user may enter and not write to, where every user can reach it."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        (top / "closed").mkdir(0o555)
        yield top / "closed"


@pytest.fixture
def open_inputs(inputs: Inputs, closed: Path) -> Inputs:
    """The inputs where every user can read them."""
    ours = Inputs(closed.parent / "inputs")
    subprocess.run(["cp", "-a", inputs.folder, ours.folder], check=True)
    subprocess.run(["chmod", "-R", "a+rX", ours.folder], check=True)
    return ours


USER = NOBODY if IS_ROOT else None


@pytest.mark.parametrize("to", ["bundle", "oci", "tree"])
def test_a_command_tells_a_missing_permission_in_one_sentence(
    open_inputs: Inputs, closed: Path, to: str
) -> None:
    words = {
        "bundle": export_words(open_inputs, closed / "out.tar"),
        "oci": import_words(open_inputs, f"oci:{closed / 'store'}"),
        "tree": extract_words(open_inputs, closed / "tree"),
    }[to]
    ended = in_child(lambda: main(words), user=USER)
    assert ended.code == StoreError.exit_code, ended.said
    assert one_sentence(ended, os.strerror(errno.EACCES).lower())
    assert list(closed.iterdir()) == []


def test_a_legacy_root_is_written_by_root_only(open_inputs: Inputs, closed: Path) -> None:
    closed.chmod(0o777)
    ended = in_child(lambda: main(import_words(open_inputs, f"graph:{closed / 'root'}")), user=USER)
    assert ended.code == StoreError.exit_code, ended.said
    assert one_sentence(ended, "root only")
    assert list(closed.iterdir()) == []


def test_a_pipeline_tells_a_missing_permission_in_one_sentence(open_inputs: Inputs, closed: Path) -> None:
    ended = in_child(luigi_export(open_inputs, closed), user=USER)
    assert ended.code == SCHEDULING_FAILED, ended.said  # which takes a claim under `<home>`
    assert one_sentence(ended, os.strerror(errno.EACCES).lower()), ended.said
    assert list(closed.iterdir()) == []


def test_a_source_that_may_not_be_read_is_one_sentence(open_inputs: Inputs, closed: Path) -> None:
    closed.chmod(0o777)
    (open_inputs.bundle).chmod(0)
    ended = in_child(lambda: main(import_words(open_inputs, f"oci:{closed / 'store'}")), user=USER)
    assert ended.code == StoreError.exit_code, ended.said
    assert one_sentence(ended, os.strerror(errno.EACCES).lower())
    assert list(closed.iterdir()) == []
