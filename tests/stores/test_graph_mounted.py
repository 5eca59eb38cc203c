"""btrfs, zfs and devicemapper: whole trees as vfs has them, each a file system of its own that may be absent.

The stores are the one that Docker 1.9.1 wrote with vfs, its trees where the other driver has them:
nothing else of a root differs (formats A.9.3 to A.9.6).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.archives import A, B
from tests.graphs import FOLDERS, legacy_layer, name
from tests.stores.conftest import clone
from tests.stores.facts import DIFF_IDS, IDS, IMAGE_ID, LAYERSIZES
from tests.stores.test_graph_reading import TAG, bytes_of, strip_tar_split
from toolkit.digest import Digest
from toolkit.errors import StoreError, Unsupported
from toolkit.image import Proof
from toolkit.places import open_source
from toolkit.settings import Settings
from toolkit.stores.graph.drivers import DRIVERS
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.graph.writer import GraphSink

MOUNTED = [driver for driver in DRIVERS if DRIVERS[driver].mount]
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the files' owners, and mounts")


@pytest.fixture(params=MOUNTED)
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def recast(vfs: Path, driver: str) -> Path:
    """Make a vfs root one of another driver."""
    for layer_id in os.listdir(vfs / "vfs/dir"):
        to = vfs / FOLDERS[driver].format(layer_id)
        to.parent.mkdir(parents=True, exist_ok=True)
        (vfs / "vfs/dir" / layer_id).rename(to)
        if driver == "devicemapper":
            (to.parent / "id").write_text(layer_id)
            (to.parent / "lost+found").mkdir()
            record = vfs / "devicemapper/metadata" / layer_id
            record.parent.mkdir(exist_ok=True)
            record.write_text('{"device_id":1,"size":107374182400,"transaction_id":1,"initialized":false}')
    shutil.rmtree(vfs / "vfs")
    (vfs / "repositories-vfs").rename(vfs / f"repositories-{driver}")
    return vfs


@pytest.fixture
def root(engine_stores: Path, tmp_path: Path, driver: str) -> Path:
    return recast(clone(engine_stores / "docker-1.9.1-vfs", tmp_path / "root"), driver)


@pytest.fixture
def vfs(engine_stores: Path) -> Path:
    return engine_stores / "docker-1.9.1-vfs"


def place(root: Path, driver: str, layer_id: str) -> Path:
    """The folder where a layer is mounted."""
    return root / FOLDERS[driver].format(layer_id).removesuffix("/rootfs")


def unmount(root: Path, driver: str, layer_id: str) -> None:
    """Leave of a layer what is there when it is not mounted."""
    shutil.rmtree(place(root, driver, layer_id))
    place(root, driver, layer_id).mkdir()


def unmounted(folder: Path) -> None:
    subprocess.run(["umount", folder], check=True)


@contextmanager
def mounted(root: Path, driver: str, *layer_ids: str) -> Iterator[None]:
    """Each layer's tree in a file system of its own."""
    with ExitStack() as stack:
        for layer_id in layer_ids:
            folder = place(root, driver, layer_id)
            moved = folder.rename(root / f"was {layer_id}")
            folder.mkdir()
            done = subprocess.run(["mount", "-t", "tmpfs", "layer", folder], check=False, capture_output=True)
            if done.returncode:
                pytest.skip(f"needs mount: {done.stderr.decode().strip()}")
            stack.callback(unmounted, folder)
            subprocess.run(["cp", "-a", f"{moved}/.", folder], check=True)
        yield


def test_the_image_is_the_one_docker_stored(root: Path, driver: str) -> None:
    store = open_source(f"graph:{root}", Settings())
    assert isinstance(store, GraphStore)
    image = store.image(TAG)
    tars = [bytes_of(store, layer) for layer in image.layers]
    assert tuple(hashlib.sha256(tar).hexdigest() for tar in tars) == DIFF_IDS
    sizes = [layer.v1.layersize for layer in image.layers if layer.v1]
    assert tuple(size.text for size in sizes) == LAYERSIZES["vfs"]
    assert {(size.rule, size.driver) for size in sizes} == {("S5", driver)}
    assert not image.findings
    digests = [Digest("sha256", hex_) for hex_ in DIFF_IDS]
    pairs = zip(image.layers, digests, strict=True)
    (picture,) = image.proven({layer.key: Proof(own, layer.size, own) for layer, own in pairs}).images()
    assert str(picture.config.image_id) == IMAGE_ID


def test_without_tar_split_the_changes_are_those_of_vfs(root: Path, vfs: Path, tmp_path: Path) -> None:
    ours, theirs = (GraphStore(strip_tar_split(one)) for one in (root, clone(vfs, tmp_path / "vfs")))
    for layer, same in zip(ours.image(TAG).layers, theirs.image(TAG).layers, strict=True):
        assert bytes_of(ours, layer) == bytes_of(theirs, same)


@ROOT
@pytest.mark.root
@pytest.mark.parametrize("tar_split", [True, False])
def test_each_tree_may_be_a_mount_of_its_own(
    root: Path, vfs: Path, tmp_path: Path, driver: str, *, tar_split: bool
) -> None:
    """Inode numbers then repeat from layer to layer, and mean nothing across them."""
    if not tar_split:
        strip_tar_split(root)
        vfs = strip_tar_split(clone(vfs, tmp_path / "vfs"))
    theirs = GraphStore(vfs)
    with mounted(root, driver, *IDS):
        store = GraphStore(root)
        for layer, same in zip(store.image(TAG).layers, theirs.image(TAG).layers, strict=True):
            assert bytes_of(store, layer) == bytes_of(theirs, same)


@pytest.mark.parametrize("tar_split", [True, False])
def test_a_root_that_is_not_mounted_says_so(root: Path, driver: str, *, tar_split: bool) -> None:
    for layer_id in IDS:
        unmount(root, driver, layer_id)
    if not tar_split:
        strip_tar_split(root)
    store = GraphStore(root)
    assert [line.names for line in store.listings()] == [(TAG, "ubuntu:trusty")]
    with pytest.raises(
        StoreError, match=rf"^layer \w{{12}}: its {driver} tree .* is not mounted; "
    ) as caught:
        store.image(TAG)
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("tar_split", [True, False])
@pytest.mark.parametrize("layer_id", IDS[:-1])
def test_one_layer_that_is_not_mounted_is_named(
    root: Path, driver: str, layer_id: str, *, tar_split: bool
) -> None:
    unmount(root, driver, layer_id)
    if not tar_split:
        strip_tar_split(root)
    with pytest.raises(StoreError, match=f"^layer {layer_id[:12]}: its {driver} tree .* is not mounted; "):
        GraphStore(root).image(TAG)


def test_a_layer_without_tar_split_is_not_compared_with_a_parent_that_is_not_mounted(
    root: Path, driver: str
) -> None:
    unmount(root, driver, IDS[2])
    strip_tar_split(root)
    with pytest.raises(StoreError, match=f"^layer {IDS[2][:12]}: its {driver} tree .* is not mounted; "):
        GraphStore(root).layer(IDS[3])


@pytest.mark.parametrize("size", ["0", "1", None])
def test_an_empty_layer_is_read_where_nothing_else_is_recorded(
    tmp_path: Path, driver: str, size: str | None
) -> None:
    legacy_layer(tmp_path, driver, A, {}, size=size)
    legacy_layer(tmp_path, driver, B, {}, parent=A, size="0")
    name(tmp_path, driver, latest=B)
    store = GraphStore(tmp_path)
    if size != "0":  # what is not recorded may be anything
        with pytest.raises(StoreError, match="is not mounted"):
            store.image("app:latest")
        return
    assert {bytes_of(store, layer) for layer in store.image("app:latest").layers} == {bytes(1024)}


@ROOT
@pytest.mark.root
def test_what_is_mounted_may_be_empty_whatever_is_recorded(tmp_path: Path, driver: str) -> None:
    """The second layer removed all that the first one has, in a time before tar-split."""
    legacy_layer(tmp_path, driver, A, {"f": b"content"}, size="7")
    legacy_layer(tmp_path, driver, B, {"f": None}, parent=A, size="0")
    name(tmp_path, driver, latest=B)
    with mounted(tmp_path, driver, A, B):
        store = GraphStore(tmp_path)
        first, second = store.image("app:latest").layers
        assert b".wh.f" in bytes_of(store, second)
        assert b".wh.f" not in bytes_of(store, first)


@ROOT
@pytest.mark.root
def test_it_is_not_written(root: Path, driver: str, tmp_path: Path) -> None:
    for sink in (GraphSink(root), GraphSink(tmp_path / "new", driver)):
        with (
            pytest.raises(Unsupported, match=f"keeps its layers with {driver}, which is only read"),
            sink.receive([], {}),
        ):
            pass
    assert not (tmp_path / "new").exists()
