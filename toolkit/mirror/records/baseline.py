"""Baseline: what the closed side is known to have, and how that is known.

`full`       nothing is
`confirmed`  what its last receipt names, as it was sent in the sets that the receipt names too
`assumed`    that, and what was sent since, but for what came before a set that did not count on it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from toolkit.digest import Digest
from toolkit.mirror.records.blob import ImageBlobs, short
from toolkit.mirror.records.imagerecord import ImageRecord
from toolkit.mirror.records.receipt import Receipt

if TYPE_CHECKING:  # an increment is reckoned against a baseline
    from toolkit.mirror.records.increment import Increment

FULL, ASSUMED, CONFIRMED = KINDS = ("full", "assumed", "confirmed")
RecordOf = Callable[[Digest], ImageRecord | None]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Tops that are whole over there, and every blob that is."""

    kind: str
    tops: frozenset[Digest] = frozenset()
    blobs: frozenset[Digest] = frozenset()
    unknown: tuple[str, ...] = ()  # names in the receipt whose images were never sent from here

    @classmethod
    def full(cls) -> Self:
        """Take nothing for granted."""
        return cls(FULL)

    @classmethod
    def confirmed(cls, receipt: Receipt | None, record_of: RecordOf) -> Self:
        """Believe the last receipt; without one nothing is known.

        One top can have been sent twice with other blobs: a platform more, or a signature. What counts is
        how it was in the last of the sets that the receipt names.
        """
        if receipt is None:
            return cls.full()
        blobs: set[Digest] = set()
        unknown = []
        known: dict[Digest, bool] = {}
        for name, top in receipt.images.items():
            if top not in known:
                record = record_of(top)
                found = record.as_received(receipt.sets) if record else None
                known[top] = found is not None
                blobs.update(blob.digest for blob in found or ())
            if not known[top]:
                unknown.append(name)
        tops = frozenset(top for top, is_known in known.items() if is_known)
        return cls(CONFIRMED, tops, frozenset(blobs), tuple(unknown))

    @classmethod
    def assumed(cls, receipt: Receipt | None, sent: Iterable[Increment], record_of: RecordOf) -> Self:
        """Believe the last receipt, and that what was sent since will arrive.

        A set that requires what none of them brings cannot be received, and is not counted: the one that
        brought it was lost. Nor is what came before a set that was made without counting on it: whoever asked
        for that knew why.
        """
        start = cls.confirmed(receipt, record_of)
        tops, blobs = set(start.tops), set(start.blobs)
        shorts = set(map(short, blobs))
        last = max(receipt.sets, default=0) if receipt else 0
        for increment in sorted(sent, key=lambda each: each.number):
            if increment.baseline != ASSUMED:
                tops, blobs = set(start.tops), set(start.blobs)
            needed = {blob.digest for blob in increment.requires}
            is_held = increment.requires_images <= tops and shorts.issuperset(increment.held)
            if increment.number > last and needed <= blobs and is_held:
                tops.update(image.digest for image in increment.images)
                blobs.update(blob.digest for blob in increment.contains)
                shorts.update(short(blob.digest) for blob in increment.contains)
        return cls(ASSUMED, frozenset(tops), frozenset(blobs), start.unknown)

    def holds(self, image: ImageBlobs) -> bool:
        """Tell whether an image is whole over there, under whatever name."""
        return image.top in self.tops and all(blob.digest in self.blobs for blob in image.blobs)
