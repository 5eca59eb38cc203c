"""Received: what the closed side knows of a set that it took in.

{"lading":"received","version":1,"site":"plant-7","number":7,"place":5,"time":"2026-11-27T02:00:00Z",
 "date":"2026-11-26","images":{NAME:"sha256:…"},"gaps":[NAME],"increment":"sha256:…"}
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from toolkit.digest import Digest
from toolkit.mirror.records import papers
from toolkit.mirror.records.increment import Increment


@dataclass(frozen=True, slots=True)
class Received:
    """One set; one that came again has the place and time of the last time."""

    site: str
    number: int
    place: int  # in the order in which sets came, from 1
    time: dt.datetime  # when it was taken in
    date: dt.date  # that it was asked for, on the other side
    images: Mapping[str, Digest] = field(hash=False)  # all that the set names, new or not
    gaps: tuple[str, ...] = ()  # what the set could not have (toolkit.mirror.connected.gapnames)
    increment: Digest | None = None  # of its document, as it was proven

    @classmethod
    def of(cls, increment: Increment, place: int, time: dt.datetime) -> Self:
        """Record a set that is there now."""
        images = increment.tops
        time = time.astimezone(dt.UTC).replace(microsecond=0)
        document = Digest.of(bytes(increment))
        return cls(
            increment.site, increment.number, place, time, increment.date, images, increment.gaps, document
        )

    def is_of(self, increment: Increment) -> bool:
        """Tell whether a set says what the one that was taken in said, in every word."""
        return self.increment == Digest.of(bytes(increment))

    @classmethod
    def parse(cls, raw: bytes, subject: str) -> Self:
        """Read the document; raises InvalidDocument."""
        node = papers.opened(raw, subject, "received")
        return cls(
            node.parsed("site", papers.site_name),
            papers.count(node, "number", papers.MOST_NUMBER),
            papers.count(node, "place"),
            papers.moment(node, "time"),
            papers.day(node, "date"),
            papers.digest_map(node, "images"),
            papers.image_names(node, "gaps"),
            node.parsed("increment", Digest.parse) if node.optional("increment", str) else None,
        )

    def __bytes__(self) -> bytes:
        body = {
            "site": self.site,
            "number": self.number,
            "place": self.place,
            "time": papers.as_moment(self.time),
            "date": self.date.isoformat(),
            "images": {name: str(digest) for name, digest in self.images.items()},
            **({"gaps": list(self.gaps)} if self.gaps else {}),
            **({"increment": str(self.increment)} if self.increment else {}),
        }
        return papers.written("received", body)


def names(received: Iterable[Received]) -> dict[str, Digest]:
    """Return what each name means: as the set with the highest number has it, whenever that came."""
    found: dict[str, Digest] = {}
    for each in sorted(received, key=lambda one: one.number):
        found |= each.images
    return found


def in_order(received: Iterable[Received]) -> list[Received]:
    """Return sets in the order in which they came."""
    return sorted(received, key=lambda one: (one.place, one.number))
