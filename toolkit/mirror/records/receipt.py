"""Receipt: what the closed side says it has. It is carried back, and sets are reckoned from it.

{"lading":"receipt","version":1,"site":"plant-7","made":"2026-11-27T02:00:00Z","operator":"j.doe",
 "sets":[1,2,5,4],                  every set that was received, the last one last
 "images":{NAME:"sha256:…"},        the images that are whole there, by their tops
 "trail":{"lines":41,"last":"sha256:…"}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, UsageError
from toolkit.mirror.records import papers
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.imagerecord import numbers

OPERATOR_LIMIT = 200  # characters
ANEW = "if one of the two sides was set up anew, say so: --anew"
OLDER = "if one of the two sides was set up anew, or a clock put back, say so: --anew"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt."""

    site: str
    made: datetime  # in UTC, to the second, by the clock of the closed side
    operator: str
    sets: tuple[int, ...]  # numbers in the order they came; one that came again is where it came last
    images: Mapping[str, Digest] = field(hash=False)
    trail: Tip  # where the log of the closed side stood: it only grows

    @classmethod
    def parse(cls, raw: bytes, subject: str) -> Self:
        """Read a receipt; raises InvalidDocument."""
        node = papers.opened(raw, subject, "receipt")
        return cls(
            node.parsed("site", papers.site_name),
            papers.moment(node, "made"),
            papers.text(node, "operator", OPERATOR_LIMIT),
            numbers(node, "sets"),
            papers.digest_map(node, "images"),
            Tip.from_node(node.child("trail")),
        )

    def __bytes__(self) -> bytes:
        body = {
            "site": self.site,
            "made": papers.as_moment(self.made),
            "operator": self.operator[:OPERATOR_LIMIT],
            "sets": list(self.sets),
            "images": {name: str(digest) for name, digest in sorted(self.images.items())},
            "trail": self.trail.to_json(),
        }
        return papers.written("receipt", body)

    @property
    def number(self) -> int:
        """Return the set that was received last; 0 where none was."""
        return self.sets[-1] if self.sets else 0

    @property
    def highest(self) -> int:
        """Return the highest number of the sets that were received; 0 where none was."""
        return max(self.sets, default=0)

    @property
    def file_name(self) -> str:
        """Return what its file is called: plant-7_0007.receipt.json, by the highest set it names."""
        return receipt_name(self.site, self.highest)

    def must_be_of(self, site: str, subject: str) -> None:
        """Raise Mismatch where it is of another site."""
        if self.site != site:
            raise Mismatch(subject, "site", f"it is no receipt of {site}: nothing was taken", self.site, site)

    def must_be_of_sets(self, last: int, subject: str) -> None:
        """Raise UsageError where it names a set with a higher number than the last one that was made."""
        if self.highest > last:
            problem = (
                f"names set {papers.set_name(self.site, self.highest)}, and the last one made here is {last}"
            )
            raise UsageError(subject, problem, f"nothing was taken; {ANEW}")

    def must_follow(self, last: Receipt | None, subject: str) -> None:
        """Raise where it is older than the last one, or where its trail is not the one that was known.

        A longer trail is not enough: another closed side may have one, from before this one was set up.
        """
        if last is None or self == last:
            return
        mine, known = self.trail, last.trail
        if mine.lines == known.lines and mine.last != known.last:
            problem = f"line {mine.lines} of its trail is not the one that an earlier receipt vouched for"
            raise CorruptContent(subject, problem, f"the trail was rewritten; {ANEW}")
        if mine.lines < known.lines or self.made < last.made:
            told = f"{papers.as_moment(self.made)} after {mine.lines} lines of its trail"
            newer = f"{papers.as_moment(last.made)} after {known.lines}"
            problem = f"was made {told}, and a newer one is known, of {newer}"
            raise UsageError(subject, problem, f"nothing was taken; {OLDER}")


def receipt_name(site: str, highest: int) -> str:
    """Return what the file of a receipt is called, by the highest number among its sets."""
    return f"{papers.set_name(site, highest)}.receipt.json"
