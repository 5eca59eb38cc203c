from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.descriptors import open_descriptors
from toolkit.errors import CorruptContent, MissingMember, NotFound, StoreError, UnsafeArchive
from toolkit.plumbing.tree import Tree, components


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tree of files that each hold their own path, and an outside that nothing may lead to."""
    for name in ("f", "a/f", "a/b/f", "c/f"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/f").write_text("secret")
    return tmp_path / "tree"


@pytest.fixture
def tree(folder: Path) -> Iterator[Tree]:
    with Tree(folder, "x") as tree:
        yield tree


def read(tree: Tree, name: bytes) -> str:
    handle, facts = tree.open_file(name)
    try:
        content = os.read(handle, 100)
        assert facts.st_size == len(content)
    finally:
        os.close(handle)
    return content.decode()


@pytest.mark.parametrize("name", [b"a/b/f", b"./a/b/f", b"a//b/./f", b"a/b/f/"])
def test_a_file_is_found_however_its_name_is_written(tree: Tree, name: bytes) -> None:
    assert read(tree, name) == "a/b/f"


def test_files_are_found_in_any_order(tree: Tree) -> None:
    order = [b"a/b/f", b"f", b"c/f", b"a/f", b"a/b/f", b"c/f", b"f", b"f", b"a/f"]
    assert [read(tree, name) for name in order] == [name.decode() for name in order]


def test_a_failed_look_up_leaves_the_roots_files_the_roots(tree: Tree) -> None:
    with pytest.raises(MissingMember):
        tree.folder([b"a", b"missing"])
    assert read(tree, b"f") == "f"
    with pytest.raises(MissingMember):
        tree.folder([b"a", b"b", b"missing", b"more"])
    assert read(tree, b"a/f") == "a/f"
    assert tree.lstat(b"a/missing/x") is None
    assert read(tree, b"c/f") == "c/f"


@pytest.mark.parametrize("link", ["a", "a/b", "a/b/f", "f"])
def test_no_component_is_followed_where_it_is_a_link(folder: Path, link: str) -> None:
    path = folder / link
    path.rename(folder.parent / "was")
    path.symlink_to(folder.parent / ("outside/f" if link.endswith("f") else "was"))
    with Tree(folder, "x") as tree, pytest.raises(MissingMember, match=r"link|no folder"):
        tree.open_file(b"f" if link == "f" else b"a/b/f")


@pytest.mark.parametrize("name", [b"/f", b"/", b"../outside/f", b"a/../f", b"a/..", b"..", b"f\0", b"a\0/f"])
def test_a_name_that_leads_out_is_refused(tree: Tree, name: bytes) -> None:
    for ask in (tree.open_file, tree.lstat):
        with pytest.raises(UnsafeArchive, match="leads out of its folder"):
            ask(name)


def test_a_name_with_dots_that_are_no_component_is_fine() -> None:
    assert components(b"..a/b../...", "x") == [b"..a", b"b..", b"..."]


@pytest.mark.parametrize("name", [b"", b".", b"./", b"./."])
def test_the_root_is_no_file(tree: Tree, name: bytes) -> None:
    with pytest.raises(UnsafeArchive, match="is no file name"):
        tree.open_file(name)
    facts = tree.lstat(name)
    assert facts
    assert facts.st_ino == os.fstat(tree.handle).st_ino


def test_a_folder_swapped_for_a_link_leads_nowhere(folder: Path, tree: Tree) -> None:
    """What was opened stays what it was; what is opened anew is no link's target."""
    assert read(tree, b"a/b/f") == "a/b/f"
    (folder / "a").rename(folder / "moved")
    (folder / "a").symlink_to("../outside")
    assert read(tree, b"a/b/f") == "a/b/f"  # through the handle that is still open
    assert read(tree, b"c/f") == "c/f"
    with pytest.raises(MissingMember, match="x/a: is no folder"):
        tree.open_file(b"a/f")


def test_a_race_between_folder_and_link_never_reads_outside(folder: Path) -> None:
    (folder / "link").symlink_to("../outside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for one, other in (("a", "was"), ("link", "a"), ("a", "link"), ("was", "a")):
                os.rename(folder / one, folder / other)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        seen = set()
        for _ in range(500):
            with Tree(folder, "x") as tree:
                try:
                    seen.add(read(tree, b"a/f"))
                except MissingMember:
                    seen.add("refused")
    finally:
        stop.set()
        swapper.join()
    assert seen <= {"a/f", "refused"}


def test_only_a_regular_file_is_opened_and_a_fifo_never_waited_for(folder: Path, tree: Tree) -> None:
    os.mkfifo(folder / "fifo")
    for name in (b"fifo", b"a"):
        with pytest.raises(CorruptContent, match="is not a regular file any more"):
            tree.open_file(name)


def test_a_socket_is_no_file(folder: Path, tree: Tree) -> None:
    os.mknod(folder / "socket", stat.S_IFSOCK | 0o600)
    with pytest.raises(CorruptContent, match="x/socket: is a socket where a file was"):
        tree.open_file(b"socket")


@pytest.mark.parametrize("name", [b"missing", b"f/x", b"missing/x"])
def test_what_is_not_there_is_named(tree: Tree, name: bytes) -> None:
    with pytest.raises(MissingMember) as caught:
        tree.open_file(name)
    assert str(caught.value).startswith("x/")
    assert caught.value.exit_code == 5
    assert tree.lstat(b"missing") is None


def test_a_component_that_no_file_system_takes_is_one_sentence(tree: Tree) -> None:
    for name in (b"x" * 300, b"x" * 300 + b"/f"):
        with pytest.raises(StoreError, match="file name too long"):
            tree.open_file(name)


def test_lstat_tells_of_a_link_and_not_of_its_target(folder: Path, tree: Tree) -> None:
    (folder / "link").symlink_to("a/f")
    facts = tree.lstat(b"link")
    assert facts
    assert facts.st_size == 3


def test_the_root_itself_must_be_a_folder_and_no_link(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    for path in (tmp_path / "link", folder / "f"):
        with pytest.raises(StoreError):
            Tree(path)
    with pytest.raises(NotFound, match="is not there"):
        Tree(tmp_path / "missing")


def test_every_handle_is_closed(folder: Path) -> None:
    def count() -> int:
        return open_descriptors()

    before = count()
    with Tree(folder) as tree:
        for name in (b"a/b/f", b"c/f", b"a/b/f"):
            read(tree, name)
        with pytest.raises(MissingMember):
            tree.open_file(b"a/b/missing/f")
    assert count() == before
