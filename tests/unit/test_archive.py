"""The index of an outer archive: cleaned names, links within, and everything odd refused by name."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.errors import CorruptContent, MissingMember, ToolkitError, UnsafeArchive
from toolkit.plumbing.archive import TarIndex, clean

DATA = Path(__file__).parent.parent / "data"
Item = tuple[str, bytes, str | bytes]
FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def tar(*items: Item, mode: int = 0o644) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, type_, what in items:
            info = tarfile.TarInfo(name)
            info.type, info.mode = type_, mode
            if isinstance(what, str):
                info.linkname = what
            else:
                info.size = len(what)
            archive.addfile(info, io.BytesIO(what) if isinstance(what, bytes) else None)
    return stream.getvalue()


@contextmanager
def scanned(content: bytes | Path, limit: int = 1000) -> Iterator[TarIndex]:
    if isinstance(content, Path):
        handle = os.open(content, os.O_RDONLY)
    else:
        handle = os.memfd_create("x.tar")
        os.write(handle, content)
    try:
        yield TarIndex.scan(handle, "x.tar", limit)
    finally:
        os.close(handle)


def test_members_are_found_by_their_cleaned_names() -> None:
    content = tar(
        ("./", FOLDER, b""), ("./id/", FOLDER, b""), ("./id//./json", FILE, b"{}"), ("a\\b", FILE, b"c")
    )
    with scanned(content) as index:
        assert index.names() == ["id/json", "a\\b"]
        assert index.directories() == ["id"]
        assert "id/json" in index
        assert index.read("./id/json", 2) == b"{}"
        assert index.member("id/json").size == 2
        assert index.read("a\\b", 10) == b"c"
        assert index.findings == ()


def test_folders_without_an_entry_are_folders_too() -> None:
    with scanned(tar(("a/b/c", FILE, b""), ("d/", FOLDER, b""), ("d/", FOLDER, b""))) as index:
        assert index.directories() == ["a", "a/b", "d"]


def test_members_without_permissions_are_read() -> None:
    with scanned(tar(("id/json", FILE, b"{}"), mode=0)) as index:
        assert index.read("id/json", 2) == b"{}"


def test_links_are_followed_within_the_archive() -> None:
    content = tar(
        ("blobs/sha256/x", FILE, b"layer"),
        ("blobs/layer.tar", LINK, "sha256/x"),
        ("id/", FOLDER, b""),
        ("id/layer.tar", LINK, "../blobs/layer.tar"),
        ("id/hard", HARD, "./id/layer.tar"),
        ("folder", LINK, "blobs/./sha256/../"),
    )
    with scanned(content) as index:
        for name in ("blobs/layer.tar", "id/layer.tar", "id/hard", "folder/sha256/x", "folder/layer.tar"):
            assert index.resolve(name) == "blobs/sha256/x"
            assert index.read(name, 5) == b"layer"
        entry = index.entry("id/layer.tar")
        assert entry is not None
        assert (entry.kind, entry.target) == ("symlink", "../blobs/layer.tar")
        assert index.findings == ("member 'id/hard' is a hard link; containerd ignores hard links",)


@pytest.mark.parametrize(
    ("items", "error"),
    [
        ([("a", LINK, "a")], UnsafeArchive),
        ([("a", LINK, "b"), ("b", LINK, "a")], UnsafeArchive),
        ([("a", HARD, "a")], UnsafeArchive),
        ([("a", LINK, "b/a"), ("b", LINK, ".")], UnsafeArchive),
        ([("a", LINK, "../a")], UnsafeArchive),
        ([("a", LINK, "d/../../x"), ("d/x", FILE, b"")], UnsafeArchive),
        (
            [("a", LINK, "0"), *((str(i), LINK, str(i + 1)) for i in range(8)), ("8", FILE, b"")],
            UnsafeArchive,
        ),
        ([("a", LINK, "nowhere")], MissingMember),
        ([("b", FILE, b"")], MissingMember),
        ([("a", FOLDER, b"")], MissingMember),
    ],
)
def test_links_that_lead_nowhere_are_refused(items: list[Item], error: type[ToolkitError]) -> None:
    with scanned(tar(*items)) as index, pytest.raises(error, match=r"^x.tar: "):
        index.member("a")


def test_eight_links_are_followed() -> None:
    chain = [(str(i), LINK, str(i + 1)) for i in range(8)]
    with scanned(tar(*chain, ("8", FILE, b"x"))) as index:
        assert index.resolve("0") == "8"


@pytest.mark.parametrize(
    "items",
    [
        [("a", FILE, b"1"), ("./a", FILE, b"2")],
        [("a", FILE, b"1"), ("a", FILE, b"1")],
        [("a", FILE, b"1"), ("a", LINK, "b")],
        [("a", FILE, b"1"), ("a/", FOLDER, b"")],
        [("a/b", FILE, b"1"), ("a//b", HARD, "a/b")],
        [("a", LINK, "b"), ("a/c", FILE, b"1")],
        [("a/b/c", FILE, b"1"), ("a", FILE, b"1")],
        [("/a", FILE, b"1")],
        [("../a", FILE, b"1")],
        [("a/..", FILE, b"1")],
        [("a/../b", FILE, b"1")],
        [(".", LINK, "a")],
        [(".", FILE, b"")],
        [("a", LINK, "/etc/passwd")],
        [("a", HARD, "/etc/passwd")],
        [("a", HARD, "../x")],
        [("a", LINK, "b" * 5000)],
        [("a" * 5000, FILE, b"")],
        [("a/" * 40 + "b", FILE, b"")],
        [("a", tarfile.CHRTYPE, b"")],
        [("a", tarfile.BLKTYPE, b"")],
        [("a", tarfile.FIFOTYPE, b"")],
        [(str(i), FILE, b"") for i in range(1001)],
    ],
)
def test_what_no_image_archive_holds_is_unsafe(items: list[Item]) -> None:
    with pytest.raises(UnsafeArchive, match=r"^x.tar: "), scanned(tar(*items)):
        pass


def test_a_name_that_stands_twice_is_told_with_both_digests() -> None:
    expected = r"'c.json' twice.*sha256:7f6ad8f1.*sha256:8b7f4521"
    with pytest.raises(UnsafeArchive, match=expected), scanned(DATA / "vectors" / "dup-config.tar"):
        pass


@pytest.mark.parametrize("name", ["", "/a", "../a", "a/../b", "a\0b", "/", "..", "x" * 4097])
def test_names_that_are_no_plain_paths_are_refused(name: str) -> None:
    with pytest.raises(UnsafeArchive):
        clean(name, "manifest.json")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("07_unique_hardlink", "hard link"),
        ("17_outer_no_eof", "is missing, expected two zero blocks"),
    ],
)
def test_odd_but_readable_archives_are_read_with_a_finding(name: str, words: str) -> None:
    with scanned(DATA / "hostile" / f"{name}.tar") as index:
        assert "manifest.json" in index
        (finding,) = index.findings
        assert words in finding


def test_what_was_appended_to_an_archive_is_refused() -> None:
    with (
        pytest.raises(CorruptContent, match="8244 bytes after the end of the archive are not all zero"),
        scanned(DATA / "hostile" / "16_outer_trailing_garbage.tar"),
    ):
        pass


def test_a_truncated_archive_is_refused() -> None:
    with (
        pytest.raises(CorruptContent, match="too early"),
        scanned(DATA / "hostile" / "18_outer_truncated.tar"),
    ):
        pass


def test_what_docker_and_skopeo_save_is_indexed() -> None:
    with scanned(DATA / "vectors" / "docker2010-save-duplayer.tar") as index:
        assert len(index.names()) == 12
        assert index.read("repositories", 1000).startswith(b'{"')
    with scanned(DATA / "vectors" / "skopeo-oci-archive.tar") as index:
        assert b"imageLayoutVersion" in index.read("oci-layout", 100)


def test_reading_is_bounded() -> None:
    with (
        scanned(tar(("a", FILE, b"123"))) as index,
        pytest.raises(UnsafeArchive, match="3 bytes, expected at most 2"),
    ):
        index.read("a", 2)


def test_a_file_that_shrinks_is_noticed() -> None:
    handle = os.memfd_create("x.tar")
    os.write(handle, tar(("a", FILE, b"1" * 1000)))
    index = TarIndex.scan(handle, "x.tar")
    os.ftruncate(handle, 600)
    with pytest.raises(CorruptContent, match="ends after 88 bytes"):
        index.read("a", 1000)
    os.close(handle)


PART = st.sampled_from(["a", "b", "..", ".", "", "c"])
NAME = st.lists(PART, min_size=1, max_size=4).map("/".join)
ITEM = st.tuples(NAME, st.sampled_from([FILE, FOLDER, LINK, HARD]), NAME)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ITEM, max_size=6), NAME)
def test_no_archive_and_no_question_raises_anything_but_our_errors(
    items: list[tuple[str, bytes, str]], name: str
) -> None:
    try:
        with scanned(tar(*items)) as index:
            found = index.resolve(name)
            assert found in index
    except ToolkitError:
        pass


def test_a_damaged_header_tells_where_it_is_and_what_comes_before_it(tmp_path: Path) -> None:
    whole = bytearray(tar(("a/json", tarfile.REGTYPE, b"{}"), ("layer.tar", tarfile.REGTYPE, b"x")))
    whole[1024 + 5] ^= 1  # after a header and a block of content
    (path := tmp_path / "a.tar").write_bytes(whole)
    with open(path, "rb") as stream, pytest.raises(CorruptContent) as caught:
        TarIndex.scan(stream.fileno(), "a.tar")
    assert str(caught.value) == "a.tar: tar header at byte 1024: its checksum is wrong; it follows 'a/json'"
