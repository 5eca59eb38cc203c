from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.plumbing.removal import remove, remove_path


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[int]:
    handle = os.open(tmp_path, os.O_RDONLY)
    yield handle
    os.close(handle)


def test_a_folder_goes_with_all_it_holds(tmp_path: Path, parent: int) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("x")
    (tmp_path / "a/d").mkdir()
    remove(parent, b"a")
    assert os.listdir(tmp_path) == []


def test_what_a_link_points_at_stays(tmp_path: Path, parent: int) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to("kept")
    remove(parent, b"a")
    remove(parent, b"link")
    assert (tmp_path / "kept/file").read_text() == "x"
    assert os.listdir(tmp_path) == ["kept"]


def test_what_is_not_there_is_removed_already(parent: int) -> None:
    remove(parent, b"nothing")


def test_a_deep_folder_needs_no_recursion(tmp_path: Path, parent: int) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(900):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    remove(parent, b"d")
    assert os.listdir(tmp_path) == []


def test_a_folder_of_thousands_of_files_and_folders_goes(tmp_path: Path, parent: int) -> None:
    for number in range(2500):
        (tmp_path / "a" / f"d{number}").mkdir(parents=True)
        (tmp_path / "a" / f"f{number}").touch()
    remove(parent, b"a")
    assert os.listdir(tmp_path) == []


def test_however_deep_a_folder_is_few_handles_are_open(tmp_path: Path, parent: int) -> None:
    here = os.dup(parent)
    for _ in range(400):
        os.mkdir("d", dir_fd=here)
        os.close(os.open("f", os.O_CREAT, dir_fd=here))
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 60, hard[1]))
    try:
        remove(parent, b"d")
        remove(parent, b"f")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, hard)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", [0, 0o100, 0o400, 0o500, 0o555])
def test_a_folder_that_is_closed_to_its_owner_goes(tmp_path: Path, parent: int, mode: int) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("x")
    for name in ("a/b/c", "a/b", "a"):
        (tmp_path / name).chmod(mode)
    remove(parent, b"a")
    assert os.listdir(tmp_path) == []


def test_a_path_is_removed_and_what_it_links_to_is_not(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    remove_path(tmp_path / "link")
    remove_path(tmp_path / "none")
    assert os.listdir(tmp_path) == ["a"]
    remove_path(tmp_path / "a")
    assert os.listdir(tmp_path) == []
