"""Names of a store, found by what they mean: a store may have a hundred thousand, and each is asked for.

Where they are lost, images are asked for by their IDs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toolkit.errors import CorruptContent
from toolkit.image import Finding
from toolkit.reference import meaning, same

BY_ID = "names are lost with it; lading ls lists the images that are there, ask for one by its ID"


def names_lost(place: str, why: CorruptContent) -> Finding:
    """Return what a store has to say whose names are lost."""
    return Finding(place, f"has lost the names of its images: {why}", check="names")


class NameIndex:
    """Names in the store's order, each with what it stands for; a name may come twice."""

    def __init__(self, names: Sequence[tuple[str, str]]) -> None:
        self.names = names
        self._first: dict[int, int] = {}  # hash of a meaning → where the first name that has it stands
        self._others: dict[int, list[int]] = {}  # and those after it, which are few where nobody is hostile
        for number, (name, _) in enumerate(names):
            key = hash(meaning(name))
            if self._first.setdefault(key, number) != number:
                self._others.setdefault(key, []).append(number)

    def called(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield the names that mean the same, with what they stand for."""
        key = hash(meaning(name))
        if (first := self._first.get(key)) is None:
            return
        for number in (first, *self._others.get(key, ())):
            if same(self.names[number][0], name):
                yield self.names[number]
