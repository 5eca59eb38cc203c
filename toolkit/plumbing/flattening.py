"""Layers laid over one another: what an image shows at each path (formats E.5).

A whiteout, an opaque folder and whatever is no folder hide what lies below them in lower layers, never
in their own; where the order of entries stands in a tar changes nothing. The rows come in the order of
their keys, so that a folder has been settled when what lies in it comes: no tree is ever held.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from toolkit.errors import UnsafeArchive
from toolkit.plumbing.application import shown
from toolkit.plumbing.filefacts import FOLDER, IMPLIED, OPAQUE, WHITEOUT, Row, path_of
from toolkit.plumbing.odd import Odd
from toolkit.plumbing.whiteouts import AUFS_OWN


class Flattening:
    """One image: its layers by number, base first."""

    def __init__(self, layers: Sequence[int]) -> None:
        self.shadowed = (
            Odd()
        )  # links and files that became folders because an upper layer has files below them
        self._places: Mapping[int, int] = {layer: place for place, layer in enumerate(layers)}
        self._above: list[
            tuple[bytes, int]
        ] = []  # folders that we are in and that hide what is lower than a place
        self._root = 0

    def settle(self, key: bytes, rows: Sequence[Row]) -> Row | None:
        """Return the row that the image shows at a path, given all that layers say of it; None of nothing.

        A row without facts is a folder that no layer describes. To be called in the order of keys.
        """
        while self._above and not key.startswith(self._above[-1][0]):
            self._above.pop()
        lowest = self._above[-1][1] if self._above else self._root
        found, hides = self._choose(rows, lowest)
        if not key:
            self._root = hides
        elif hides > lowest:
            self._above.append((key + b"\0", hides))
        return found

    def _choose(self, rows: Sequence[Row], lowest: int) -> tuple[Row | None, int]:
        """Go down from the top layer; return the row to show, and from where on lower layers are hidden."""
        found: Row | None = None
        implied: Row | None = None
        hides = lowest
        for place, row in self._from_the_top(rows):
            if place < lowest:
                break
            is_solid = _is_solid(row)
            if row.facts and not found:
                if is_solid and implied:
                    self.shadowed.add(path_of(row.key))
                else:
                    found = row
            if row.marks & IMPLIED:
                implied = implied or row
            if is_solid or row.marks & (WHITEOUT | OPAQUE):
                hides = max(hides, place)
            if is_solid or row.marks & WHITEOUT:
                break
        return found or implied, hides

    def _from_the_top(self, rows: Sequence[Row]) -> list[tuple[int, Row]]:
        places = self._places
        mine = [(places[row.layer], row) for row in rows if row.layer in places]
        mine.sort(key=lambda pair: -pair[0])
        return mine


def _is_solid(row: Row) -> bool:
    """Tell what nothing can lie in; raises UnsafeArchive where the same layer has something in it."""
    if row.facts is None or row.facts.kind == FOLDER:
        return False
    if row.marks & IMPLIED:
        problem = "is a link or a file, and other entries of the same layer lie below it"
        raise UnsafeArchive(shown(path_of(row.key)), problem, "engines make different trees of it")
    return True


def side_by_side(
    rows: Iterable[Row], left: Flattening, right: Flattening
) -> Iterator[tuple[bytes, Row | None, Row | None]]:
    """Yield each path that an image shows, and what each of the two shows there."""
    for key, group in itertools.groupby(rows, attrgetter("key")):
        if key.startswith(AUFS_OWN):
            continue  # bookkeeping of aufs (formats A.9.1)
        said = list(group)
        ours, theirs = left.settle(key, said), right.settle(key, said)
        if ours or theirs:
            yield path_of(key), ours, theirs
