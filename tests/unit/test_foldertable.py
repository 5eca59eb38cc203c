from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.layers import SOME_TIME, folder, layer
from toolkit.plumbing.foldertable import FolderTable
from toolkit.plumbing.profile import SAFE
from toolkit.plumbing.tarball import Entries, StreamReader
from toolkit.plumbing.tarheader import Entry
from toolkit.plumbing.tree import Tree


def entry(mode: int) -> Entry:
    return next(Entries(StreamReader(iter([layer(folder("d", mode))])), "layer"))


@pytest.fixture
def table() -> Iterator[FolderTable]:
    with FolderTable(SAFE) as table:
        yield table


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_said_last_counts(tmp_path: Path, table: FolderTable) -> None:
    (tmp_path / "d").mkdir()
    table.put(b"d", entry(0o700))
    table.put(b"d", entry(0o711))
    with Tree(tmp_path) as tree:
        table.settle(tree)
    assert mode(tmp_path / "d") == 0o711
    assert (tmp_path / "d").stat().st_mtime_ns == SOME_TIME * 10**9


def test_children_come_before_the_parent_that_closes_them_in(tmp_path: Path, table: FolderTable) -> None:
    names = ["a", "a/b", "a/b/c", "a.b", "a\x01", "b"]
    for name in names:
        (tmp_path / name).mkdir()
        table.put(os.fsencode(name), entry(0))
    table.put_implied(b"", 0o500)
    with Tree(tmp_path) as tree:
        table.settle(tree)
    assert mode(tmp_path) == 0o500
    for name in sorted(names):
        assert mode(tmp_path / name) == 0
        (tmp_path / name).chmod(0o700)
    tmp_path.chmod(0o700)


def test_a_folder_that_is_gone_or_was_replaced_is_passed_over(tmp_path: Path, table: FolderTable) -> None:
    (tmp_path / "outside").mkdir(0o755)
    top = tmp_path / "top"
    top.mkdir()
    (top / "link").symlink_to("../outside")
    (top / "file").write_text("x")
    for name in (b"link", b"file", b"file/d", b"gone", b"gone/d"):
        table.put(name, entry(0o711))
    with Tree(top) as tree:
        table.settle(tree)
    assert mode(tmp_path / "outside") == 0o755
    assert mode(top / "file") != 0o711


def test_nobody_says_when_an_implied_folder_was_changed(tmp_path: Path, table: FolderTable) -> None:
    (tmp_path / "d").mkdir()
    os.utime(tmp_path / "d", (1, 1))
    table.put(b"d", entry(0o700))
    table.put_implied(b"d", 0o755)
    with Tree(tmp_path) as tree:
        table.settle(tree)
    assert (mode(tmp_path / "d"), (tmp_path / "d").stat().st_mtime) == (0o755, 1)
