"""A tar made anew from a layer's changes, where no tar-split tells the old one (formats A.6, A.9)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator

from toolkit.errors import Mismatch
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.tarsplit import Measure
from toolkit.plumbing.tarwriter import END, entry_header, padding
from toolkit.plumbing.tree import Tree
from toolkit.ports import Block
from toolkit.stores.trees.differ import CAPABILITY, WHITEOUT, Change, capability

KINDS = {
    stat.S_IFREG: b"0",
    stat.S_IFLNK: b"2",
    stat.S_IFCHR: b"3",
    stat.S_IFBLK: b"4",
    stat.S_IFDIR: b"5",
    stat.S_IFIFO: b"6",
}


class Rebuilt:
    """The changes of a layer as a tar stream; the same tree always gives the same bytes.

    What Docker leaves to the clock, the time of a whiteout, is 0 here. Sockets have no place in a tar.
    """

    def __init__(self, tree: Tree, changes: Callable[[], Iterable[Change]]) -> None:
        self.tree = tree
        self._changes = changes
        self._first_name: dict[tuple[int, int], bytes] = {}

    def entries(self) -> Iterator[tuple[bytes, Change, int]]:
        """Yield (header blocks, change, bytes of content to follow)."""
        self._first_name.clear()
        for change in self._changes():
            if change.facts is None:
                folder, slash, name = change.path.rpartition(b"/")
                yield entry_header(folder + slash + WHITEOUT + name, b"0", mode=0), change, 0
            elif kind := KINDS.get(stat.S_IFMT(change.facts.st_mode)):
                yield self._entry(change, change.facts, kind)

    def blocks(self) -> Iterator[Block]:
        """Yield the tar; raises CorruptContent where a file changes or goes meanwhile."""
        for header, change, size in self.entries():
            yield header
            if size:
                yield from self._content(change, size)
                yield padding(size)
        yield END

    def measure(self) -> Measure:
        """Return what `blocks` will yield, from the files' metadata alone."""
        size, header_sizes = len(END), 0
        for header, _, content in self.entries():
            size += len(header) + content + len(padding(content))
            header_sizes += content
        return Measure(size, header_sizes, header_sizes, has_end=True)

    def _entry(self, change: Change, facts: os.stat_result, kind: bytes) -> tuple[bytes, Change, int]:
        size, link = (facts.st_size if kind == b"0" else 0), b""
        if kind == b"0" and facts.st_nlink > 1:
            inode = (facts.st_dev, facts.st_ino)
            if first := self._first_name.get(inode):
                kind, size, link = b"1", 0, first
            else:
                self._first_name[inode] = change.path
        elif kind == b"2":
            with self.tree.met(change.path):
                link = os.readlink(change.path.rpartition(b"/")[2], dir_fd=self._folder(change))
        is_file = stat.S_ISREG(facts.st_mode) and not change.is_mark
        caps = capability(self.tree, change.path) if is_file else b""
        header = entry_header(
            change.path + (b"/" if kind == b"5" else b""),
            kind,
            mode=stat.S_IMODE(facts.st_mode),
            uid=facts.st_uid,
            gid=facts.st_gid,
            size=size,
            mtime=facts.st_mtime_ns // 10**9,
            linkname=link,
            major=os.major(facts.st_rdev) if kind in b"34" else 0,
            minor=os.minor(facts.st_rdev) if kind in b"34" else 0,
            xattrs={CAPABILITY.encode(): caps} if caps else {},
        )
        return header, change, size

    def _folder(self, change: Change) -> int:
        return self.tree.folder(change.path.split(b"/")[:-1])

    def _content(self, change: Change, size: int) -> Iterator[Block]:
        with self.tree.met(change.path):
            handle, facts = self.tree.open_file(change.path)
        try:
            subject = f"{self.tree.subject}/{change.path.decode(errors='backslashreplace')}"
            if facts.st_size != size:
                raise Mismatch(subject, "size", "it changed while it was read", facts.st_size, size)
            yield from Extent(handle, 0, size, subject).blocks()
        finally:
            os.close(handle)
