"""What every way of unpacking a layer refuses, tried where folders, files and links are only told of."""

# ruff: noqa: ARG002 - methods have the shape that is asked for

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.layers import file, folder, hard_link, layer, member, symlink
from toolkit.errors import MissingMember, StoreError, ToolkitError, UnsafeArchive
from toolkit.limits import Limits, hold
from toolkit.plumbing.application import DEEPEST, Application, link_target
from toolkit.plumbing.tarball import Entries, StreamReader
from toolkit.plumbing.tarheader import Entry
from toolkit.plumbing.tree import Tree
from toolkit.ports import Block

Member = tuple[tarfile.TarInfo, bytes]


class Plain(Application):
    """The least that a way of unpacking does."""

    def is_whiteout(self, parts: list[bytes]) -> bool:
        return False

    def white_out(self, entry: Entry, parts: list[bytes], parent: int) -> None:
        raise AssertionError

    def bare(self, path: bytes) -> None:
        pass

    def dress_root(self, entry: Entry) -> None:
        pass

    def make_folder(self, entry: Entry, parent: int, path: bytes, *, exists: bool) -> None:
        if not exists:
            os.mkdir(os.path.basename(path), dir_fd=parent)

    def make_node(self, entry: Entry, parent: int, name: bytes, body: Iterator[Block]) -> None:
        if entry.is_symlink:
            os.symlink(entry.linkname, name, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL, dir_fd=parent))

    def make_link(self, entry: Entry, parent: int, name: bytes) -> None:
        self.link_to(entry, parent, name, link_target(entry))

    def imply(self, parent: int, path: bytes) -> None:
        os.mkdir(os.path.basename(path), dir_fd=parent)


def taken(top: Path, *members: Member) -> list[str]:
    found = Entries(StreamReader(iter([layer(*members)])), "layer")
    with Tree(top, "layer") as tree:
        one = Plain(tree, "layer")
        for entry in found:
            one.take(entry, found.body())
    return sorted(str(path.relative_to(top)) for path in top.rglob("*"))


def test_entries_are_made_with_the_folders_that_they_lie_in(tmp_path: Path) -> None:
    names = taken(tmp_path, file("./a/b"), folder("c/"), symlink("c/s", "x"), hard_link("d/h", "/a/b"))
    assert names == ["a", "a/b", "c", "c/s", "d", "d/h"]


@pytest.mark.parametrize(
    ("members", "kind", "match"),
    [
        ([file("../a")], UnsafeArchive, "leads out"),
        ([file("/a")], UnsafeArchive, "leads out"),
        ([file("a"), file("./a")], UnsafeArchive, "stands twice"),
        ([folder("a"), folder("a/")], UnsafeArchive, "stands twice"),
        ([file("./")], UnsafeArchive, "replace the root"),
        ([symlink(".", "/")], UnsafeArchive, "replace the root"),
        ([file("a"), file("a/b")], UnsafeArchive, "leads through a"),
        ([symlink("a", "/"), file("a/b")], UnsafeArchive, "leads through a"),
        ([file("a/b"), symlink("a", "/")], UnsafeArchive, "takes away a"),
        ([file("a/.wh..")], UnsafeArchive, "whiteout of nothing"),
        ([hard_link("a", "")], UnsafeArchive, "root folder"),
        ([hard_link("a", "../b")], UnsafeArchive, "leads out"),
        ([folder("d"), hard_link("a", "d")], UnsafeArchive, "the folder d"),
        ([hard_link("a", "b")], MissingMember, "is not there"),
        ([file("a" * 256)], StoreError, "too long"),
        ([file("a/" * 2048 + "b")], UnsafeArchive, "path of 4097 bytes"),
        ([file("a/" * DEEPEST + "b")], UnsafeArchive, "path of 257 names"),
    ],
)
def test_what_is_unsafe_is_refused_by_name(
    tmp_path: Path, members: list[Member], kind: type[ToolkitError], match: str
) -> None:
    with pytest.raises(kind, match=match) as caught:
        taken(tmp_path, *members)
    assert str(caught.value).startswith("layer: ")


def test_the_deepest_path_is_fine(tmp_path: Path) -> None:
    assert len(taken(tmp_path, file("a/" * (DEEPEST - 1) + "b"))) == DEEPEST


def test_folders_without_an_entry_have_an_end(tmp_path: Path) -> None:
    hold(Limits(entry=10))
    assert len(taken(tmp_path, file("a/b/c/d/e/f"), file("1/2/3/4/5/6"))) == 12
    with pytest.raises(UnsafeArchive, match="more than 10 folders without an entry"):
        taken(tmp_path, file("x/1/2/3/4/5"), file("y/2/3/4/5/6"), member("z/1"))
