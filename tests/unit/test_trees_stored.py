"""Layers as tree and tar-split: what can be proven, what can be made anew, and what is said of sizes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.archives import ONE, sha256
from tests.storages import planted, record_split
from toolkit.ancestry import Layersize
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, MissingMember, UnsafeArchive, Unsupported
from toolkit.image import Layer
from toolkit.limits import Limits, hold
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.plumbing.tree import Tree
from toolkit.stores.trees import stored as stored_layers
from toolkit.stores.trees.differ import Change, all_changes
from toolkit.stores.trees.stored import AUFS, REBUILT_KEY, TAR, WHOLE, StoredLayer, StoredLayers

DIFF_ID = Digest.parse(sha256(ONE))
LAYER = StoredLayer("some", DIFF_ID, "tree", WHOLE, "split.gz")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one layer."""
    planted(tmp_path / "tree", ONE, keep_whiteouts=False)
    record_split(tmp_path / "split.gz", ONE)
    return tmp_path


def layers(root: Path, *, allow_rebuilt: bool = False) -> StoredLayers:
    return StoredLayers(FolderFiles(root), allow_rebuilt=allow_rebuilt)


def content(trees: StoredLayers, stored: StoredLayer, layer: Layer) -> bytes:
    with trees.open(stored, layer) as opened:
        return b"".join(map(bytes, opened.blocks()))


def test_the_exact_tar_comes_back_under_its_diff_id(root: Path) -> None:
    trees = layers(root)
    examined = trees.examine(LAYER)
    assert (examined.layer, examined.findings, examined.was) == (
        Layer(str(DIFF_ID), len(ONE), DIFF_ID, DIFF_ID),
        (),
        None,
    )
    assert content(trees, LAYER, examined.layer) == ONE


def test_what_the_files_give_is_compared_with_the_diff_id(root: Path) -> None:
    stored = replace(LAYER, diff_id=Digest.parse(sha256(b"another")))
    trees = layers(root)
    layer = trees.examine(stored).layer
    with pytest.raises(Mismatch, match="digest"), trees.open(stored, layer) as opened:
        transfer(opened, layer, nowhere)


@pytest.mark.parametrize(
    ("size", "rule", "problem"),
    [
        (None, "S5", ""),
        ("1", "S5", ""),
        ("1", "S3", ""),
        ("2", "S5", "layersize is 2, which no rule of the vfs driver gives"),
        ("one", "S5", "layersize is 'one', expected decimal digits and nothing else"),
        (None, TAR, ""),
        (str(len(ONE)), TAR, ""),
        ("1", TAR, f"its recorded size is 1, expected {len(ONE)}, the size of its tar"),
    ],
)
def test_a_recorded_size_is_weighed_by_its_rule(
    root: Path, size: str | None, rule: str, problem: str
) -> None:
    stored = replace(LAYER, size=Layersize(size, "vfs"), size_rule=rule)
    assert [finding.problem for finding in layers(root).examine(stored).findings] == (
        [problem] if problem else []
    )


@pytest.mark.parametrize("form", [WHOLE, AUFS])
@pytest.mark.parametrize("damage", ["edited", "split gone"])
def test_what_cannot_be_proven_is_made_anew_only_when_allowed(root: Path, form: str, damage: str) -> None:
    stored = replace(LAYER, form=form)
    if damage == "edited":
        (root / "tree/one").write_bytes(b"9")
    else:
        os.unlink(root / "split.gz")
        with pytest.raises(MissingMember, match=r"tar-split .* no tar can be proven; --allow-rebuilt"):
            layers(root).examine(stored)
    trees = layers(root, allow_rebuilt=True)
    examined = trees.examine(stored)
    assert (examined.layer.key, examined.layer.diff_id, examined.was) == (f"{REBUILT_KEY}some", None, DIFF_ID)
    assert "is made anew of its files, because" in examined.findings[0].problem
    assert len(content(trees, stored, examined.layer)) == examined.layer.size


def test_a_file_that_goes_while_a_layer_is_made_anew_is_told_with_its_layer(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changes(tree: Tree) -> Iterator[Change]:
        found = list(all_changes(tree))
        (root / "tree/one").unlink()
        yield from found

    monkeypatch.setattr(stored_layers, "all_changes", changes)
    (root / "split.gz").unlink()
    with pytest.raises(CorruptContent) as caught:
        layers(root, allow_rebuilt=True).examine(LAYER)
    sentence = f"layer {DIFF_ID}: {root}/tree/one: came and went while it was read; end whoever writes there"
    assert str(caught.value) == f"{sentence}, and run again"
    assert caught.value.exit_code == 5


def test_a_layer_made_anew_that_is_too_large_is_called_as_its_image_has_it(root: Path) -> None:
    (root / "split.gz").unlink()
    hold(Limits(layer=1024))
    with pytest.raises(UnsafeArchive) as caught:
        layers(root, allow_rebuilt=True).examine(LAYER)
    sentence = "holds more than 1024 bytes, expected at most that; [lading] layer_limit says so"
    assert str(caught.value) == f"layer {DIFF_ID}: {sentence}"


def test_a_layer_that_can_be_proven_is_not_made_anew(root: Path) -> None:
    assert layers(root, allow_rebuilt=True).examine(LAYER) == layers(root).examine(LAYER)


def test_a_layer_pulled_in_parts_may_lack_its_tar_split(root: Path) -> None:
    stored = replace(LAYER, in_parts=True)
    assert layers(root).examine(stored).was is None
    os.unlink(root / "split.gz")
    with pytest.raises(Unsupported, match="was pulled in parts, and its exact tar is not kept"):
        layers(root).examine(stored)
    assert layers(root, allow_rebuilt=True).examine(stored).was == DIFF_ID


def test_a_folder_that_is_gone_or_a_link_is_one_sentence(root: Path) -> None:
    (root / "tree").rename(root / "elsewhere")
    with pytest.raises(MissingMember, match=r"its folder .*tree is not there"):
        layers(root).examine(LAYER)
    (root / "tree").symlink_to("elsewhere")
    with pytest.raises(UnsafeArchive, match="is a link, expected a folder"):
        layers(root).examine(LAYER)


def test_a_whole_tree_is_compared_with_that_of_its_parent(root: Path) -> None:
    shutil.copytree(root / "tree", root / "upper")
    (root / "upper/more").write_bytes(b"added")
    stored = replace(LAYER, id="upper", tree="upper", split="none", parent="tree")
    trees = layers(root, allow_rebuilt=True)
    raw = content(trees, stored, trees.examine(stored).layer)
    assert b"more" in raw
    assert not raw.startswith(b"one")
    with pytest.raises(CorruptContent, match=r"its folder .*gone is not there"):
        trees.examine(replace(stored, parent="gone"))
