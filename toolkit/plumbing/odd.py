"""Entries of a tar of which something is to be told, all together."""

from __future__ import annotations

from dataclasses import dataclass

SHOWN = 200  # bytes of a name


@dataclass(slots=True)
class Odd:
    """Entries that engines treat differently: how many, and the first of them."""

    count: int = 0
    first: str = ""

    def add(self, name: bytes) -> None:
        """Count one more."""
        self.count += 1
        self.first = self.first or name[:SHOWN].decode(errors="backslashreplace")

    def __str__(self) -> str:
        return f"{self.first} and {self.count - 1} more" if self.count > 1 else self.first
