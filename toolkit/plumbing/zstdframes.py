"""The frames of a zstd stream (RFC 8878, section 3.1), followed without decoding them.

The decoder takes a stream that was cut short for one that ended; this knows the difference.
"""

from __future__ import annotations

from collections.abc import Generator

from toolkit.errors import CorruptContent
from toolkit.limits import limits, more_than
from toolkit.ports import Block

MAGIC, SKIPPABLE = 0xFD2FB528, 0x184D2A5  # the last digit of a skippable frame's magic is free
SINGLE_SEGMENT, CHECKSUM = 0x20, 0x04
DICTIONARY_BYTES, SIZE_BYTES = (0, 1, 2, 4), (0, 2, 4, 8)
OFFSET, OFFSET_BYTES = 256, 2  # what is added to a content size of two bytes
RUN = 1  # the block type of one byte repeated


class Frames:
    """Takes the compressed bytes block by block; `finish` tells whether they ended where they may.

    `window` is the widest, in bytes, that any frame so far needs its decoder to look back over.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.count = self.window = 0
        self._limit = limits().stream
        self._taken = b""
        self._steps = self._follow()
        self._wanted = next(self._steps)
        self._between = True

    def feed(self, block: Block) -> None:
        """Follow one more block; raises CorruptContent where a frame should begin and none does."""
        view = memoryview(block)
        while view:
            count = min(abs(self._wanted) - len(self._taken), len(view))
            if self._wanted > 0:
                self._taken += view[:count]
            else:
                self._wanted += count
            view = view[count:]
            while self._wanted == len(self._taken):  # zero, or all that was asked for
                taken, self._taken = self._taken, b""
                self._wanted = self._steps.send(taken)

    def finish(self) -> None:
        """Raise CorruptContent unless the last frame is whole and there is one."""
        if not self._between or self._taken or not self.count:
            raise CorruptContent(self.subject, "ends amid its compressed data", "it was cut short")

    def _follow(self) -> Generator[int, bytes, None]:
        """Ask for bytes by yielding how many, and pass over bytes by yielding minus how many."""
        while True:
            self._between = True
            magic = int.from_bytes((yield 4), "little")
            self._between = False
            self.count += 1
            if self.count > self._limit:
                raise more_than(self.subject, "has more than {} zstd frames", self._limit)
            if magic >> 4 == SKIPPABLE:
                yield -int.from_bytes((yield 4), "little")
            elif magic == MAGIC:
                yield from self._frame()
            else:
                what = "zstd data" if self.count == 1 else "zstd data after its first frames"
                raise CorruptContent(self.subject, f"has bytes that are no {what}")

    def _frame(self) -> Generator[int, bytes, None]:
        descriptor = (yield 1)[0]
        single = bool(descriptor & SINGLE_SEGMENT)
        size_bytes = SIZE_BYTES[descriptor >> 6] or int(single)
        window = yield int(not single)
        yield -DICTIONARY_BYTES[descriptor & 3]
        size = yield size_bytes
        self.window = max(self.window, _window(window, size))
        last = False
        while not last:
            block = int.from_bytes((yield 3), "little")
            last = bool(block & 1)
            yield -(1 if block >> 1 & 3 == RUN else block >> 3)
        if descriptor & CHECKSUM:
            yield -4


def _window(descriptor: bytes, size: bytes) -> int:
    """Return the bytes of a window, by the content's size where it is all of that (RFC 8878, 3.1.1.1)."""
    if descriptor:
        exponent, mantissa = descriptor[0] >> 3, descriptor[0] & 7
        return (8 + mantissa) << (7 + exponent)
    return int.from_bytes(size, "little") + (OFFSET if len(size) == OFFSET_BYTES else 0)
