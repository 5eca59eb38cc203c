from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import A, B, C, encode, sha256
from toolkit.digest import Digest
from toolkit.document import Node
from toolkit.errors import CorruptContent, InvalidDocument, Mismatch, MissingMember, UnsafeArchive
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.containers_storage.layerlist import DRIVERS, LayerList, LayerRecord

CHAIN_LIMIT = 1024

ONE, TWO = (Digest.parse(sha256(text)) for text in (b"1", b"2"))
BASE = {"id": A, "diff-digest": str(ONE), "diff-size": 1024}
UPPER = {"id": B, "parent": A, "diff-digest": str(TWO), "diff-size": 2048}


def layers(root: Path, *records: object, driver: str = "overlay", volatile: object = None) -> LayerList:
    folder = root / f"{driver}-layers"
    folder.mkdir(exist_ok=True)
    (folder / "layers.json").write_bytes(encode(list(records)))
    if volatile:
        (folder / "volatile-layers.json").write_bytes(encode(volatile))
    return LayerList(FolderFiles(root), DRIVERS[driver])


@pytest.mark.parametrize(("driver", "tree"), [("overlay", "overlay/{}/diff"), ("vfs", "vfs/dir/{}")])
def test_a_stack_says_where_each_layer_lies(tmp_path: Path, driver: str, tree: str) -> None:
    base, upper = layers(tmp_path, UPPER, BASE, driver=driver).stack(B, [ONE, TWO], "image x")
    assert (base.id, base.tree, base.parent, base.size.value) == (A, tree.format(A), "", 1024)
    assert (upper.id, upper.tree, upper.parent, upper.size.value) == (B, tree.format(B), tree.format(A), 2048)
    assert upper.split == f"{driver}-layers/{B}.tar-split.gz"


def test_layers_of_both_lists_make_one_chain(tmp_path: Path) -> None:
    found = layers(tmp_path, BASE, volatile=[UPPER])
    assert [record.id for record in found.chain(B)] == [A, B]


def test_a_layer_is_found_by_its_diff_id_and_by_its_own(tmp_path: Path) -> None:
    found = layers(tmp_path, {**BASE, "id": "bad"}, {**BASE, "id": C, "parent": C}, BASE, UPPER, {"id": "5"})
    for stored in (found.with_diff_id(TWO), found.stored(B)):
        assert stored
        assert (stored.id, stored.diff_id) == (B, TWO)
    at = found.with_diff_id(ONE)
    assert at
    assert at.id == A  # the first that can be read
    assert found.with_diff_id(Digest.parse(sha256(b"3"))) is None


def test_of_layers_with_one_diff_id_one_below_which_all_is_known_serves(tmp_path: Path) -> None:
    unknown = {"id": C, "toc-digest": str(ONE)}
    above = {**UPPER, "id": "d" * 64, "parent": C}
    found = layers(tmp_path, unknown, above, BASE, UPPER).with_diff_id(TWO)
    assert found
    assert found.id == B


def test_a_layer_of_a_container_has_no_digest_and_is_none_of_ours(tmp_path: Path) -> None:
    assert layers(tmp_path, BASE, {"id": B, "parent": A}).stored(B) is None


def test_a_store_without_a_list_has_no_layers(tmp_path: Path) -> None:
    with pytest.raises(MissingMember, match=r"its record in .*vfs-layers/layers\.json is not there"):
        LayerList(FolderFiles(tmp_path), DRIVERS["vfs"]).chain(A)


def test_a_chain_without_end_is_refused(tmp_path: Path) -> None:
    ids = [f"{number:064x}" for number in range(CHAIN_LIMIT + 2)]
    records = [{"id": id_, "parent": below} for below, id_ in zip(["", *ids], ids, strict=False)]
    with pytest.raises(UnsafeArchive, match=f"has more than {CHAIN_LIMIT} layers below"):
        layers(tmp_path, *records).chain(ids[-1])
    with pytest.raises(InvalidDocument, match="is its own ancestor"):
        layers(tmp_path, {**BASE, "parent": B}, UPPER).chain(B)


@pytest.mark.parametrize(
    ("record", "kind", "sentence"),
    [
        ({**UPPER, "diff-digest": str(ONE)}, Mismatch, "diff-digest is"),
        ({**UPPER, "parent": ""}, CorruptContent, "image x: has 1 layers and 2 diffIDs"),
        ({**UPPER, "parent": 5}, InvalidDocument, "parent: str required, found int"),
        ({**UPPER, "flags": {"incomplete": True}}, CorruptContent, "is marked as incomplete"),
        ({**UPPER, "flags": 5}, InvalidDocument, "flags: dict required, found int"),
        ({**UPPER, "Parent": C}, UnsafeArchive, "is a second spelling"),
    ],
)
def test_a_record_that_is_odd_is_one_sentence(
    tmp_path: Path, record: object, kind: type[CorruptContent], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence):
        layers(tmp_path, BASE, record).stack(B, [ONE, TWO], "image x")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, LayerRecord(A, "", None, None)),
        ({"parent": B, "diff-digest": str(ONE), "diff-size": 5}, LayerRecord(A, B, ONE, 5)),
        ({"diff-size": -1, "toc-digest": str(TWO)}, LayerRecord(A, "", None, None, in_parts=True)),
        ({"diff-digest": "", "flags": {"incomplete": True}}, LayerRecord(A, "", None, None, incomplete=True)),
        ({"flags": None, "diff-size": None}, LayerRecord(A, "", None, None)),
    ],
)
def test_what_is_recorded_of_a_layer(members: dict[str, object], expected: LayerRecord) -> None:
    assert LayerRecord.from_node(Node({"id": A, **members}, "layers.json")) == expected
