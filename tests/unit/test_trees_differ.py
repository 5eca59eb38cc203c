"""What Docker 1.9's differs see; the rules are those of formats A.9."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.archives import Body, Folder, Link
from tests.graphs import SOME_TIME, fill
from toolkit.plumbing.tree import Tree
from toolkit.stores.trees.differ import all_changes, aufs_changes, capability, tree_changes

BASE: dict[str, Body | None] = {
    "a": b"1", "d/b": b"22", "d/e/c": b"333", "gone/x": b"", "gone/y": b"", "link": Link("a"),
}  # fmt: skip


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    return fill(tmp_path / "parent", BASE)


@pytest.fixture
def child(tmp_path: Path, parent: Path) -> Path:
    """A copy, as vfs makes one."""
    return Path(shutil.copytree(parent, tmp_path / "child", symlinks=True))


def changes(child: Path, parent: Path) -> dict[bytes, bool]:
    """Each changed path, in order: whether it is still there."""
    with Tree(child) as new, Tree(parent) as old:
        return {change.path: change.facts is not None for change in tree_changes(new, old)}


def test_what_is_the_same_is_no_change(child: Path, parent: Path) -> None:
    assert changes(child, parent) == {}


def test_added_and_removed_and_their_folders_are_seen_in_the_order_of_paths(
    child: Path, parent: Path
) -> None:
    """A folder that changed only below is emitted too; what was below a removed folder is not."""
    fill(child, {"d/e/new": b"", "gone": None, "d/b": None, "d-": b"", "z/y/x": b""})
    assert list(changes(child, parent).items()) == [
        (b"d", True), (b"d-", True), (b"d/b", False), (b"d/e", True), (b"d/e/new", True),
        (b"gone", False), (b"z", True), (b"z/y", True), (b"z/y/x", True),
    ]  # fmt: skip


def test_another_content_mode_or_time_is_a_change(child: Path, parent: Path) -> None:
    (child / "a").chmod(0o600)
    (child / "d").chmod(0o700)
    fill(child, {"d/b": b"four"})
    os.utime(child / "d/e/c", (1, 1))
    os.utime(child / "link", (1, 1), follow_symlinks=False)
    assert list(changes(child, parent)) == [b"a", b"d", b"d/b", b"d/e", b"d/e/c", b"link"]


def test_a_folders_time_and_size_are_not_looked_at(child: Path, parent: Path) -> None:
    os.utime(child / "d", (1, 1))
    for number in range(500):
        (child / f"d/{number}").touch()
        (child / f"d/{number}").unlink()
    assert changes(child, parent) == {}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ((5, 0), (5, 7), False),
        ((5, 7), (5, 0), False),
        ((5, 7), (5, 8), True),
        ((5, 7), (6, 7), True),
        ((5, 0), (6, 0), True),
    ],
)
def test_times_are_equal_where_a_fraction_is_unknown(
    child: Path, parent: Path, old: tuple[int, int], new: tuple[int, int], *, changed: bool
) -> None:
    for folder, (second, fine) in ((parent, old), (child, new)):
        os.utime(folder / "a", ns=(0, second * 10**9 + fine))
    assert (b"a" in changes(child, parent)) is changed


def test_a_file_that_is_the_parents_own_inode_is_no_change(child: Path, parent: Path) -> None:
    """overlay links what a layer leaves alone."""
    (child / "a").unlink()
    os.link(parent / "a", child / "a")
    os.chmod(child / "a", 0o600)
    assert changes(child, parent) == {}


@pytest.mark.parametrize("body", [b"a file", Link("a")])
def test_a_folder_that_became_something_else_hides_what_was_in_it(
    child: Path, parent: Path, body: Body
) -> None:
    shutil.rmtree(child / "gone")
    fill(child, {"gone": body})
    assert changes(child, parent) == {b"gone": True}


def test_a_file_that_became_a_folder_is_a_change(child: Path, parent: Path) -> None:
    fill(child, {"a": None})
    fill(child, {"a": Folder(), "a/b": b""})
    assert changes(child, parent) == {b"a": True, b"a/b": True}


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners and capabilities")
def test_another_owner_or_capability_is_a_change(child: Path, parent: Path) -> None:
    value = bytes.fromhex("0100000200200000000000000000000000000000")
    os.chown(child / "a", 5, 0)
    os.setxattr(child / "d/b", "security.capability", value)
    os.utime(child / "d/b", (SOME_TIME, SOME_TIME))
    assert list(changes(child, parent)) == [b"a", b"d", b"d/b"]
    with Tree(child) as tree:
        assert capability(tree, b"d/b") == value
        assert capability(tree, b"a") == b""


def test_a_base_layer_is_everything(parent: Path) -> None:
    with Tree(parent) as tree:
        paths = [change.path for change in all_changes(tree)]
    assert paths == [b"a", b"d", b"d/b", b"d/e", b"d/e/c", b"gone", b"gone/x", b"gone/y", b"link"]


def test_aufs_own_files_are_left_out_but_for_the_opaque_mark(tmp_path: Path) -> None:
    """Docker 1.9 strips `.wh..wh.*` at the top only (formats A.9.1)."""
    own = fill(
        tmp_path / "own",
        {
            ".wh..wh.aufs": b"", ".wh..wh.plnk/12.34": b"x", ".wh..wh.orph": Folder(), ".wh..wh..opq": b"", ".wh.a": b"",
            "d/.wh..wh..opq": b"", "d/.wh..wh.x": b"",
        },
    )  # fmt: skip
    with Tree(own) as tree:
        paths = [change.path for change in aufs_changes(tree)]
    assert paths == [b".wh..wh..opq", b".wh.a", b"d", b"d/.wh..wh..opq", b"d/.wh..wh.x"]
