"""Applying a layer's tar to a folder, the way Docker 1.9.1 unpacked it (formats E, A.9).

Names are hostile: every path is walked by handle, no component may be a link, and nothing that engines
would settle in different ways is applied. While the tar passes, its tar-split is recorded; what could
not be given back from it is refused.
"""

from __future__ import annotations

import os
import stat
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.errors import MissingMember, ToolkitError, UnsafeArchive, Unsupported
from toolkit.limits import limits, more_than
from toolkit.plumbing import nodes
from toolkit.plumbing.files import storing
from toolkit.plumbing.nametable import NameTable
from toolkit.plumbing.removal import remove
from toolkit.plumbing.tarball import Entries, entries
from toolkit.plumbing.tarheader import Entry
from toolkit.plumbing.tarreader import StreamReader
from toolkit.plumbing.tarsplit_writer import TarSplitWriter
from toolkit.plumbing.tree import Tree, components
from toolkit.ports import Block

WHITEOUT, OPAQUE, AUFS_OWN = b".wh.", b".wh..wh..opq", b".wh..wh."
BAD_WHITEOUTS = nodes.BAD_WHITEOUTS
TIMES_IN_MEMORY = 4 << 20  # bytes of folder names and times; more go to a temporary file
TIME = struct.Struct("<qIH")  # seconds, nanoseconds, length of the path


@dataclass(frozen=True, slots=True)
class Manner:
    """How a storage driver takes a layer in."""

    whiteouts_act: bool  # or are kept as the files they are
    implied_mode: int  # of folders that no entry describes
    root_entry_counts: bool  # the entry `./` gives the top folder its owner and mode


OWN_CHANGES = Manner(whiteouts_act=False, implied_mode=0o755, root_entry_counts=False)  # aufs
WHOLE_TREE = Manner(whiteouts_act=True, implied_mode=0o600, root_entry_counts=True)  # vfs


def apply(tar: Iterator[Block], tree: Tree, manner: Manner, split: TarSplitWriter, subject: str) -> int:
    """Unpack a layer into `tree`, whose folder nobody else can reach; drains `tar`.

    Returns the sum of the sizes in its headers, in bytes (rule S5, formats A.4). Raises CorruptContent,
    UnsafeArchive, Unsupported, or StoreError where the file system refuses; the tree is then half made.
    """
    application = _Application(tree, manner, split, subject)
    found = entries(StreamReader(tar), subject, raw=application.take_raw)
    return application.run(found)


class _Application:
    """One layer on its way into one folder."""

    def __init__(self, tree: Tree, manner: Manner, split: TarSplitWriter, subject: str) -> None:
        self._tree, self._manner, self._split, self._subject = tree, manner, split, subject
        self._named = NameTable()  # paths that have an entry
        self._filled = NameTable()  # folders that something of this layer lies in
        self._last_folder: list[bytes] = []
        self._implied = 0
        self._entries: Entries | None = None
        self._times = tempfile.SpooledTemporaryFile(TIMES_IN_MEMORY)  # noqa: SIM115 - closed by run

    def take_raw(self, block: Block) -> None:
        """Pass on what is not content: before the end of the archive, or behind it."""
        if self._entries is not None and self._entries.end:
            self._split.tail(block)
        else:
            self._split.raw(block)

    def run(self, found: Entries) -> int:
        """Apply every entry, then the times of folders."""
        self._entries = found
        total = 0
        with self._times:
            for entry in found:
                crc = self._guarded(entry, found)
                self._split.file(entry.name, entry.size, crc)
                total += entry.stated_size
            self._set_folder_times()
        self._split.finish()
        return total

    def _guarded(self, entry: Entry, found: Entries) -> int | None:
        subject = f"{self._subject}: {shown(entry.name)}"
        try:
            with storing(subject):
                nodes.check(entry)
                return self._entry(entry, components(entry.name, ""), found.body())
        except ToolkitError as error:
            error.subject = error.subject or subject
            raise

    def _entry(self, entry: Entry, parts: list[bytes], body: Iterator[Block]) -> int | None:
        path = b"/".join(parts)
        if not self._named.add(path):
            raise UnsafeArchive("", "stands twice in the layer, and engines choose differently")
        if not parts:
            self._root(entry)
            return None
        if parts[-1] in BAD_WHITEOUTS:
            raise UnsafeArchive("", "is a whiteout of nothing")
        if self._manner.whiteouts_act and self._is_aufs_own(parts, entry):
            return None
        parent = self._parent(parts[:-1])
        if self._manner.whiteouts_act and parts[-1].startswith(WHITEOUT):
            self._white_out(parts, parent, entry)
            return None
        return self._make(entry, parts, parent, body)

    def _root(self, entry: Entry) -> None:
        if not entry.is_directory:
            raise UnsafeArchive("", "would replace the root folder")  # CVE-2021-29136
        if self._manner.root_entry_counts:
            nodes.dress_root(self._tree.handle, entry)
            self._remember_times(b"", entry)

    def _make(self, entry: Entry, parts: list[bytes], parent: int, body: Iterator[Block]) -> int | None:
        name, path = parts[-1], b"/".join(parts)
        exists = self._make_way(entry, parent, name, path)
        if entry.is_file:
            return nodes.make_file(parent, name, entry, body)
        if entry.is_directory:
            nodes.make_folder(parent, name, entry, exists=exists)
            self._remember_times(path, entry)
        elif entry.is_hard_link:
            self._link(entry, parent, name)
        else:
            nodes.make_special(parent, name, entry)
        return None

    def _make_way(self, entry: Entry, parent: int, name: bytes, path: bytes) -> bool:
        """Remove what is in the entry's way; tell whether a folder stays there for it."""
        try:
            facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(facts.st_mode) and entry.is_directory:
            return True
        if path in self._filled:
            raise self._takes_away(path)
        remove(parent, name)
        return False

    def _takes_away(self, path: bytes) -> UnsafeArchive:
        """Refuse to remove what this layer brought: its tar-split could not be given back any more."""
        problem = f"takes away {shown(path)}, which the same layer brings"
        return UnsafeArchive("", problem, "engines make different trees of it")

    def _link(self, entry: Entry, parent: int, name: bytes) -> None:
        target = components(entry.linkname.lstrip(b"/"), "")
        if not target:
            raise UnsafeArchive("", "is a hard link to the root folder")
        if self._manner.whiteouts_act and target[0].startswith(AUFS_OWN):
            raise self._only_aufs("is a hard link into aufs's own files")
        with Tree(self._tree.handle, self._subject) as targets:
            folder = targets.folder(target[:-1])
            try:
                facts = os.stat(target[-1], dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError as error:
                problem = f"is a hard link to {shown(entry.linkname)}, which is not there"
                raise MissingMember("", problem) from error
            if stat.S_ISDIR(facts.st_mode):
                raise UnsafeArchive("", f"is a hard link to the folder {shown(entry.linkname)}")
            nodes.make_link(parent, name, entry, folder, target[-1])

    def _parent(self, parts: list[bytes]) -> int:
        """Return the folder an entry goes to, made where nothing is there; raises on links in its path."""
        if parts != self._last_folder:
            self._last_folder = parts
            for depth in range(len(parts)):
                self._filled.add(b"/".join(parts[: depth + 1]))
        try:
            return self._tree.folder(parts)
        except MissingMember:
            self._imply(self._tree.handle, parts[0])
            for depth in range(1, len(parts)):
                self._imply(self._tree.folder(parts[:depth]), parts[depth])
        return self._tree.folder(parts)

    def _imply(self, parent: int, name: bytes) -> None:
        try:
            facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            self._implied += 1
            if self._implied > (limit := limits().entry):
                raise more_than("", "is below more than {} folders without an entry", limit) from None
            nodes.make_implied_folder(parent, name, self._manner.implied_mode)
            return
        if not stat.S_ISDIR(facts.st_mode):
            raise UnsafeArchive("", f"leads through {shown(name)}, which is a link or a file")

    def _is_aufs_own(self, parts: list[bytes], entry: Entry) -> bool:
        """Tell whether an entry is bookkeeping of aufs at the top of its layer (formats A.9.1)."""
        if not parts[0].startswith(AUFS_OWN) or parts == [OPAQUE]:
            return False
        if entry.size:
            raise self._only_aufs("is a file of aufs's own with content")
        return True

    def _white_out(self, parts: list[bytes], parent: int, entry: Entry) -> None:
        if entry.size:
            raise self._only_aufs("is a whiteout with content")
        if parts[-1] == OPAQUE:
            self._hide(parts[:-1])
        else:
            name = parts[-1].removeprefix(WHITEOUT)
            path = b"/".join([*parts[:-1], name])
            if path in self._named or path in self._filled:
                raise self._takes_away(path)
            remove(parent, name)

    def _hide(self, parts: list[bytes]) -> None:
        """Remove everything of lower layers below a folder; what this layer brought stays."""
        waiting = [parts]
        while waiting:
            parts = waiting.pop()
            folder = self._tree.folder(parts)
            for name in map(os.fsencode, os.listdir(folder)):
                path = b"/".join([*parts, name])
                if path not in self._named and path not in self._filled:
                    remove(folder, name)
                elif stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    waiting.append([*parts, name])

    def _remember_times(self, path: bytes, entry: Entry) -> None:
        self._times.write(TIME.pack(entry.mtime, entry.mtime_ns, len(path)) + path)

    def _set_folder_times(self) -> None:
        """Give folders their times, now that nothing changes in them any more."""
        self._times.seek(0)
        while record := self._times.read(TIME.size):
            seconds, fraction, length = TIME.unpack(record)
            path = self._times.read(length)
            modified = seconds * nodes.SECOND + fraction
            with storing(f"{self._subject}: {shown(path)}"):
                os.utime(self._tree.folder(path.split(b"/") if path else []), ns=(modified, modified))

    def _only_aufs(self, problem: str) -> Unsupported:
        return Unsupported("", f"{problem}, which a vfs store could not give back", "write to an aufs store")


def shown(name: bytes) -> str:
    """Return a name as text for a message."""
    return name[:200].decode(errors="backslashreplace")
