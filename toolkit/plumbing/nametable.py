"""Names met so far, in eight bytes each, for archives that may have millions."""

from __future__ import annotations

from array import array

SMALLEST = 1024  # slots


class NameTable:
    """A set of names that holds only their keyed 64-bit hashes; see `duplicates.NameSet` for the odds."""

    def __init__(self) -> None:
        self._slots = array("q", bytes(8 * SMALLEST))
        self._count = 0

    def add(self, name: bytes) -> bool:
        """Take a name in; tell whether it is new."""
        value = hash(name) or 1
        slot = self._find(value)
        if self._slots[slot]:
            return False
        self._slots[slot] = value
        self._count += 1
        if 3 * self._count > 2 * len(self._slots):
            self._grow()
        return True

    def __contains__(self, name: bytes) -> bool:
        return bool(self._slots[self._find(hash(name) or 1)])

    def _find(self, value: int) -> int:
        """Return the value's slot, or the free one where it belongs."""
        slots = self._slots
        mask = len(slots) - 1
        slot = value & mask
        while slots[slot] and slots[slot] != value:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        old = self._slots
        self._slots = array("q", bytes(16 * len(old)))
        for value in old:
            if value:
                self._slots[self._find(value)] = value
