"""A strict walk over the headers of a tar nobody has vouched for (formats E.2, E.11).

Python's own reader takes a bad header for the end, merges PAX headers and accepts negative sizes; here
whatever two readers could understand differently is an error. Bodies are skipped, or taken in blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

from toolkit.errors import CorruptContent, ToolkitError, UnsafeArchive
from toolkit.limits import above, limits, more_than
from toolkit.plumbing import tarheader
from toolkit.plumbing.tarheader import BLOCK, Entry, Extensions
from toolkit.plumbing.tarreader import FileReader, Reader, StreamReader
from toolkit.ports import Block

PIECE = 1 << 20  # bytes behind the end at a time
ZERO_BLOCK = bytes(BLOCK)
NOT_A_TAR = "is no tar header: this is not a tar archive"
JUNK = "no reader looks there: it was damaged, or something was put there"
TYPE, MORE_MAP, MORE_MAP_NEXT = 156, 482, 504  # offsets in a header block, and in a block of a sparse map


class Entries:
    """The entries of one tar, in order; iterating reads the stream to its very end.

    `raw`, where given, gets all bytes but the bodies, in order: headers, padding, end blocks and what
    comes after them; all since the last body has been given when an entry is returned. What the end
    looked like is known after the last entry. Bytes that no reader looks at may be anything, as the diffID
    covers those of a layer; without `allow_junk` they are corrupt: padding, and what follows the end.
    """

    def __init__(
        self,
        reader: Reader,
        subject: str,
        *,
        raw: Callable[[Block], object] | None = None,
        limit: int | None = None,
        allow_sparse: bool = False,
        allow_junk: bool = True,
    ) -> None:
        """Begin; `limit` is how many entries there may be, as many as a layer may have unless given."""
        self.end = ""  # "whole": two zero blocks, "single": one, "missing": none; "" before the end
        self.trailing = 0  # bytes after the end blocks
        self.trailing_nonzero = False
        self.count = 0
        self._reader, self._subject, self._raw = reader, subject, raw
        self._limits, self._allow_sparse, self._allow_junk = limits(), allow_sparse, allow_junk
        self._limit = self._limits.entry if limit is None else limit
        self._left = self._padding = self._globals = 0
        self._before = b""  # the name of the last entry

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Entry:
        """Return the next entry.

        Raises CorruptContent, UnsafeArchive or Unsupported with the offset of the header at fault.
        """
        self._leave_body()
        start = self._reader.position
        try:
            entry = None if self.end else self._entry(start)
        except ToolkitError as error:
            error.subject = error.subject or f"{self._subject}: tar header at byte {start}"
            raise
        if entry is None:
            raise StopIteration
        self.count += 1
        if self.count > self._limit:
            raise more_than(self._subject, "has more than {} entries", self._limit)
        self._left, self._padding, self._before = entry.size, -entry.size % BLOCK, entry.name
        return entry

    def _damaged(self) -> CorruptContent:
        """Return the refusal of a header whose checksum is wrong, which tells what comes before it."""
        if not self.count:
            return CorruptContent("", NOT_A_TAR)
        before = self._before[:200].decode(errors="backslashreplace")
        return CorruptContent("", "its checksum is wrong", f"it follows {before!r}")

    def beginning(self, count: int) -> bytes:
        """Return up to `count` bytes of the last entry's body, from where it was left; then goes on there."""
        first = self._reader.read(min(count, self._left))
        self._left -= len(first)
        return first

    def body(self) -> Iterator[Block]:
        """Yield the body of the last entry, from where it was left; a block is valid until the next."""
        while self._left:
            block = self._reader.take(self._left)
            if not block:
                raise self._cut_short(f"{self._left} bytes of a body are missing")
            self._left -= len(block)
            yield block

    def _leave_body(self) -> None:
        """Pass over what is left of a body, and its padding, which may be missing at the very end."""
        padding = self._padding if self._raw is None and self._allow_junk else 0  # nobody looks at it
        missing = self._left - self._reader.skip(self._left + padding)
        if missing > 0:
            raise self._cut_short(f"{missing} bytes of a body are missing")
        if self._padding and not padding:
            self._pad(self._padding)
        self._left = self._padding = 0

    def _pad(self, count: int) -> None:
        start = self._reader.position
        if self._read(count).strip(b"\0") and not self._allow_junk:
            raise CorruptContent(f"{self._subject}: byte {start}", "holds padding that is not zero", JUNK)

    def _entry(self, start: int) -> Entry | None:
        extensions = None
        while (block := self._header()) is not None:
            kind = block[TYPE : TYPE + 1]
            if kind not in b"xgLK":
                if kind == tarheader.SPARSE and self._allow_sparse:
                    self._pass_sparse_map(block)
                offsets = start, self._reader.position
                return tarheader.decode(block, extensions, offsets, allow_sparse=self._allow_sparse)
            body = self._extension(block)
            if kind == b"g":
                self._global(body, between=extensions is not None)
            else:
                extensions = extensions or Extensions(self._limits)
                extensions.add(kind, body)
        if extensions is not None:
            raise CorruptContent("", "describes an entry that does not follow")
        return None

    def _header(self) -> bytes | None:
        """Return a header block whose checksum is right, or None at the end of the archive."""
        block = self._read(BLOCK)
        if len(block) < BLOCK:
            if block and not self.count:
                raise CorruptContent("", NOT_A_TAR)
            if block:
                raise self._cut_short(f"the last header has {len(block)} bytes, expected {BLOCK}")
            self.end = "missing"
            return None
        if block == ZERO_BLOCK:
            self._finish()
            return None
        if not tarheader.is_whole(block):
            raise self._damaged()
        if not self._allow_junk and not tarheader.is_clean(block):
            raise CorruptContent("", "its checksum ends in something else than a space or NUL", JUNK)
        return block

    def _finish(self) -> None:
        second = self._read(BLOCK)
        if second and len(second) < BLOCK:
            raise self._cut_short(f"the end block has {len(second)} bytes, expected {BLOCK}")
        if second.strip(b"\0"):
            raise CorruptContent("", "is one zero block with more after it", "other readers would stop here")
        self.end = "whole" if second else "single"
        while block := self._reader.take(PIECE):
            self.trailing += len(block)
            self.trailing_nonzero = self.trailing_nonzero or bytes(block) != bytes(len(block))
            if self._raw is not None:
                self._raw(block)
        if self.trailing_nonzero and not self._allow_junk:
            problem = f"{self.trailing} bytes after the end of the archive are not all zero"
            raise CorruptContent(self._subject, problem, JUNK)

    def _extension(self, block: bytes) -> bytes:
        size = tarheader.number(block[124:136])
        if not 0 <= size <= self._limits.extension:
            raise above("", f"has an extension of {size} bytes", self._limits.extension)
        body = self._read(size)
        if len(body) < size:
            raise self._cut_short(f"an extension header has {len(body)} bytes, expected {size}")
        self._pad(-size % BLOCK)
        return body

    def _global(self, body: bytes, *, between: bool) -> None:
        tarheader.check_global(body)
        self._globals += 1
        if self._globals > 1 or between:
            raise UnsafeArchive("", "is a global PAX header where readers disagree about its reach")

    def _pass_sparse_map(self, block: bytes) -> None:
        more = block[MORE_MAP]
        while more:
            block = self._read(BLOCK)
            if len(block) < BLOCK:
                raise self._cut_short("its sparse map does not end")
            more = block[MORE_MAP_NEXT]

    def _read(self, count: int) -> bytes:
        block = self._reader.read(count)
        if self._raw is not None and block:
            self._raw(block)
        return block

    def _cut_short(self, problem: str) -> CorruptContent:
        where = f"{self._subject}: byte {self._reader.position}"
        return CorruptContent(where, f"the archive ends too early, {problem}", "it was cut short")


def entries(
    reader: Reader,
    subject: str,
    *,
    raw: Callable[[Block], object] | None = None,
    limit: int | None = None,
    allow_sparse: bool = False,
) -> Entries:
    """Walk over the entries of a tar; see Entries."""
    return Entries(reader, subject, raw=raw, limit=limit, allow_sparse=allow_sparse)


__all__ = ["Entries", "Entry", "FileReader", "Reader", "StreamReader", "entries"]
