"""A btrfs root on a real btrfs: a subvolume for each layer, each a snapshot of the one below."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.neighbours import made, neighbour
from tests.stores.conftest import clone
from tests.stores.facts import DIFF_IDS, IDS
from tests.stores.test_graph_reading import TAG, bytes_of, strip_tar_split
from toolkit.errors import StoreError
from toolkit.plumbing.locks import UNSEEN, flock_holder
from toolkit.stores.graph.store import GraphStore

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts"),
    pytest.mark.skipif(
        not (shutil.which("mkfs.btrfs") and shutil.which("btrfs")), reason="mkfs.btrfs is not installed"
    ),
]


def run(*words: str | Path) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """An empty btrfs."""
    image, volume = tmp_path / "image", tmp_path / "volume"
    image.touch()
    os.truncate(image, 300 << 20)
    volume.mkdir()
    run("mkfs.btrfs", "--quiet", image)
    done = subprocess.run(["mount", "-o", "loop", image, volume], check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"needs mount: {done.stderr.decode().strip()}")
    yield volume
    run("umount", volume)


@pytest.fixture
def root(volume: Path, engine_stores: Path) -> Path:
    root, source = volume / "docker", engine_stores / "docker-1.9.1-vfs"
    run("btrfs", "subvolume", "create", root)
    shutil.copytree(source / "graph", root / "graph")
    shutil.copy(source / "repositories-vfs", root / "repositories-btrfs")
    folder = root / "btrfs/subvolumes"
    folder.mkdir(parents=True)
    for number, layer_id in enumerate(IDS):
        made_of = ["snapshot", folder / IDS[number - 1]] if number else ["create"]
        run("btrfs", "subvolume", *made_of, folder / layer_id)
        for path in (folder / layer_id).iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        run("cp", "-a", f"{source}/vfs/dir/{layer_id}/.", folder / layer_id)
    return root


def test_each_layers_tar_is_the_one_docker_stored(root: Path) -> None:
    store = GraphStore(root)
    image = store.image(TAG)
    assert not image.findings
    assert tuple(sha256(bytes_of(store, layer)).hexdigest() for layer in image.layers) == DIFF_IDS


def test_without_tar_split_the_changes_are_those_of_vfs(
    root: Path, engine_stores: Path, tmp_path: Path
) -> None:
    vfs = GraphStore(strip_tar_split(clone(engine_stores / "docker-1.9.1-vfs", tmp_path / "vfs")))
    ours = GraphStore(strip_tar_split(root))
    for layer, same in zip(ours.image(TAG).layers, vfs.image(TAG).layers, strict=True):
        assert bytes_of(ours, layer) == bytes_of(vfs, same)


@pytest.mark.parametrize("tar_split", [True, False])
def test_a_snapshot_of_the_root_has_the_layers_left_out_and_says_so(root: Path, *, tar_split: bool) -> None:
    if not tar_split:
        strip_tar_split(root)
    run("btrfs", "subvolume", "snapshot", root, root.parent / "snapshot")
    with pytest.raises(StoreError, match="a snapshot of the root leaves them out"):
        GraphStore(root.parent / "snapshot").image(TAG)


def test_the_kernels_list_of_locks_has_other_devices_there_and_a_lock_is_noticed_all_the_same(
    volume: Path,
) -> None:
    file = made(volume / "metadata.db")
    with file.open("rb") as opened, neighbour("neighbour", holds=file, lock="flock"):
        assert flock_holder(opened.fileno()) == UNSEEN
