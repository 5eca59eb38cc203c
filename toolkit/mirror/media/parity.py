"""Parity: the XOR of all slices, from which any one of them comes back.

Slices that are shorter than the longest count as padded with zeros. XOR is done on large integers, the last
byte of which is the highest, so that what a short piece lacks is zero. To turn bytes into an integer and back
takes far longer than the XOR itself: several volumes are taken in at a time, which also spares the disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from toolkit.errors import CorruptContent
from toolkit.mirror.media.volume import SUM
from toolkit.plumbing.files import storing
from toolkit.plumbing.streams import Extent, opened
from toolkit.plumbing.writebehind import WriteBehind
from toolkit.ports import Block

GROUP = 4  # volumes that are taken in at a time
STRIDE = 32 << 10  # bytes of each that are in memory at a time: integers of this size stay in the cache
CUT_SHORT = "it was cut short"

Slice = tuple[str, int, int]  # a file, where its slice begins, and how many bytes it has


def piece_sum(piece: Block) -> bytes:
    """Return the CRC-64 of one piece of a slice, as the parity volume has it (xz-file-format 1.2.1, 6)."""
    from fastcrc import crc64

    return int(crc64.xz(piece)).to_bytes(SUM, "big")


def xor(pieces: Iterable[Block], size: int) -> bytes:
    """Return the XOR of pieces, none of them longer than `size` bytes, the length of the result."""
    value = 0
    for piece in pieces:
        value ^= int.from_bytes(piece, "little")
    return value.to_bytes(size, "little")


class ParityWriter:
    """Takes volumes in as they are done, and has the XOR of their slices in a file once all `count` are.

    `taken` is called with the final bytes, in order.
    """

    def __init__(
        self, handle: int, offset: int, size: int, count: int, taken: Callable[[Block], object]
    ) -> None:
        self._handle, self._offset, self._size = handle, offset, size
        self._left, self._taken = count, taken
        self._waiting: list[Slice] = []
        self._has_begun = False

    def take(self, slice_: Slice) -> None:
        """Take a volume that is written; its file stays until the last is taken."""
        self._waiting.append(slice_)
        self._left -= 1
        if len(self._waiting) == GROUP or not self._left:
            self._fold(self._waiting)
            self._waiting, self._has_begun = [], True

    def _fold(self, slices: Sequence[Slice]) -> None:
        write = WriteBehind(self._handle, self._offset)
        with ExitStack() as stack:
            parts = [_open(stack, slice_) for slice_ in slices]
            if self._has_begun:
                parts.append(Extent(self._handle, self._offset, self._size, "the parity volume"))
            for start in range(0, self._size, STRIDE):
                size = min(STRIDE, self._size - start)
                pieces = [read_exactly(part, start, size) for part in parts]
                piece = xor(pieces, size) if len(pieces) > 1 else pieces[0].ljust(size, b"\0")
                write(piece)
                if not self._left:
                    self._taken(piece)


def read_exactly(part: Extent, start: int, size: int) -> bytes:
    """Return `size` bytes of a range, fewer where it ends; raises CorruptContent where its file is cut."""
    count = max(0, min(size, part.size - start))
    with storing(part.subject):
        piece = os.pread(part.handle, count, part.offset + start)
    if len(piece) < count:
        raise CorruptContent(part.subject, f"ends within its slice, at byte {start + len(piece)}", CUT_SHORT)
    return piece


def _open(stack: ExitStack, slice_: Slice) -> Extent:
    path, offset, size = slice_
    return Extent(stack.enter_context(opened(path, path)).handle, offset, size, path)
