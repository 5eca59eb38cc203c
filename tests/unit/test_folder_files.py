from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.descriptors import open_descriptors
from toolkit.errors import Mismatch, MissingMember, StoreError, UnsafeArchive
from toolkit.plumbing.folder_files import FolderFiles, must_be_folders
from toolkit.plumbing.tree import Tree

TEXT = b"some bytes"


@pytest.fixture
def files(tmp_path: Path) -> FolderFiles:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    for name in ("file", "below/file"):
        (folder / name).write_bytes(TEXT)
    (tmp_path / "outside").write_bytes(TEXT)
    return FolderFiles(folder)


def content(files: FolderFiles, name: str, size: int = len(TEXT)) -> bytes:
    with files.open(name, size) as opened:
        return b"".join(map(bytes, opened.blocks()))


@pytest.mark.parametrize("name", ["file", "below/file"])
def test_a_file_is_found_by_its_name(files: FolderFiles, name: str) -> None:
    assert (files.read(name, 100), files.size(name), content(files, name)) == (TEXT, len(TEXT), TEXT)


@pytest.mark.parametrize("name", ["gone", "below/gone", "gone/file"])
def test_what_is_not_there_is_not_there(files: FolderFiles, name: str) -> None:
    assert (files.read(name, 100), files.size(name)) == (None, None)
    with pytest.raises(MissingMember):
        content(files, name)


def test_a_file_that_comes_while_one_looks_for_it_is_read(
    files: FolderFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Tree.open_file

    def late(tree: Tree, name: bytes) -> tuple[int, os.stat_result]:
        try:
            return opened(tree, name)
        finally:
            (files.folder / "late").write_bytes(TEXT)

    monkeypatch.setattr(Tree, "open_file", late)
    assert files.read("late", 100) == TEXT


def test_a_file_above_the_limit_is_refused_and_one_of_just_the_limit_read(files: FolderFiles) -> None:
    assert files.read("file", len(TEXT)) == TEXT
    with pytest.raises(
        (StoreError, UnsafeArchive), match=f"is {len(TEXT)} bytes, expected at most {len(TEXT) - 1}"
    ):
        files.read("file", len(TEXT) - 1)


@pytest.mark.parametrize("size", [0, len(TEXT) - 1, len(TEXT) + 1])
def test_a_file_of_another_size_is_refused(files: FolderFiles, size: int) -> None:
    with pytest.raises(Mismatch) as caught:
        content(files, "file", size)
    assert (caught.value.problem, caught.value.actual, caught.value.expected) == ("size", len(TEXT), size)


KINDS: dict[str, Callable[[Path], object]] = {
    "a link to a file": lambda path: path.symlink_to("../outside"),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a pipe": os.mkfifo,
    "a socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_no_link_is_followed_and_no_pipe_waited_for(files: FolderFiles, kind: str) -> None:
    KINDS[kind](files.folder / "odd")
    with pytest.raises(UnsafeArchive, match="expected a regular file"):
        files.size("odd")
    with pytest.raises(UnsafeArchive, match="expected a regular file"):
        content(files, "odd")
    with pytest.raises(UnsafeArchive, match="expected a regular file"):
        files.read("odd", 100)


def test_no_link_is_followed_on_the_way(files: FolderFiles) -> None:
    (files.folder / "way").symlink_to("below")
    for ask in (files.size, files.path, lambda name: content(files, name)):
        with pytest.raises(UnsafeArchive, match="is a link, expected a folder"):
            ask("way/file")


def test_a_file_on_the_way_is_no_folder(files: FolderFiles) -> None:
    with pytest.raises(UnsafeArchive, match="is no folder, expected a folder"):
        files.size("file/below")


def test_the_folder_itself_may_be_reached_by_a_link(files: FolderFiles, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(files.folder)
    assert FolderFiles(tmp_path / "link").read("file", 100) == TEXT
    must_be_folders(tmp_path / "link" / "below", tmp_path / "link")


def test_a_handle_is_let_go(files: FolderFiles) -> None:
    before = open_descriptors()
    content(files, "file")
    with pytest.raises(Mismatch):
        content(files, "file", 1)
    assert open_descriptors() == before


@pytest.mark.parametrize("name", ["\udcff", "below/\udcff", "\udcff/file"])
def test_a_name_that_is_no_utf_8_is_a_name(files: FolderFiles, name: str) -> None:
    assert (files.read(name, 100), files.size(name), files.has_folder(name)) == (None, None, False)
    path = os.fsencode(files.folder / name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink("file", path)
    with pytest.raises(UnsafeArchive, match="is a link, expected a folder"):
        files.names(f"{name}/below")
    folder, _, last = name.rpartition("/")
    assert last in files.names(folder)
