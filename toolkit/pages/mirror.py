"""The pages of the mirror: what a night's run came to, with labels for its volumes; and what was received."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.pages.findings import groups_of
from toolkit.pages.layout import drawn
from toolkit.pages.rendering import rendered
from toolkit.pages.room import fitting
from toolkit.pages.sharing import Sharing, Stack

ROOM = 750_000  # bytes of the page for each of its long tables
LABELS = 300_000  # bytes for all labels
GOOD, MIXED, BAD = "verified", "warning", "corrupt"  # classes of the style, and symbols
Fact = tuple[str, str, str]  # a title, a value, and what there is to say of it
Told = tuple[str, str]  # a title, and a sentence


class _Listed:
    """A row of a table."""

    def texts(self) -> Iterable[str]:
        """Return all that is shown of it."""
        return map(str, vars(self).values())


@dataclass(frozen=True)
class MissingImage(_Listed):
    """An image that was left out whole."""

    name: str
    problem: str
    since: str  # the day of the first night that it failed


@dataclass(frozen=True)
class ChangedName(_Listed):
    """A name that is new, moved or gone, and the digests that it pointed at, empty where there is none."""

    name: str
    kind: str
    before: str
    after: str


@dataclass(frozen=True)
class CarriedImage(_Listed):
    """An image of a set, and its bytes; None where they are not known."""

    name: str
    digest: str
    is_new: bool
    new: int | None
    shared: int | None
    there: int | None


@dataclass(frozen=True)
class WrittenVolume(_Listed):
    """One file of a set; number 0 is parity."""

    name: str
    size: int  # bytes
    sha256: str
    number: int
    of: int

    @property
    def place(self) -> str:
        """Return which one it is, in words."""
        return f"{self.number} of {self.of}" if self.number else f"parity, for {self.of}"


@dataclass(frozen=True)
class ReceivedSet(_Listed):
    """A set that was brought, and what became of it; figures are empty of one that could not be read."""

    name: str
    state: str
    date: str
    images: str
    new: str
    stored: int  # bytes


@dataclass(frozen=True)
class Head:
    """The top of a page."""

    title: str  # of the window
    tone: str  # GOOD, MIXED or BAD
    word: str
    subject: str
    sentence: str
    facts: Sequence[Fact]


@dataclass(frozen=True)
class RunPage:
    """All that the page of a run shows."""

    head: Head
    site: str
    set: str  # its name; empty where there is none
    date: str
    since: str  # the set before, empty where there is none
    gaps: Sequence[MissingImage]
    changes: Sequence[ChangedName]
    volumes: Sequence[WrittenVolume]
    signer: str  # ID of the key, empty where nothing is signed
    images: Sequence[CarriedImage]
    known: Sequence[Told]  # of the closed side
    trail: Sequence[Told]


@dataclass(frozen=True)
class ReceptionPage:
    """All that the page of the closed side shows; `findings` are in their JSON form."""

    head: Head
    sets: Sequence[ReceivedSet]
    findings: Sequence[Mapping[str, Any]]
    changes: Sequence[ChangedName]
    receipt: Sequence[Told]


def run_page(page: RunPage, stacks: Iterable[Stack]) -> bytes:
    """Return the page of a run; its picture is of these images. The same values give the same bytes."""
    return rendered(
        "run.html",
        page=page,
        gaps=fitting(page.gaps, ROOM),
        changes=fitting(page.changes, ROOM),
        volumes=fitting(page.volumes, ROOM),
        images=fitting(page.images, ROOM),
        labels=fitting(page.volumes, LABELS),
        drawing=drawn(Sharing.of(stacks)),
    )


def reception_page(page: ReceptionPage) -> bytes:
    """Return the page of what was received. The same values give the same bytes."""
    return rendered(
        "reception.html",
        page=page,
        sets=fitting(page.sets, ROOM),
        changes=fitting(page.changes, ROOM),
        groups=groups_of(page.findings),
    )
