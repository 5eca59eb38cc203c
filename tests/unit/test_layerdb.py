"""`layerdb` by hand: what formats B.1 says lies there, and what must not be believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.digest import Digest, chain_ids
from toolkit.errors import Mismatch, MissingMember, UnsafeArchive
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.docker_root.drivers import DRIVERS
from toolkit.stores.docker_root.layerdb import SPLIT, LayerDb
from toolkit.stores.trees.stored import OVERLAY, StoredLayer

IDS = [Digest.of(text) for text in (b"base", b"top")]
CHAIN = chain_ids(IDS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, (chain_id, diff_id) in enumerate(zip(CHAIN, IDS, strict=True)):
        folder = tmp_path / "image/overlay2/layerdb/sha256" / chain_id.hex
        folder.mkdir(parents=True)
        (folder / "diff").write_text(str(diff_id))
        (folder / "size").write_text(str(100 + number))
        (folder / "cache-id").write_text(str(number) * 64)
        if number:
            (folder / "parent").write_text(str(CHAIN[number - 1]))
    return tmp_path


@pytest.fixture
def layers(root: Path) -> LayerDb:
    return LayerDb(FolderFiles(root), DRIVERS["overlay2"])


def record(root: Path, number: int, name: str) -> Path:
    return root / "image/overlay2/layerdb/sha256" / CHAIN[number].hex / name


def test_a_layer_knows_its_tree_its_split_and_what_is_below(layers: LayerDb) -> None:
    base, top = layers.stack(IDS)
    assert isinstance(base, StoredLayer)
    assert (base.tree, top.tree) == (f"overlay2/{'0' * 64}/diff", f"overlay2/{'1' * 64}/diff")
    assert top.parent == base.tree
    assert (top.form, top.size_rule, top.size.value) == (OVERLAY, "S3", 101)
    assert top.split == f"image/overlay2/layerdb/sha256/{CHAIN[1].hex}/{SPLIT}"
    assert top.id == CHAIN[1].hex


def test_sizes_are_those_recorded(root: Path, layers: LayerDb) -> None:
    assert layers.sizes(IDS) == [100, 101]
    record(root, 0, "size").unlink()
    assert layers.sizes(IDS) == [None, 101]


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("diff", "sha256:" + "0" * 64, Mismatch),
        ("diff", f"{IDS[1]}\n", Mismatch),
        ("parent", "sha256:" + "0" * 64, Mismatch),
        ("cache-id", "../../../etc", UnsafeArchive),
        ("cache-id", "", MissingMember),
        ("cache-id", "a/b", UnsafeArchive),
        ("cache-id", "a" * 129, UnsafeArchive),
        ("cache-id", None, MissingMember),
    ],
)
def test_what_is_not_as_the_image_has_it_is_refused(
    root: Path, layers: LayerDb, name: str, text: str | None, error: type[Exception]
) -> None:
    path = record(root, 1, name)
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(error):
        layers.stack(IDS)


def test_a_base_layer_with_a_parent_is_refused(root: Path, layers: LayerDb) -> None:
    record(root, 0, "parent").write_text(str(CHAIN[1]))
    with pytest.raises(Mismatch, match=f"parent is {CHAIN[1]}, expected none$"):
        layers.stack(IDS)


@pytest.mark.parametrize(("text", "told"), [(None, "is not there"), ("", "is empty")])
@pytest.mark.parametrize("name", ["diff", "parent"])
def test_a_lost_record_of_what_the_chain_id_proves_costs_nothing_and_is_told(
    root: Path, layers: LayerDb, name: str, text: str | None, told: str
) -> None:
    whole = layers.stack(IDS)
    assert layers.gaps(IDS) == []
    path = record(root, 1, name)
    path.unlink() if text is None else path.write_text(text)
    assert layers.stack(IDS) == whole
    (finding,) = layers.gaps(IDS)
    problem = f"its record {path} {told}: the name of its folder proves what it said"
    assert (finding.subject, finding.problem, finding.severity) == (f"layer {IDS[1]}", problem, "warning")


@pytest.mark.parametrize(("text", "told"), [(None, "is not there"), ("", "is empty")])
def test_a_lost_cache_id_is_damage_that_names_the_file(
    root: Path, layers: LayerDb, text: str | None, told: str
) -> None:
    path = record(root, 1, "cache-id")
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(MissingMember) as caught:
        layers.stack(IDS)
    assert str(caught.value) == f"{path}: {told}; its images cannot be exported"
