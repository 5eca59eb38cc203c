"""The picture of sharing, laid out: a row for each image, a column for each layer that several have.

Places and widths are percents, so that the picture is as wide as its page and its text stays readable.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from toolkit.pages.room import counted
from toolkit.pages.sharing import Sharing, UsedLayer

MOST_NAMED = 12  # columns in the legend
COLOURS = 8  # .c0 to .c7 of the style
DIGIT, PAD = 1.9, 1.2  # percent of a phone's picture that a column's number takes
WIDE = 0.36  # a phone's picture, of a screen's
SPACED, DENSE = 2.0, 0.35  # percent of a cell: from here on it has a gap beside it; below it is hardly seen
UNDER = 5  # pixels from a label to its cells


@dataclass(frozen=True, slots=True)
class Cell:
    """A layer's rectangle, in percent of the width, and what it says when it is pointed at."""

    start: float
    span: float
    title: str

    @property
    def x(self) -> str:
        """Return where it begins."""
        return percent(self.start)

    @property
    def width(self) -> str:
        """Return how wide it is."""
        return percent(self.span)

    @property
    def middle(self) -> str:
        """Return where its middle is."""
        return percent(self.start + self.span / 2)


@dataclass(frozen=True, slots=True)
class Column:
    """A layer that several images have, its number from 1 on, and the tops of its cells in pixels."""

    number: int
    layer: UsedLayer
    cell: Cell
    tops: tuple[int, ...]

    @property
    def colour(self) -> int:
        """Return the number of its colour; neighbours differ."""
        return (self.number - 1) % COLOURS

    @property
    def number_style(self) -> str:
        """Return the class of its number: shown everywhere, on a wide screen, or, if empty, nowhere."""
        needed = PAD + DIGIT * len(str(self.number))
        if self.cell.span >= needed:
            return "number"
        return "number if-wide" if self.cell.span >= needed * WIDE else ""


@dataclass(frozen=True, slots=True)
class Row:
    """An image: its names, as much of the first as there is room for, and the layers that it alone has."""

    names: str
    label: str
    size: str
    top: int  # of its cells, in pixels
    own: tuple[Cell, ...]

    @property
    def label_y(self) -> int:
        """Return where its label stands, in pixels."""
        return self.top - UNDER


@dataclass(frozen=True, slots=True)
class Drawing:
    """All that the template `sharing.html` needs."""

    sharing: Sharing
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    height: int  # in pixels
    bar: int  # height of a cell, in pixels
    track: str  # how wide all columns are together

    @property
    def style(self) -> str:
        """Return the class for cells as narrow as these."""
        cells = [*(column.cell for column in self.columns), *(cell for row in self.rows for cell in row.own)]
        narrowest = min((cell.span for cell in cells), default=100.0)
        return "spaced" if narrowest >= SPACED else "dense" if narrowest < DENSE else ""

    @property
    def legend(self) -> list[Column]:
        """Return the columns that are named below the picture: those that save most."""
        weightiest = heapq.nlargest(MOST_NAMED, self.columns, key=lambda column: column.layer.worth)
        return sorted(weightiest, key=lambda column: column.number)

    @property
    def has_own(self) -> bool:
        """Tell whether any row has layers of its own."""
        return any(row.own for row in self.rows)

    @property
    def omissions(self) -> list[str]:
        """Say what is not drawn."""
        images = len(self.sharing.stacks) - len(self.rows)
        layers = sum(layer.is_shared for layer in self.sharing.layers) - len(self.columns)
        said = [f"Not drawn: {counted(images, 'smaller image')}."] if images else []
        if layers > 0:
            more = counted(layers, "shared layer")
            said.append(f"Without a column, and grey where they are drawn: {more}.")
        return said


def percent(number: float) -> str:
    """Return `12.5%`, to the hundredth."""
    return f"{number:.2f}".rstrip("0").rstrip(".") + "%"
