"""Where the bytes of a tar come from: a range of an open file, or blocks as they arrive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

from toolkit.plumbing.files import storing
from toolkit.ports import Block

PIECE = 1 << 20  # bytes of a body at a time
NARROW, WIDE = 4 << 10, 256 << 10  # bytes read ahead: after a jump, and at most while headers are near


class Reader(Protocol):
    """A stream that can be read, or passed over, forward only."""

    position: int  # of the next byte

    def read(self, count: int) -> bytes:
        """Return `count` bytes; fewer only where the stream ends."""

    def take(self, limit: int) -> Block:
        """Return up to `limit` bytes without joining or copying; none only where the stream ends.

        A block is valid until the next call.
        """

    def skip(self, count: int) -> int:
        """Pass over `count` bytes and return how many there were; fewer only where the stream ends."""


class FileReader:
    """A range of an open file. `position` counts from the start of the file.

    Bodies are skipped without being read. One object serves one thread, but many may share the file.
    """

    def __init__(self, handle: int, offset: int, size: int, subject: str = "the archive") -> None:
        self.position = offset
        self._handle, self._end, self._subject = handle, offset + size, subject
        self._window, self._base, self._span = b"", offset, NARROW // 2

    def read(self, count: int) -> bytes:
        """Return `count` bytes; raises StoreError."""
        start = self.position - self._base
        if start + count > len(self._window):
            self._refill(count, near=start <= len(self._window))
            start = 0
        piece = self._window[start : start + count]
        self.position += len(piece)
        return piece

    def take(self, limit: int) -> Block:
        """Return up to `limit` bytes; raises StoreError."""
        start = self.position - self._base
        piece = self._window[start : start + limit] or self._pread(min(limit, PIECE))
        self.position += len(piece)
        return piece

    def skip(self, count: int) -> int:
        """Pass over bytes unread; a range that lies about the file shows at the next read."""
        count = max(0, min(count, self._end - self.position))
        self.position += count
        return count

    def _refill(self, count: int, *, near: bool) -> None:
        """Read ahead, the wider the longer headers stand side by side."""
        self._span = min(2 * self._span, WIDE) if near else NARROW
        self._base, self._window = self.position, self._pread(max(count, self._span))
        while len(self._window) < count and (more := self._pread(count, len(self._window))):
            self._window += more

    def _pread(self, count: int, ahead: int = 0) -> bytes:
        position = self.position + ahead
        with storing(self._subject):
            return os.pread(self._handle, max(0, min(count, self._end - position)), position)


class StreamReader:
    """Blocks of any size, in order. `position` counts from the first byte."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self.position = 0
        self._blocks, self._block, self._at = blocks, memoryview(b""), 0

    def read(self, count: int) -> bytes:
        """Return `count` bytes, copied; fewer only where the stream ends."""
        end = self._at + count
        if end <= len(self._block):
            piece = bytes(self._block[self._at : end])
            self._at = end
            self.position += count
            return piece
        pieces = bytearray()
        while len(pieces) < count and (block := self.take(count - len(pieces))):
            pieces += block
        return bytes(pieces)

    def take(self, limit: int) -> Block:
        """Return up to `limit` bytes of the block at hand, or of the next one."""
        while self._at == len(self._block):
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._block, self._at = memoryview(block), 0
        piece = self._block[self._at : self._at + limit]
        self._at += len(piece)
        self.position += len(piece)
        return piece

    def skip(self, count: int) -> int:
        """Take bytes and forget them."""
        left = count
        while left and (block := self.take(left)):
            left -= len(block)
        return count - left
