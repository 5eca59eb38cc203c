from __future__ import annotations

import bz2
import gzip
import lzma
import os
from pathlib import Path

import pytest
import zstandard

from tests.archives import EMPTY, ONE, Body, Folder, Link, blob, sha256, tar, written
from tests.descriptors import open_descriptors
from toolkit.bundles.archive_reader import Archive
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, MissingMember, NotFound, ToolkitError, UnsafeArchive, Unsupported

MEMBERS: dict[str, Body] = {
    "./": Folder(0),
    "./d/": Folder(0),
    "./d/a": b"body",
    "l": Link("d/a"),
    blob(sha256(ONE)): ONE,
}


def body(archive: Archive, name: str) -> bytes:
    return b"".join(map(bytes, archive.extent(name).blocks()))


def test_members_are_found_by_clean_names_and_through_links(tmp_path: Path) -> None:
    with Archive(written(tmp_path / "a.tar", MEMBERS, mode=0)) as archive:
        assert "d/a" in archive
        assert body(archive, "l") == archive.read("d/a", 10) == b"body"
        assert archive.top_folders() == ["blobs", "d"]
        assert archive.read("none", 10) is None
        with pytest.raises(MissingMember):
            archive.extent("none")


def test_blobs_are_found_by_digest(tmp_path: Path) -> None:
    digest, other = Digest.parse(sha256(ONE)), Digest.parse(sha256(EMPTY))
    with Archive(written(tmp_path / "a.tar", MEMBERS)) as archive:
        assert (archive.size(digest), archive.size(other)) == (len(ONE), None)
        with archive.open(digest, len(ONE)) as content:
            assert b"".join(map(bytes, content.blocks())) == ONE
        with pytest.raises(CorruptContent), archive.open(digest, 3):
            pass


def test_a_member_above_the_limit_is_refused(tmp_path: Path) -> None:
    with (
        Archive(written(tmp_path / "a.tar", MEMBERS)) as archive,
        pytest.raises(UnsafeArchive, match="at most 3"),
    ):
        archive.read("d/a", 3)


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress]
)
def test_a_bundle_that_is_compressed_as_a_whole_is_read(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    (tmp_path / "a.tar.x").write_bytes(pack(tar(MEMBERS)))
    with Archive(tmp_path / "a.tar.x") as archive:
        assert body(archive, "d/a") == b"body"
    assert os.listdir(tmp_path) == ["a.tar.x"]


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"PK\x03\x04....word/document.xml", "a Microsoft Word document"),
        (b"", "an empty file"),
        (gzip.compress(b"no tar " * 1000), "gzip-compressed data that is no tar"),
        (b'{"a": 1}', "a JSON document"),
    ],
)
def test_a_foreign_file_is_named(tmp_path: Path, content: bytes, phrase: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(Unsupported, match=f"is {phrase}, not an image bundle"):
        Archive(path)


def test_a_folder_and_nothing_are_refused(tmp_path: Path) -> None:
    for path, error in ((tmp_path, Unsupported), (tmp_path / "no", NotFound)):
        with pytest.raises(error):
            Archive(path)


def test_a_bundle_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = tar({"a": ONE, "b": b"x" * 700})
    for length in (100, 512, 600, 5000, 10752 + 300, 10752 + 512 + 600):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(ToolkitError) as caught:
            Archive(tmp_path / "cut")
        assert caught.value.exit_code in {4, 5}


def test_a_closed_archive_can_be_closed_again(tmp_path: Path) -> None:
    before = open_descriptors()
    archive = Archive(written(tmp_path / "a.tar", MEMBERS))
    archive.close()
    archive.close()
    with pytest.raises(ToolkitError):
        Archive(written(tmp_path / "b.tar", [("a", b"1"), ("a", b"2")]))
    assert open_descriptors() == before


def test_what_is_odd_about_the_file_is_told(tmp_path: Path) -> None:
    members: dict[str, Body] = {"a": b"1", "b": Link("a", hard=True)}
    with Archive(written(tmp_path / "a.tar", members)) as archive:
        (finding,) = archive.findings
        assert "containerd ignores hard links" in finding.problem
