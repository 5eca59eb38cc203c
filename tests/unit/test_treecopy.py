from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.treecompare import differences
from toolkit.plumbing.tree import Tree
from toolkit.plumbing.treecopy import copy_tree

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners and devices are copied"),
]


@pytest.fixture
def full(tmp_path: Path) -> Path:
    top = tmp_path / "full"
    (top / "d/e").mkdir(parents=True)
    (top / "d/file").write_bytes(os.urandom(3_000_000))
    (top / "d/empty").touch(0o4755)
    os.chown(top / "d/empty", 3_000_000, 4_000_000)
    (top / "d/empty").chmod(0o4755)
    os.link(top / "d/file", top / "d/e/second")
    (top / "link").symlink_to("/etc/passwd")
    os.link(top / "link", top / "d/link", follow_symlinks=False)
    os.mkfifo(top / "fifo", 0o622)
    os.mknod(top / "null", 0o20600, os.makedev(1, 3))
    os.setxattr(top / "d/file", "security.capability", bytes.fromhex("01000002" + "00" * 16))
    os.setxattr(top / "d", "user.some", b"thing")
    os.setxattr(top / "link", "trusted.some", b"thing", follow_symlinks=False)
    (top / "d/e").chmod(0o2775)
    for path in (*top.rglob("*"), top):
        os.utime(path, ns=(123, 1_436_480_000_123_456_789), follow_symlinks=False)
    return top


def copied(full: Path, to: Path) -> Path:
    to.mkdir(0o755)
    with Tree(full) as source, Tree(to) as target:
        copy_tree(source, target)
    return to


def test_a_copy_is_the_same_in_everything(full: Path, tmp_path: Path) -> None:
    copy = copied(full, tmp_path / "copy")
    assert differences(full, copy, clock=lambda path: path == ".") == []


def test_a_copy_shares_nothing_with_what_it_was_made_of(full: Path, tmp_path: Path) -> None:
    copy = copied(full, tmp_path / "copy")
    assert (copy / "d/file").stat().st_nlink == 2
    (copy / "d/file").write_bytes(b"changed")
    assert (full / "d/file").stat().st_size == 3_000_000


def test_the_umask_spoils_nothing(full: Path, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        copy = copied(full, tmp_path / "copy")
    finally:
        os.umask(old)
    copy.chmod(0o755)
    assert differences(full, copy, clock=lambda path: path == ".") == []


def test_sockets_stay_behind(full: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(full / "socket"))
    assert not (copied(full, tmp_path / "copy") / "socket").exists()
