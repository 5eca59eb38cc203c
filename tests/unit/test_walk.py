from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.descriptors import open_descriptors
from toolkit.errors import CorruptContent, StoreError, UnsafeArchive
from toolkit.plumbing.removal import remove
from toolkit.plumbing.tree import Tree
from toolkit.plumbing.walk import walk


def names(folder: Path) -> list[bytes]:
    with Tree(folder) as tree:
        return [name for name, _ in walk(tree)]


def test_the_order_is_that_of_gos_filepath_walk(tmp_path: Path) -> None:
    """Names sorted as bytes within each folder, a folder before what is in it: `a-` behind `a/x`."""
    for name in ("a/x", "a/B", "a-", "b", "ü/y", "Z"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert names(tmp_path) == [b"Z", b"a", b"a/B", b"a/x", b"a-", b"b", "ü".encode(), "ü/y".encode()]


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to("../outside")
    (tmp_path / "in/loop").symlink_to(".")
    assert names(tmp_path / "in") == [b"link", b"loop"]


def test_names_that_are_no_text_come_as_they_are(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))).mkdir()
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe/\n"))).write_bytes(b"")
    assert names(tmp_path) == [b"\xff\xfe", b"\xff\xfe/\n"]


@pytest.mark.parametrize("gone", ["a folder", "b file"])
def test_what_goes_while_it_is_looked_at_is_told_with_its_path(tmp_path: Path, gone: str) -> None:
    (tmp_path / "in/a folder").mkdir(parents=True)
    (tmp_path / "in/b file").write_bytes(b"")
    before = open_descriptors()
    with Tree(tmp_path / "in") as tree:
        walked = walk(tree)
        assert next(walked)[0] == b"a folder"
        (tmp_path / "in" / gone).rename(tmp_path / "elsewhere")
        with pytest.raises(CorruptContent) as caught:
            list(walked)
    assert str(caught.value) == (
        f"{tmp_path}/in/{gone}: came and went while it was read; end whoever writes there, and run again"
    )
    assert open_descriptors() == before


@pytest.fixture
def nested(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Make folders one in another; deep ones are removed here, since the usual way recurses."""
    parent = os.open(tmp_path, os.O_RDONLY)

    def make(depth: int) -> Path:
        here = os.dup(parent)
        for _ in range(depth):
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
        return tmp_path

    yield make
    remove(parent, b"d")
    os.close(parent)


def test_nothing_stays_open(nested: Callable[[int], Path]) -> None:
    folder = nested(200)
    before = open_descriptors()
    assert max(map(len, names(folder))) == 399
    assert open_descriptors() == before


def test_the_depth_is_bounded(nested: Callable[[int], Path]) -> None:
    """By us, or where a process may have fewer files open, by that."""
    with pytest.raises((UnsafeArchive, StoreError), match=r"nested deeper than 1024|too many open files"):
        names(nested(1100))
