"""Healing: pieces of slices that are damaged or lost, made of all the others, while they are read.

Nothing is written. A piece that has its sum is right; one that has not, or cannot be read, comes from another
copy of its volume, or is the XOR of the same piece of all other volumes and the parity volume.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate

from toolkit.errors import CorruptContent, ToolkitError
from toolkit.image import Finding
from toolkit.mirror.media.parity import piece_sum, read_exactly, xor
from toolkit.mirror.media.setmap import SetMap, named
from toolkit.mirror.media.volume import BLOCKS, PIECE, SUM, VolumeHeader, pieces_in
from toolkit.mirror.media.volumefile import VolumeFile, opened_file
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.tarwriter import header, padding
from toolkit.ports import Block


class Healer:
    """The pieces of all slices of a set that has a parity volume; from any thread."""

    def __init__(
        self, map_: SetMap, parity: VolumeHeader, copies: Mapping[int, Sequence[VolumeFile]]
    ) -> None:
        """Read the sums of all pieces; where they are damaged, only what cannot be read at all is healed."""
        self._map, self._copies = map_, copies
        self._sums = _sums(copies[0], parity)
        self._first = [0, 0, *accumulate(map(pieces_in, parity.sizes))]  # piece of all, by volume
        self._healed: dict[int, set[int]] = {}
        self._lock = threading.Lock()

    def blocks(self, number: int, start: int, size: int) -> Iterator[Block]:
        """Yield a range of a slice, healed where it has to be; raises CorruptContent where it cannot be."""
        end = start + size
        for index in range(start // PIECE, pieces_in(end)):
            piece, base = memoryview(self.piece(number, index)), index * PIECE
            yield piece[max(0, start - base) : end - base]

    def piece(self, number: int, index: int) -> bytes:
        """Return one piece of a slice; raises CorruptContent where it cannot be healed."""
        try:
            return self._sound(number, index)
        except _Unsound:
            pass
        try:
            made = self._made(number, index)
        except _Unsound as other:
            raise self._beyond_healing(number, index, other.number) from other
        if not self._is_sound(number, index, made):
            raise self._beyond_healing(number, index, 0)
        with self._lock:
            self._healed.setdefault(number, set()).add(index)
        return made

    def healed(self) -> list[Finding]:
        """Return what was healed, or came from elsewhere, since the set was opened; one for each volume."""
        with self._lock:
            counts = {number: len(pieces) for number, pieces in sorted(self._healed.items())}
        return [
            Finding(
                self._called(number),
                f"{'is damaged' if number in self._copies else 'is missing'}: {count} of its "
                f"{pieces_in(self._map.headers[number].size)} MiB were healed by the parity volume",
                check="volume",
                advice="replace the medium",
            )
            for number, count in counts.items()
        ]

    def _made(self, number: int, index: int) -> bytes:
        """Return the XOR of all others; raises _Unsound where one of them is damaged there too."""
        longest = min(PIECE, max(one.size for one in self._map.headers.values()) - index * PIECE)
        made = xor(self._others(number, index), longest)
        return made[: self._size(number, index)]

    def _others(self, number: int, index: int) -> Iterator[bytes]:
        for other in range(self._map.of + 1):
            if other != number and (other == 0 or self._size(other, index) > 0):
                yield self._sound(other, index)

    def _sound(self, number: int, index: int) -> bytes:
        for piece in self._read(number, index):
            if number == 0 or self._is_sound(number, index, piece):
                return piece
        raise _Unsound(number)

    def _read(self, number: int, index: int) -> Iterator[bytes]:
        """Yield a piece as each file of its volume has it; a medium that cannot be read has none."""
        for file in self._copies.get(number, ()):
            try:
                with file.slice() as part:
                    piece = read_exactly(part, index * PIECE, PIECE)
            except ToolkitError:
                continue
            yield piece

    def _size(self, number: int, index: int) -> int:
        return min(PIECE, self._map.headers[number].size - index * PIECE)

    def _is_sound(self, number: int, index: int, piece: bytes) -> bool:
        at = SUM * (self._first[number] + index)
        return not self._sums or piece_sum(piece) == self._sums[at : at + SUM]

    def _called(self, number: int) -> str:
        return f"volume {number} of {self._map.of} of {self._map.subject}" if number else "the parity volume"

    def _beyond_healing(self, number: int, index: int, other: int) -> CorruptContent:
        start = index * PIECE
        end = start + self._size(number, index)
        state = "is damaged" if number in self._copies else "is missing"
        touched = named(self._map.touched(number, start, end))
        problem = (
            f"{state} at bytes {start} to {end} of its part, as is {self._called(other)}: it cannot be healed"
        )
        return CorruptContent(self._called(number), problem, f"it touches {touched}; bring another copy")


class _Unsound(Exception):
    """Another volume is damaged at the same place."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _sums(files: Sequence[VolumeFile], parity: VolumeHeader) -> bytes:
    """Return the sums of all pieces; none where no file has them as they were."""
    size = parity.blocks_size
    for file in files:
        offset = file.start + parity.size + len(padding(parity.size)) + len(header(BLOCKS, "file", size))
        with suppress(ToolkitError), opened_file(file.path) as handle:
            blocks = read_exactly(Extent(handle, offset, size, file.path), 0, size)
            if piece_sum(blocks[:-SUM]) == blocks[-SUM:]:
                return blocks[:-SUM]
    return b""
