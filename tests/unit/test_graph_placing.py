from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from toolkit.ancestry import V1Layer
from toolkit.errors import CorruptContent, StoreError
from toolkit.stores.graph.drivers import DRIVERS
from toolkit.stores.graph.placing import LOCK, WORK, Placer, make_folder_at, write_new

ONE, TWO = "1" * 64, "2" * 64
AUFS, VFS = DRIVERS["aufs"], DRIVERS["vfs"]


def place(placer: Placer, layer_id: str, ancestors: tuple[str, ...] = ()) -> None:
    parent = f',"parent":"{ancestors[0]}"' if ancestors else ""
    layer = V1Layer.from_bytes(f'{{"id":"{layer_id}"{parent}}}'.encode())
    work = placer.work(layer_id[:1])
    make_folder_at(work, b"tree", 0o755)
    write_new(work, b"tar-data.json.gz", b"split")
    os.close(work)
    placer.place(layer, ancestors, layer_id[:1], "42")


def deliver(
    root: Path, layer_id: str, ancestors: tuple[str, ...] = (), *, kept: int = 1, fails: int = 0
) -> None:
    """Place one layer, as a delivery does that may fail before or after its layers are kept."""
    with Placer.open(root, AUFS) as placer:
        placer.prepare()
        place(placer, layer_id, ancestors)
        if kept:
            placer.keep()
        if fails:
            raise StoreError("names", "could not be written")


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}


def test_an_aufs_root_has_dockers_folders_and_modes_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        with Placer.open(tmp_path / "root", AUFS) as placer:
            placer.prepare()
            place(placer, ONE)
            place(placer, TWO, (ONE,))
            placer.keep()
    finally:
        os.umask(old)
    shared = {f"{name}{which}": mode for which in (ONE, TWO) for name, mode in {
        "aufs/diff/": 0o755, "aufs/mnt/": 0o755, "aufs/layers/": 0o644, "graph/": 0o700,
    }.items()}  # fmt: skip
    files = {
        f"graph/{which}/{name}": 0o600
        for which in (ONE, TWO)
        for name in ("json", "layersize", "tar-data.json.gz")
    }
    folders = dict.fromkeys(("aufs", "aufs/diff", "aufs/layers", "aufs/mnt"), 0o755)
    assert modes(tmp_path / "root") == {**shared, **files, **folders, "graph": 0o700, "graph/_tmp": 0o700}
    assert (tmp_path / "root/aufs/layers" / TWO).read_text() == ONE + "\n"
    assert (tmp_path / "root/graph" / ONE / "layersize").read_bytes() == b"42"


def test_a_vfs_root_has_dockers_folders_and_modes(tmp_path: Path) -> None:
    with Placer.open(tmp_path / "root", VFS) as placer:
        placer.prepare()
        place(placer, ONE)
        placer.keep()
    found = modes(tmp_path / "root")
    assert (found["vfs"], found["vfs/dir"], found[f"vfs/dir/{ONE}"]) == (0o700, 0o700, 0o755)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_failure_takes_everything_back_that_was_not_there_before(tmp_path: Path, kept: int) -> None:
    with pytest.raises(StoreError):
        deliver(tmp_path / "deep/root", ONE, kept=kept, fails=1)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_what_was_there_before(tmp_path: Path) -> None:
    deliver(tmp_path, ONE)
    before = modes(tmp_path)
    with pytest.raises(StoreError):
        deliver(tmp_path, TWO, (ONE,), fails=1)
    assert modes(tmp_path) == before


def test_a_layer_is_never_placed_over_something(tmp_path: Path) -> None:
    (tmp_path / "aufs/mnt" / ONE).mkdir(parents=True)
    with pytest.raises(StoreError, match="is there, and no image"):
        deliver(tmp_path, ONE)
    assert modes(tmp_path).keys() == {"aufs", "aufs/mnt", f"aufs/mnt/{ONE}"}


def test_what_a_killed_run_kept_stays_and_the_rest_goes(tmp_path: Path) -> None:
    deliver(tmp_path, ONE)
    (tmp_path / WORK / "placed" / TWO).mkdir(parents=True)
    (tmp_path / "graph" / TWO).mkdir()
    (tmp_path / "aufs/diff" / TWO / "file").mkdir(parents=True)
    with Placer.open(tmp_path, AUFS):
        assert {path.name for path in (tmp_path / "graph").iterdir()} == {ONE, "_tmp"}
        assert {path.name for path in (tmp_path / "aufs/diff").iterdir()} == {ONE}
    assert not (tmp_path / WORK).exists()
    assert not (tmp_path / LOCK).exists()


@pytest.mark.parametrize("link", ["aufs", "aufs/diff", "graph"])
def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path, link: str) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside)
    with pytest.raises(CorruptContent, match=f"{link}: is "):
        deliver(root, ONE)
    assert list(outside.iterdir()) == []
