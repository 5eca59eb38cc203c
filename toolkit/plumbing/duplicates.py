"""Names seen twice, found in bounded memory however many there are."""

from __future__ import annotations

from array import array

from toolkit.errors import UnsafeArchive

PARTS = 8  # the check holds one part of the names at a time


class NameSet:
    """Names of one archive, eight bytes each; `check` refuses when two were equal.

    Names are compared by Python's keyed 64-bit hash: among two million, the odds of a false alarm
    are one in ten million, and nobody outside the process can steer them.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._hashes = array("q")

    def add(self, name: bytes) -> None:
        """Take one cleaned name."""
        self._hashes.append(hash(name))

    def check(self) -> None:
        """Raise UnsafeArchive if any name was added twice."""
        for part in range(PARTS):
            mine = [value for value in self._hashes if value % PARTS == part]
            if len(set(mine)) != len(mine):
                raise UnsafeArchive(
                    self.subject, "has two entries of the same name, which engines read differently"
                )
