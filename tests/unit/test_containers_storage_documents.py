from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.archives import A, B
from toolkit.errors import InvalidDocument, StoreError, UnsafeArchive
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.containers_storage.documents import (
    RecordList,
    StorageFiles,
    StorageTrees,
    asking_for_rights,
)

LIST_LIMIT = 16 << 20


def listed(root: Path, text: bytes) -> RecordList:
    (root / "list.json").write_bytes(text)
    return RecordList(FolderFiles(root), "list.json", ("id", "layer"))


def test_of_a_record_the_keys_that_were_asked_for_are_kept(tmp_path: Path) -> None:
    found = listed(tmp_path, b'[{"id":"%b","layer":"x","LAYER":"y","uidset":[1,2]}]' % A.encode())
    record = found.read().one(A, "image")
    assert record
    assert record.value == {"id": A, "layer": "x", "LAYER": "y"}
    assert found.read().one(B, "image") is None


@pytest.mark.parametrize("text", [b"null", b"[]", b"[5,null,{},[]]"])
def test_a_list_may_be_empty(tmp_path: Path, text: bytes) -> None:
    assert listed(tmp_path, text).read().by_id == {}
    assert RecordList(FolderFiles(tmp_path), "none.json", ()).read().by_id == {}


def test_a_list_is_parsed_again_only_where_it_was_changed(tmp_path: Path) -> None:
    found = listed(tmp_path, b'[{"id":"a"}]')
    first = found.read()
    assert found.read() is first
    (tmp_path / "new").write_bytes(b'[{"id":"b"}]')
    os.replace(tmp_path / "new", tmp_path / "list.json")  # as containers/storage writes it
    assert list(found.read().by_id) == ["b"]


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        (b"5", InvalidDocument, "is no JSON list, expected one of records"),
        (b'[{"id":"a","id":"b"}]', InvalidDocument, "is not valid JSON"),
        (b" " * (LIST_LIMIT + 1), UnsafeArchive, f"expected at most {LIST_LIMIT}"),
    ],
)
def test_what_is_no_list_is_one_sentence(
    tmp_path: Path, text: bytes, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence):
        listed(tmp_path, text).read()


@pytest.mark.parametrize("id_", ["", "../../etc", A.upper(), f"{A}\n", A[1:]])
def test_what_is_no_id_never_becomes_a_path(tmp_path: Path, id_: str) -> None:
    with pytest.raises(UnsafeArchive, match="expected 64 lower-case hex digits"):
        listed(tmp_path, b"[]").read().one(id_, "layer")


def test_an_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeArchive, match=f"has the image {A} 2 times"):
        listed(tmp_path, b'[{"id":"%b"},{"id":"%b"}]' % (A.encode(), A.encode())).read().one(A, "image")


def test_only_a_refusal_within_the_store_is_answered_with_unshare(tmp_path: Path) -> None:
    for cause, folder, advised in (
        (PermissionError(13, "denied"), tmp_path, True),
        (OSError(5, "broken"), tmp_path, False),
        (PermissionError(13, "denied"), Path("/elsewhere"), False),
    ):
        with pytest.raises(StoreError) as caught, asking_for_rights(tmp_path):
            raise StoreError(f"{folder}/file", "permission denied", "else") from cause
        assert ("podman unshare" in str(caught.value)) is advised


def test_the_files_of_a_store_are_read_as_any_others(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_bytes(b"text")
    files = StorageFiles(tmp_path)
    assert files.read("folder/file", 10) == b"text"
    assert files.names("folder") == ["file"]
    with files.tree("folder") as tree:
        assert tree.lstat(b"file")
    assert StorageTrees(files)
