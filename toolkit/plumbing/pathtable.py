"""Paths met in one layer and what they were met as, in eight bytes each: a layer may have millions."""

from __future__ import annotations

import threading
from array import array

FILE, FOLDER, IMPLIED = 1, 2, 4  # marks: an entry that is no folder, one that is, something lies in it
WHITED = 8  # a whiteout takes it away
MARKS = 15
SMALLEST = 1024  # slots
MOST = 4_000_000  # paths of all layers that are kept to be compared, eight bytes each


class PathTable:
    """Marks by path. It holds only keyed 60-bit hashes; see `duplicates.NameSet` for the odds."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._slots = array("q", bytes(8 * SMALLEST))
        self._mask = SMALLEST - 1
        self._left = SMALLEST // 2  # names that fit before it grows

    def mark(self, path: bytes, mark: int) -> int:
        """Add a mark to a path's own; return those that it had before."""
        value = key(path)
        slots, mask = self._slots, self._mask
        slot = (value >> 4) & mask
        while found := slots[slot]:
            if found & ~MARKS == value:
                slots[slot] = found | mark
                return found & MARKS
            slot = (slot + 1) & mask
        slots[slot] = value | mark
        self._left -= 1
        if not self._left:
            self._grow()
        return 0

    def marks(self, path: bytes) -> int:
        """Return a path's marks; 0 where it was not met."""
        value = key(path)
        slot = (value >> 4) & self._mask
        while found := self._slots[slot]:
            if found & ~MARKS == value:
                return found & MARKS
            slot = (slot + 1) & self._mask
        return 0

    def emptied(self) -> array[int]:
        """Return the keys of all paths that the layer has something at; the table has none afterwards."""
        slots, count = self._slots, 0
        for found in slots:  # what is kept moves to the front: there is no second copy
            if found & ~WHITED & MARKS:
                slots[count] = found & ~MARKS
                count += 1
        del slots[count:]
        self._begin()
        return slots

    def _grow(self) -> None:
        old, self._slots = self._slots, array("q", bytes(16 * len(self._slots)))
        self._left, self._mask = len(old) // 2, len(self._slots) - 1
        slots, mask = self._slots, self._mask
        for found in old:
            if found:
                slot = (found >> 4) & mask
                while slots[slot]:
                    slot = (slot + 1) & mask
                slots[slot] = found


class Room:
    """What may be kept of the paths of all layers together; from several threads."""

    def __init__(self, paths: int = MOST) -> None:
        self._left, self._lock = paths, threading.Lock()

    def take(self, paths: array[int]) -> array[int] | None:
        """Return the paths if there is room for them, else None."""
        with self._lock:
            if len(paths) > self._left:
                return None
            self._left -= len(paths)
            return paths


def key(path: bytes) -> int:
    """Return the hash that stands for a path, the marks left free; never 0."""
    return hash(path) & ~MARKS or MARKS + 1
