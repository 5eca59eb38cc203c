"""Laying out the picture of sharing.

A layer has the same place and colour in every row; what one image alone has lies to the right, in grey.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from toolkit.figures import short_id, size_text
from toolkit.pages.drawing import UNDER, Cell, Column, Drawing, Row, percent
from toolkit.pages.room import counted, cut, elided
from toolkit.pages.sharing import Sharing, Stack, UsedLayer

MOST_ROWS, MOST_COLUMNS, MOST_OWN = 60, 200, 40  # drawn; the rest is told in words
MOST_TOLD = 8  # names of an image, where it is pointed at
LABEL = 40  # characters of a name: what a phone has room for
WIDEST = 9.0  # times the narrowest, however large the layer
LEAST_SHARED, MOST_SHARED = 25.0, 85.0  # percent of the width, where there are own layers too
GAP = 1.5  # percent, between what is shared and what is not
ROOMY = 16  # rows that may be high
HIGH, LOW = (44, 16), (32, 11)  # pixels from row to row, and of a cell
HEAD = 16  # pixels: the line of numbers
Tile = tuple[int, str]  # a layer's size in bytes, and its title


@dataclass(frozen=True, slots=True)
class Scale:
    """How wide a layer is, in units of the narrowest: by the root of its size, up to WIDEST."""

    largest: int

    def of(self, size: int) -> float:
        """Return the units of one layer."""
        return 1 + (WIDEST - 1) * math.sqrt(min(1.0, size / self.largest)) if self.largest else 1.0

    def all(self, tiles: Iterable[Tile]) -> float:
        """Return the units of several, beside each other."""
        return sum(self.of(size) for size, _ in tiles)

    def placed(self, tiles: Iterable[Tile], start: float, unit: float) -> Iterator[Cell]:
        """Yield cells beside each other, given the percents of a unit."""
        for size, title in tiles:
            yield Cell(start, self.of(size) * unit, title)
            start += self.of(size) * unit


def drawn(sharing: Sharing) -> Drawing:
    """Lay out the picture; of very many images the largest, of very many layers those that save most."""
    stacks = {number: sharing.stacks[number] for number in _drawn_stacks(sharing)}
    layers = _drawn_layers(sharing, stacks.values())
    shared = [(layer.size, _title(sharing, layer)) for layer in layers]
    own = {number: _own(stack, layers) for number, stack in stacks.items()}
    scale = Scale(max((layer.size for layer in sharing.layers), default=0))
    units = scale.all(shared), max(map(scale.all, own.values()), default=0.0)
    split, start = _zones(*units)
    pitch, bar = HIGH if len(stacks) <= ROOMY else LOW
    head = HEAD if layers else 0
    tops = {number: head + place * pitch - bar - 2 * UNDER for place, number in enumerate(stacks, 1)}
    own_unit = (100 - start) / units[1] if units[1] else 0.0
    rows = [
        _row(stack, tops[number], scale.placed(own[number], start, own_unit))
        for number, stack in stacks.items()
    ]
    columns = _columns(layers, scale.placed(shared, 0.0, split / units[0] if units[0] else 0.0), tops)
    return Drawing(sharing, tuple(rows), tuple(columns), head + len(stacks) * pitch, bar, percent(split))


def _drawn_stacks(sharing: Sharing) -> list[int]:
    """Return the numbers of the largest stacks, those on the same base beside each other."""
    sizes = [stack.size for stack in sharing.stacks]
    largest = heapq.nlargest(MOST_ROWS, range(len(sizes)), key=lambda number: (sizes[number], -number))
    places = {layer.digest: place for place, layer in enumerate(sharing.layers) if layer.is_shared}
    beyond = len(sharing.layers)

    def family(number: int) -> tuple[list[int], int]:
        digests = dict(sharing.stacks[number].layers)
        return [places[digest] for digest in digests if digest in places] or [beyond], number

    return sorted(largest, key=family)


def _drawn_layers(sharing: Sharing, stacks: Iterable[Stack]) -> list[UsedLayer]:
    """Return the layers with a column, in the order of first use by these stacks: all of a single image."""
    layers = {layer.digest: layer for layer in sharing.layers}
    used = dict.fromkeys(digest for stack in stacks for digest, _ in stack.layers)
    alone = len(sharing.stacks) == 1
    wanted = [layer for digest in used if (layer := layers[digest]).is_shared or alone]
    places = range(len(wanted))
    weightiest = heapq.nlargest(MOST_COLUMNS, places, key=lambda place: (wanted[place].worth, -place))
    return [wanted[place] for place in sorted(weightiest)]


def _zones(shared: float, longest: float) -> tuple[float, float]:
    """Return where the columns end and where own layers begin, in percent, given the units of both."""
    if not longest:
        return 100.0, 100.0
    if not shared:
        return 0.0, 0.0
    split = min(MOST_SHARED, max(LEAST_SHARED, 100 * shared / (shared + longest)))
    return split, split + GAP


def _columns(layers: Iterable[UsedLayer], cells: Iterable[Cell], tops: Mapping[int, int]) -> Iterator[Column]:
    for number, (layer, cell) in enumerate(zip(layers, cells, strict=True), 1):
        yield Column(number, layer, cell, tuple(tops[user] for user in layer.users if user in tops))


def _own(stack: Stack, columns: Collection[UsedLayer]) -> list[Tile]:
    """Return each layer that has no column; the last of very many are one."""
    elsewhere = {layer.digest for layer in columns}
    sizes = {digest: size for digest, size in stack.layers if digest not in elsewhere}
    tiles = [(size, f"{cut(short_id(digest))}, {size_text(size)}") for digest, size in sizes.items()]
    if len(tiles) <= MOST_OWN:
        return tiles
    kept, rest = tiles[: MOST_OWN - 1], tiles[MOST_OWN - 1 :]
    size = sum(size for size, _ in rest)
    return [*kept, (size, f"{counted(len(rest), 'more layer')}, {size_text(size)}")]


def _title(sharing: Sharing, layer: UsedLayer) -> str:
    told = f"{cut(short_id(layer.digest))}, {size_text(layer.size)}"
    if not layer.is_shared:
        return told
    return f"{told}, in {len(layer.users):,} of {counted(len(sharing.stacks), 'image')}"


def _row(stack: Stack, top: int, own: Iterable[Cell]) -> Row:
    names = [cut(name) for name in stack.names[:MOST_TOLD]]
    others = len(stack.names) - 1 + stack.more
    suffix = f" +{others:,}" if others else ""
    label = elided(names[0], LABEL - len(suffix)) + suffix
    return Row(" = ".join(names), label, size_text(stack.size), top, tuple(own))
