from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.archives import ONE, blob, sha256, unpacked
from toolkit.digest import Digest
from toolkit.errors import Mismatch, MissingMember, UnsafeArchive
from toolkit.stores.folder_blobs import FolderBlobs

DIGEST = Digest.parse(sha256(ONE))


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(unpacked(tmp_path, {blob(sha256(ONE)): ONE, "index.json": b"{}"}))


def test_a_blob_is_found_by_its_digest(blobs: FolderBlobs) -> None:
    assert blobs.size(DIGEST) == len(ONE)
    with blobs.open(DIGEST, len(ONE)) as content:
        assert b"".join(map(bytes, content.blocks())) == ONE


def test_what_is_not_there_is_not_there(blobs: FolderBlobs) -> None:
    other = Digest.of(b"other")
    assert (blobs.size(other), blobs.read("none/at/all", 9), blobs.read("index.json", 9)) == (
        None,
        None,
        b"{}",
    )
    with pytest.raises(MissingMember), blobs.open(other, 1):
        pass


def test_a_blob_of_another_size_is_refused(blobs: FolderBlobs) -> None:
    with pytest.raises(Mismatch, match="size"), blobs.open(DIGEST, 3):
        pass


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_regular_files_are_opened_and_no_pipe_is_waited_for(blobs: FolderBlobs, kind: str) -> None:
    path = blobs.path(DIGEST)
    path.rename(path.with_name("moved"))
    {"link": lambda: path.symlink_to("moved"), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    with pytest.raises(UnsafeArchive, match="expected a regular file"):
        blobs.size(DIGEST)
    with pytest.raises(UnsafeArchive, match="expected a regular file"), blobs.open(DIGEST, len(ONE)):
        pass


def test_blobs_may_lie_below_a_folder_that_is_no_link(tmp_path: Path) -> None:
    unpacked(tmp_path / "root/content", {blob(sha256(ONE)): ONE})
    blobs = FolderBlobs(tmp_path / "root", "content/")
    assert (blobs.size(DIGEST), list(blobs.digests())) == (len(ONE), [DIGEST])
    (tmp_path / "root/content").rename(tmp_path / "elsewhere")
    (tmp_path / "root/content").symlink_to(tmp_path / "elsewhere")
    for ask in (lambda: blobs.size(DIGEST), lambda: list(blobs.digests())):
        with pytest.raises(UnsafeArchive, match="content: is a link, expected a folder"):
            ask()


def test_only_what_is_called_like_a_blob_is_listed(tmp_path: Path) -> None:
    files = {blob(sha256(ONE)): ONE, "blobs/sha256/part": b"", "blobs/md5/" + "0" * 32: b"", "blobs/x": b""}
    assert list(FolderBlobs(unpacked(tmp_path, files)).digests()) == [DIGEST]
    assert list(FolderBlobs(tmp_path / "nothing").digests()) == []
