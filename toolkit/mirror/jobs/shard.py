"""Shard: which images of a job one of several hosts fetches, so that each has another share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from toolkit.digest import Digest
from toolkit.errors import UsageError

TEXT = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")


@dataclass(frozen=True, slots=True)
class Shard:
    """Share `number` of `of`, the first being 1."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2/5`; raises UsageError."""
        found = TEXT.fullmatch(text)
        if found is None or int(found[1]) > int(found[2]):
            raise UsageError(
                f"shard {text[:50]!r}", "is none", "write 2/5 for the second of five, up to 9999"
            )
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def takes(self, name: str) -> bool:
        """Tell whether an image is in this share: by its name alone, the same on every host and night."""
        return int(Digest.of(name.encode()).hex, 16) % self.of == self.number - 1

    def in_turn(self) -> Iterator[Shard]:
        """Yield all shares: this one, those behind it, those before it."""
        for step in range(self.of):
            yield Shard((self.number - 1 + step) % self.of + 1, self.of)
