"""ImageRecord: of which blobs an image was, each time that it was sent to a site.

    {"lading":"image","version":1,"digest":"sha256:…","variants":[{"sets":[3,9],"blobs":[["sha256:…",SIZE]]}]}

The same top has other blobs when a platform or a signature is carried that was left out before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from toolkit.digest import Digest
from toolkit.document import Node
from toolkit.mirror.records import papers
from toolkit.mirror.records.blob import Blob, from_pairs, to_pairs


@dataclass(frozen=True, slots=True)
class Variant:
    """All blobs of an image as certain sets made it whole."""

    sets: tuple[int, ...]  # numbers
    blobs: tuple[Blob, ...]  # by digest

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read one; raises InvalidDocument."""
        return cls(numbers(node, "sets"), from_pairs(node, "blobs"))


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image by its top, and its variants."""

    digest: Digest
    variants: tuple[Variant, ...] = ()

    @classmethod
    def parse(cls, raw: bytes, subject: str) -> Self:
        """Read the document; raises InvalidDocument."""
        node = papers.opened(raw, subject, "image")
        variants = tuple(map(Variant.from_node, node.children("variants")))
        return cls(node.parsed("digest", Digest.parse), variants)

    def __bytes__(self) -> bytes:
        variants = [{"sets": list(each.sets), "blobs": to_pairs(each.blobs)} for each in self.variants]
        return papers.written("image", {"digest": str(self.digest), "variants": variants})

    def sent(self, number: int, blobs: Iterable[Blob]) -> ImageRecord:
        """Return the record that also says of which blobs the image is in a set."""
        mine = tuple(sorted(blobs))
        others = {variant.blobs: set(variant.sets) - {number} for variant in self.variants}
        others.setdefault(mine, set()).add(number)
        variants = (Variant(tuple(sorted(sets)), each) for each, sets in others.items() if sets)
        return ImageRecord(self.digest, tuple(variants))

    def as_received(self, received: Sequence[int]) -> tuple[Blob, ...] | None:
        """Return the blobs as the last of these sets brought them; None where none of them did."""
        order = {number: place for place, number in enumerate(received)}
        places = {
            order[number]: variant.blobs
            for variant in self.variants
            for number in variant.sets
            if number in order
        }
        return places[max(places)] if places else None


def numbers(node: Node, key: str) -> tuple[int, ...]:
    """Return the list of set numbers under `key`, each once, in its order; raises InvalidDocument."""
    found = node.optional(key, list) or []
    for index, each in enumerate(found):
        if type(each) is not int or not 0 < each <= papers.MOST_NUMBER:
            node.fail(f"{key}[{index}]", "the number of a set required")
    if len(set(found)) != len(found):
        node.fail(key, "holds a number twice")
    return tuple(found)
