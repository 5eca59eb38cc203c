from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.errors import Mismatch, MissingMember, UnsafeArchive
from toolkit.plumbing.folder_files import FolderFiles, must_be_folders


@pytest.fixture
def files(tmp_path: Path) -> FolderFiles:
    (tmp_path / "a").write_bytes(b"12345")
    return FolderFiles(tmp_path)


def test_a_file_is_known_by_its_name(files: FolderFiles) -> None:
    assert (files.size("a"), files.read("a", 5)) == (5, b"12345")
    with files.open("a", 5) as content:
        assert b"".join(map(bytes, content.blocks())) == b"12345"


def test_what_is_not_there_is_not_there(files: FolderFiles) -> None:
    assert (files.size("b"), files.read("b", 5), files.read("none/b", 5)) == (None, None, None)
    with pytest.raises(MissingMember, match="is not there"), files.open("b", 5):
        pass


def test_no_more_is_read_than_was_asked_for(files: FolderFiles) -> None:
    with pytest.raises(UnsafeArchive, match="is 5 bytes, expected at most 4"):
        files.read("a", 4)


def test_a_file_of_another_size_is_refused(files: FolderFiles) -> None:
    with pytest.raises(Mismatch, match="size is 5, expected 6"), files.open("a", 6):
        pass


MAKE: dict[str, Callable[[Path], None]] = {
    "a link": lambda path: path.symlink_to("a"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())
def test_nothing_but_a_regular_file_is_opened_and_no_pipe_is_waited_for(
    files: FolderFiles, make: Callable[[Path], None]
) -> None:
    make(files.folder / "odd")
    for ask in (lambda: files.size("odd"), lambda: files.read("odd", 99), lambda: opened(files, "odd")):
        with pytest.raises(UnsafeArchive, match="expected a regular file"):
            ask()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a device")
def test_a_device_is_not_opened(files: FolderFiles) -> None:
    os.mknod(files.folder / "zero", 0o644 | 0o020000, os.makedev(1, 5))
    for ask in (lambda: files.read("zero", 9), lambda: opened(files, "zero")):
        with pytest.raises(UnsafeArchive, match="expected a regular file"):
            ask()


def opened(files: FolderFiles, name: str) -> None:
    with files.open(name, 5):
        pass


def test_a_folder_on_the_way_is_no_link(files: FolderFiles, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/b").write_bytes(b"12345")
    (tmp_path / "way").symlink_to("real")
    assert files.read("real/b", 9) == b"12345"
    for ask in (lambda: files.size("way/b"), lambda: files.read("way/b", 9), lambda: opened(files, "way/b")):
        with pytest.raises(UnsafeArchive, match="way: is a link, expected a folder"):
            ask()
    with pytest.raises(UnsafeArchive, match="a: is no folder, expected a folder"):
        must_be_folders(tmp_path / "a/b", tmp_path)


def test_the_folder_itself_may_be_reached_through_a_link(files: FolderFiles, tmp_path: Path) -> None:
    (tmp_path / "there").symlink_to(files.folder)
    assert FolderFiles(tmp_path / "there").read("a", 9) == b"12345"
