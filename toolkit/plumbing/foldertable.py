"""What folders become once nothing changes in them any more: their owners, xattrs, modes and times.

A folder's time changes with each name that comes or goes in it, and its mode can close it to its owner.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from toolkit.errors import MissingMember
from toolkit.plumbing import nodes
from toolkit.plumbing.filefacts import key_of, path_of
from toolkit.plumbing.files import storing
from toolkit.plumbing.pax import format_records, parse_records
from toolkit.plumbing.profile import Profile
from toolkit.plumbing.scratch import in_scratch, scratch_database
from toolkit.plumbing.tarheader import Entry
from toolkit.plumbing.tree import Tree

SCHEMA = """
    CREATE TABLE folder (
        key BLOB PRIMARY KEY, mode INTEGER NOT NULL, uid INTEGER, gid INTEGER, xattrs BLOB,
        mtime INTEGER, mtime_ns INTEGER
    ) WITHOUT ROWID;
"""
PUT = "INSERT OR REPLACE INTO folder VALUES (?, ?, ?, ?, ?, ?, ?)"
CHILDREN_FIRST = "SELECT * FROM folder ORDER BY key DESC"  # a parent's key begins those below it


class FolderTable:
    """The folders of one tree; what is said of a path last counts. A context manager."""

    def __init__(self, profile: Profile) -> None:
        """Open an empty one for that much of what entries say; raises StoreError, as every method may."""
        self._profile = profile
        self._database = scratch_database(SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def put(self, path: bytes, entry: Entry) -> None:
        """Note what an entry says of its folder."""
        keeps = self._profile
        owner = (entry.uid, entry.gid) if keeps.owners else (None, None)
        xattrs = format_records(entry.xattrs) if keeps.xattrs and entry.xattrs else None
        self._put(path, keeps.mode(entry), *owner, xattrs, entry.mtime, entry.mtime_ns)

    def put_implied(self, path: bytes, mode: int) -> None:
        """Note a folder that no entry describes: nobody says when it was changed."""
        self._put(path, mode, None, None, None, None, None)

    def settle(self, tree: Tree) -> None:
        """Make the folders of a tree what was said of them; what is no folder there is passed over."""
        with in_scratch():
            for key, *facts in self._database.execute(CHILDREN_FIRST):
                with storing(f"{tree.subject}: {path_of(key).decode(errors='backslashreplace')}"):
                    _settle(tree, key.split(b"\0") if key else [], facts)

    def _put(self, path: bytes, *facts: int | bytes | None) -> None:
        with in_scratch():
            self._database.execute(PUT, (key_of(path.split(b"/")), *facts))


def _settle(tree: Tree, parts: list[bytes], facts: Sequence[Any]) -> None:
    mode, uid, gid, xattrs, mtime, mtime_ns = facts
    try:
        handle = tree.folder(parts)
    except MissingMember:  # a layer took it away
        return
    if uid is not None:
        os.fchown(handle, uid, gid)
    for name, value in parse_records(xattrs or b"").items():
        os.setxattr(handle, name, value)
    os.fchmod(handle, mode)
    if mtime is not None:
        modified = mtime * nodes.SECOND + mtime_ns
        os.utime(handle, ns=(modified, modified))
