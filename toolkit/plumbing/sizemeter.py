"""The sizes that a tar's headers state, added up while its blocks pass to be hashed (rules S3 and S5).

Only plain headers are understood: what has a PAX or GNU header is left to the strict walk over the tar. So a
sum counts only where it is the one that was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from toolkit.ports import Block

HEADER = 512
SIZE, TYPE, LINK = slice(124, 136), 156, slice(157, 257)
FILE, LINKED, PLAIN = ord("0"), ord("2"), frozenset(b"0123456")


class SizeMeter:
    """Takes the blocks of one tar, in order; `sizes` is known when all have passed."""

    def __init__(self) -> None:
        self._position = self._next = 0  # of the block; of what comes next of a header
        self._begun = b""  # the part of it that the last block had
        self._tree = self._headers = 0
        self._is_plain, self._has_ended = True, False

    @classmethod
    def of(cls, tar: Iterable[Block]) -> Self:
        """Return the meter that has taken a whole tar."""
        meter = cls()
        for block in tar:
            meter(block)
        return meter

    def __call__(self, block: Block) -> None:
        """Look at the headers in one more block."""
        if self._is_plain and not self._has_ended:
            try:
                self._look(memoryview(block))
            except ValueError:  # no octal number
                self._is_plain = False
        self._position += len(block)

    def sizes(self) -> dict[str, int] | None:
        """Return the sums by rule; None where the tar has more to it than plain headers."""
        return {"S3": self._tree, "S5": self._headers} if self._is_plain and self._has_ended else None

    def _look(self, view: memoryview) -> None:
        at, length = self._next - self._position, len(view)
        while at < length:
            header = self._begun + bytes(view[at : at + HEADER - len(self._begun)])
            at += len(header) - len(self._begun)
            if len(header) < HEADER:  # the next block has the rest
                self._begun = header
                break
            self._begun = b""
            if header[TYPE] not in PLAIN:
                self._is_plain = self._has_ended = not any(header)
                return
            size = int(header[SIZE].rstrip(b" \0") or b"0", 8)
            self._headers += size
            if header[TYPE] == FILE:
                self._tree += size
                at += size + -size % HEADER
            elif header[TYPE] == LINKED:
                self._tree += len(header[LINK].partition(b"\0")[0])
        self._next = self._position + at
