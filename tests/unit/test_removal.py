from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.plumbing.removal import remove


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
