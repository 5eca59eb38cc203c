"""Applying a layer's tar to a folder, the way Docker 1.9.1 unpacked it (formats E, A.9).

Nothing that engines would settle in different ways is applied. While the tar passes, its tar-split is
recorded; what could not be given back from it is refused.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from fastcrc import crc64

from toolkit.errors import Unsupported
from toolkit.plumbing import nodes
from toolkit.plumbing.application import Application, link_target, shown, takes_away
from toolkit.plumbing.files import storing
from toolkit.plumbing.removal import remove
from toolkit.plumbing.tarball import Entries, entries
from toolkit.plumbing.tarheader import Entry
from toolkit.plumbing.tarreader import StreamReader
from toolkit.plumbing.tarsplit_writer import TarSplitWriter
from toolkit.plumbing.tree import Tree
from toolkit.plumbing.whiteouts import AUFS_OWN, OPAQUE, WHITEOUT, is_aufs_own
from toolkit.ports import Block

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

    Returns the sum of the sizes in its headers, in bytes (rule S5, formats A.4). Raises as `Application.take`
    and as `Entries`; the tree is then half made.
    """
    raw = _Raw(split)
    found = raw.entries = entries(StreamReader(tar), subject, raw=raw)
    total = 0
    with _Unpacking(tree, subject, manner) as layer:
        for entry in found:
            body = _Summed(found.body())
            layer.take(entry, body)
            split.file(entry.name, entry.size, body.crc)
            total += entry.stated_size
        layer.set_folder_times()
    split.finish()
    return total


class _Raw:
    """Passes on what is not content: before the end of the archive, or behind it."""

    def __init__(self, split: TarSplitWriter) -> None:
        self.entries: Entries | None = None
        self._split = split

    def __call__(self, block: Block) -> None:
        if self.entries is not None and self.entries.end:
            self._split.tail(block)
        else:
            self._split.raw(block)


class _Summed:
    """A body whose CRC-64 (ISO) is taken as it passes; None of nothing."""

    def __init__(self, body: Iterator[Block]) -> None:
        self.crc: int | None = None
        self._body = body

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Block:
        block = next(self._body)
        self.crc = crc64.go_iso(block, self.crc)
        return block


class _Unpacking(Application):
    """One layer on its way into a driver's folder; a context manager."""

    def __init__(self, tree: Tree, subject: str, manner: Manner) -> None:
        super().__init__(tree, subject)
        self._manner = manner
        self._times = tempfile.SpooledTemporaryFile(TIMES_IN_MEMORY)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._times.close()

    def dress_root(self, entry: Entry) -> None:
        """Take what the entry of the top folder says, where it counts."""
        if self._manner.root_entry_counts:
            nodes.dress_root(self.tree.handle, entry)
            self._remember_times(b"", entry)

    def make_folder(self, entry: Entry, parent: int, path: bytes, *, exists: bool) -> None:
        """Make a folder, or dress the one that is there; its times come last of all."""
        nodes.make_folder(parent, path.rpartition(b"/")[2], entry, exists=exists)
        self._remember_times(path, entry)

    def make_node(self, entry: Entry, parent: int, name: bytes, body: Iterator[Block]) -> None:
        """Make a file, symbolic link, fifo or device with all that the entry says of it."""
        if entry.is_file:
            nodes.make_file(parent, name, entry, body)
        else:
            nodes.make_special(parent, name, entry)

    def make_link(self, entry: Entry, parent: int, name: bytes) -> None:
        """Make a hard link; its header's facts go to what it leads to."""
        target = link_target(entry)
        if self._manner.whiteouts_act and target[0].startswith(AUFS_OWN):
            raise _only_aufs("is a hard link into aufs's own files")
        self.link_to(entry, parent, name, target)
        nodes.dress_link(parent, name, entry)

    def imply(self, parent: int, path: bytes) -> None:
        """Make a folder that has no entry."""
        nodes.make_implied_folder(parent, path.rpartition(b"/")[2], self._manner.implied_mode)

    def bare(self, path: bytes) -> None:
        """Leave the folder what lower layers made it, as Docker does."""

    def passes_over(self, entry: Entry, parts: list[bytes]) -> bool:
        """Tell whether an entry is bookkeeping of aufs at the top of its layer (formats A.9.1)."""
        if not self._manner.whiteouts_act or not is_aufs_own(parts):
            return False
        if entry.size:
            raise _only_aufs("is a file of aufs's own with content")
        return True

    def is_whiteout(self, parts: list[bytes]) -> bool:
        """Tell whether a path takes away what lower layers have."""
        return self._manner.whiteouts_act and parts[-1].startswith(WHITEOUT)

    def white_out(self, entry: Entry, parts: list[bytes], parent: int) -> None:
        """Take away what the whiteout means; never what the layer brings: that could not be given back."""
        if entry.size:
            raise _only_aufs("is a whiteout with content")
        if parts[-1] == OPAQUE:
            self.hide(parts[:-1])
            return
        name = parts[-1].removeprefix(WHITEOUT)
        path = b"/".join([*parts[:-1], name])
        if path in self.named or path in self.filled:
            raise takes_away(path)
        remove(parent, name)

    def set_folder_times(self) -> None:
        """Give folders their times, now that nothing changes in them any more."""
        self._times.seek(0)
        while record := self._times.read(TIME.size):
            seconds, fraction, length = TIME.unpack(record)
            path = self._times.read(length)
            modified = seconds * nodes.SECOND + fraction
            with storing(f"{self.subject}: {shown(path)}"):
                os.utime(self.tree.folder(path.split(b"/") if path else []), ns=(modified, modified))

    def _remember_times(self, path: bytes, entry: Entry) -> None:
        self._times.write(TIME.pack(entry.mtime, entry.mtime_ns, len(path)) + path)


def _only_aufs(problem: str) -> Unsupported:
    return Unsupported("", f"{problem}, which a vfs store could not give back", "write to an aufs store")
