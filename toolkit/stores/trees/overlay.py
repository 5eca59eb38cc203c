"""A layer of overlay2 or fuse-overlayfs: its tree holds its changes in the kernel's form (formats E.5).

The kernel deletes by a character device 0:0 and makes a folder opaque by an xattr; a layer's tar has
`.wh.NAME` and `.wh..wh..opq`. Docker turns one into the other whenever it tars such a tree, and so do we.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from toolkit.errors import StoreError, Unsupported
from toolkit.plumbing.tree import Tree
from toolkit.plumbing.walk import walk
from toolkit.stores.trees.differ import OPAQUE, WHITEOUT, Change

OPAQUE_MARKS = ("trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque")
BY_REFERENCE = tuple(
    f"{space}.overlay.{what}" for space in ("trusted", "user") for what in ("redirect", "metacopy")
)
ROOT = 0


def overlay_changes(tree: Tree) -> Iterator[Change]:
    """Yield a layer's entries as its tar has them; raises StoreError without the right to see the marks.

    Raises Unsupported where a file is a reference into the layers below (redirect_dir, metacopy): such a
    layer has no tar of its own.
    """
    if os.geteuid() != ROOT:
        raise StoreError(tree.subject, "has marks of deleted files that only root can read", "run as root")
    if b"y" in _marks(tree, b"", OPAQUE_MARKS):
        yield _opaque(b"", os.fstat(tree.handle))
    for path, facts in walk(tree):
        if stat.S_ISCHR(facts.st_mode) and facts.st_rdev == 0:
            yield Change(_whiteout(path), _plain(facts, 0o600), is_mark=True)
            continue
        if stat.S_ISREG(facts.st_mode):
            _must_be_whole(tree, path)
        yield Change(path, facts)
        if stat.S_ISDIR(facts.st_mode) and b"y" in _marks(tree, path, OPAQUE_MARKS):
            yield _opaque(path + b"/", facts)


def _opaque(folder: bytes, facts: os.stat_result) -> Change:
    return Change(folder + OPAQUE, _plain(facts, stat.S_IMODE(facts.st_mode), mtime=0), is_mark=True)


def _whiteout(path: bytes) -> bytes:
    folder, slash, name = path.rpartition(b"/")
    return folder + slash + WHITEOUT + name


def _plain(facts: os.stat_result, mode: int, mtime: int | None = None) -> os.stat_result:
    """Return the facts of an empty file with the owner, and unless told otherwise the time, of another."""
    time = facts.st_mtime_ns if mtime is None else mtime
    plain = (stat.S_IFREG | mode, 0, 0, 1, facts.st_uid, facts.st_gid, 0, 0, time // 10**9, 0)
    return os.stat_result(plain, {"st_mtime_ns": time, "st_rdev": 0})


def _marks(tree: Tree, path: bytes, names: tuple[str, ...]) -> list[bytes]:
    """Return the values of a folder's xattrs of these names; raises Unsupported for a redirected one."""
    with tree.met(path):
        handle = tree.folder(path.split(b"/") if path else [])
    there = os.listxattr(handle)
    _refuse_references(tree, path, there)
    return [os.getxattr(handle, name) for name in names if name in there]


def _must_be_whole(tree: Tree, path: bytes) -> None:
    with tree.met(path):
        handle, _ = tree.open_file(path)
    try:
        _refuse_references(tree, path, os.listxattr(handle))
    finally:
        os.close(handle)


def _refuse_references(tree: Tree, path: bytes, there: list[str]) -> None:
    if found := [name for name in BY_REFERENCE if name in there]:
        problem = f"has {found[0]}: it is kept by reference to the layers below"
        raise Unsupported(f"{tree.subject}/{path.decode(errors='backslashreplace')}", problem)
