"""A layer's changes as its driver's own differ saw them (Docker 1.9: aufs Diff, ChangesDirs, ExportChanges).

This is what Docker did where no tar-split told it the exact tar. The result has the right entries and
contents, and is nobody's exact tar: times of whiteouts and order within the old tar are lost.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.plumbing.tree import Tree
from toolkit.plumbing.walk import walk

CAPABILITY = "security.capability"
AUFS_OWN = b".wh..wh."
OPAQUE = b".wh..wh..opq"
WHITEOUT = b".wh."


@dataclass(frozen=True, slots=True)
class Change:
    """A path that a layer adds or modifies, or, where `facts` is None, deletes."""

    path: bytes
    facts: os.stat_result | None
    is_mark: bool = False  # a whiteout or opaque mark, of which the tree has no such file


def aufs_changes(own: Tree) -> Iterator[Change]:
    """Yield a layer's folder as it is, without aufs's own files at its top (1.9 keeps the opaque mark).

    Order: Go's filepath.Walk.
    """
    for path, facts in walk(own):
        top = path.split(b"/", 1)[0]
        if not top.startswith(AUFS_OWN) or path == OPAQUE:
            yield Change(path, facts)


def all_changes(tree: Tree) -> Iterator[Change]:
    """Yield a base layer: everything."""
    for path, facts in walk(tree):
        yield Change(path, facts)


def tree_changes(tree: Tree, parent: Tree) -> list[Change]:
    """Compare two whole trees as ChangesDirs does; sorted by path string, as ExportChanges writes.

    A folder that changed only below is emitted too. The files of the parent are compared by mode,
    owner, device, size, mtime and file capability, never by inode: overlay shares those.
    """
    old = dict(walk(parent))
    changed: dict[bytes, os.stat_result | None] = {}
    kinds: dict[bytes, os.stat_result] = {}
    for path, facts in walk(tree):
        if stat.S_ISDIR(facts.st_mode):
            kinds[path] = facts
        before = old.pop(path, None)
        if before is None or _changed(path, before, facts, tree, parent):
            changed[path] = facts
    for path in old:
        if b"/" not in path or path.rpartition(b"/")[0] in kinds:
            changed[path] = None
    for path in list(changed):
        _add_parents(path, changed, kinds)
    return [Change(path, changed[path]) for path in sorted(changed)]


def _add_parents(
    path: bytes, changed: dict[bytes, os.stat_result | None], folders: dict[bytes, os.stat_result]
) -> None:
    while (path := path.rpartition(b"/")[0]) and path not in changed:
        changed[path] = folders[path]


def _changed(path: bytes, old: os.stat_result, new: os.stat_result, tree: Tree, parent: Tree) -> bool:
    if (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino):
        return False  # one file under two names, as overlay links what a layer leaves alone
    return _differs(old, new) or _capabilities_differ(path, tree, parent, new)


def _differs(old: os.stat_result, new: os.stat_result) -> bool:
    if (old.st_mode, old.st_uid, old.st_gid, old.st_rdev) != (
        new.st_mode,
        new.st_uid,
        new.st_gid,
        new.st_rdev,
    ):
        return True
    if stat.S_ISDIR(old.st_mode):
        return False  # Docker does not look at a folder's size and time
    return old.st_size != new.st_size or not _same_time(old.st_mtime_ns, new.st_mtime_ns)


def _same_time(one: int, other: int) -> bool:
    """Same second, and the nanoseconds equal or unknown (zero) on either side."""
    (second, fine), (other_second, other_fine) = divmod(one, 10**9), divmod(other, 10**9)
    return second == other_second and (fine == other_fine or not fine or not other_fine)


def _capabilities_differ(path: bytes, tree: Tree, parent: Tree, facts: os.stat_result) -> bool:
    return stat.S_ISREG(facts.st_mode) and capability(tree, path) != capability(parent, path)


def capability(tree: Tree, path: bytes) -> bytes:
    """Return the file capability, the only xattr that Docker of that time stored; empty if none."""
    with tree.met(path):
        handle, _ = tree.open_file(path)
    try:
        return os.getxattr(handle, CAPABILITY)
    except OSError:
        return b""
    finally:
        os.close(handle)
