from __future__ import annotations

import os
from pathlib import Path

from tests.descriptors import open_descriptors
from toolkit.plumbing.census import Census, census
from toolkit.plumbing.tree import Tree


def counted(top: Path) -> Census:
    with Tree(top) as tree:
        return census(tree)


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert counted(tmp_path) == Census(0, 0, 0, 0, 0, 0)


def test_a_node_of_several_names_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "d/b").write_bytes(b"123")
    (tmp_path / "three").write_bytes(b"1")
    (tmp_path / "link").symlink_to("d")
    os.link(tmp_path / "a", tmp_path / "d/e/second")
    for name in ("x", "y"):
        os.link(tmp_path / "three", tmp_path / name)
    os.link(tmp_path / "link", tmp_path / "link2", follow_symlinks=False)
    os.mkfifo(tmp_path / "d/fifo")
    assert counted(tmp_path) == Census(files=3, folders=2, symlinks=1, hard_links=4, specials=1, size=9)


def test_links_lead_nowhere_and_nothing_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "top/d").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(b"123")
    (tmp_path / "top/d/up").symlink_to("../..")
    before = open_descriptors()
    assert counted(tmp_path / "top") == Census(0, 1, 1, 0, 0, 0)
    assert open_descriptors() == before
