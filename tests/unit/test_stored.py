"""Layers that lie as a tree and a tar-split, read and, where allowed, made anew."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from tests.stores.facts import DIFF_IDS
from toolkit.ancestry import Layersize
from toolkit.digest import Digest
from toolkit.errors import MissingMember, UnsafeArchive
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.docker_root.driver_store import DriverStore
from toolkit.stores.docker_root.drivers import DRIVERS
from toolkit.stores.trees.reader import TreeReader
from toolkit.stores.trees.stored import REBUILT_KEY, WHOLE, StoredLayer, StoredLayers

BASE = Digest("sha256", DIFF_IDS[0])


@pytest.fixture
def root(engine_stores: Path) -> Path:
    return engine_stores / "docker-20.10-vfs"


@pytest.fixture
def base(root: Path) -> StoredLayer:
    folder = f"image/vfs/layerdb/sha256/{BASE.hex}"
    tree = "vfs/dir/" + (root / folder / "cache-id").read_text()
    size = Layersize((root / folder / "size").read_text(), "vfs")
    return StoredLayer(BASE.hex, BASE, tree, WHOLE, f"{folder}/tar-split.json.gz", size=size)


def test_a_layer_is_measured_and_then_read(root: Path, base: StoredLayer) -> None:
    layers = StoredLayers(FolderFiles(root))
    examined = layers.examine(base)
    assert (examined.layer.key, examined.layer.digest, examined.was) == (str(BASE), BASE, None)
    assert not examined.findings
    with layers.open(base, examined.layer) as content:
        tar = b"".join(map(bytes, content.blocks()))
    assert hashlib.sha256(tar).hexdigest() == BASE.hex
    assert len(tar) == examined.layer.size


def test_a_tree_that_is_gone_is_named(root: Path, base: StoredLayer) -> None:
    with pytest.raises(MissingMember, match=rf"layer {BASE}: its folder .*/gone is not there"):
        StoredLayers(FolderFiles(root)).examine(dataclasses.replace(base, tree="gone"))


def test_without_a_split_it_is_made_anew_only_when_allowed(root: Path, base: StoredLayer) -> None:
    bare = dataclasses.replace(base, split="gone")
    with pytest.raises(MissingMember, match="no tar can be proven; --allow-rebuilt makes one of its files"):
        StoredLayers(FolderFiles(root)).examine(bare)
    examined = StoredLayers(FolderFiles(root), allow_rebuilt=True).examine(bare)
    assert (examined.layer.key, examined.layer.digest) == (f"{REBUILT_KEY}{BASE.hex}", None)
    assert examined.was == BASE
    assert "is made anew of its files" in examined.findings[0].problem


def test_a_tree_behind_a_link_is_not_read(root: Path, base: StoredLayer, tmp_path: Path) -> None:
    (tmp_path / "tree").symlink_to(root / base.tree)
    with pytest.raises(UnsafeArchive, match="is a link, expected a folder"):
        StoredLayers(FolderFiles(tmp_path)).examine(dataclasses.replace(base, tree="tree"))


def test_a_reader_says_what_vouches_for_it(root: Path, base: StoredLayer) -> None:
    with FolderFiles(root).tree(base.tree) as tree:
        assert TreeReader(tree, None, list, base.subject).proof == "rebuilt"


def test_one_driver_alone_is_a_source(root: Path) -> None:
    store = DriverStore(FolderFiles(root), DRIVERS["vfs"], "docker-root:here")
    assert store.has("ubuntu:trusty")
    assert not store.has("ubuntu:gone")
    assert store.holds(str(BASE))
    assert not store.holds("sha256:" + "0" * 64)
    assert not store.holds("no digest")
