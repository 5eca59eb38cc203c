"""Blob: so many bytes under a digest; and the blobs that one image consists of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.digest import Digest
from toolkit.document import Node
from toolkit.errors import ToolkitError
from toolkit.image import ProvenImage

PAIR = 2


@dataclass(frozen=True, slots=True, order=True)
class Blob:
    """A manifest, config or layer, as the arithmetic of a mirror knows it."""

    digest: Digest
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class ImageBlobs:
    """An image by the name that the closed side calls it, and all that it consists of."""

    name: str
    top: Digest  # what the name points at
    blobs: tuple[Blob, ...]  # documents and layers, the top among them; each once

    @classmethod
    def of(cls, name: str, image: ProvenImage) -> ImageBlobs:
        """List the documents and layers of an image, and of what refers to it."""
        parts = image.parts
        documents = (each.descriptor for part in parts for each in part.documents.values())
        layers = (each for part in parts for each in part.blobs)
        found = {each.digest: Blob(each.digest, each.size) for each in (*documents, *layers)}
        return cls(name, image.top.digest, tuple(found.values()))


def total(blobs: Iterable[Blob]) -> int:
    """Return how many bytes blobs are together."""
    return sum(blob.size for blob in blobs)


def to_pairs(blobs: Iterable[Blob]) -> list[list[object]]:
    """Write blobs as `[digest, size]` each."""
    return [[str(blob.digest), blob.size] for blob in blobs]


def from_pairs(node: Node, key: str) -> tuple[Blob, ...]:
    """Read what `to_pairs` wrote: each digest once; raises InvalidDocument."""
    pairs = node.optional(key, list) or []
    found = tuple(_blob(node, f"{key}[{index}]", pair) for index, pair in enumerate(pairs))
    if len({blob.digest for blob in found}) != len(found):
        node.fail(key, "holds a digest twice")
    return found


def _blob(node: Node, key: str, pair: object) -> Blob:
    if not isinstance(pair, list) or len(pair) != PAIR or [type(each) for each in pair] != [str, int]:
        node.fail(key, "[digest, size] required")
    if pair[1] < 0:
        node.fail(key, f"size is {pair[1]}, expected 0 or more")
    try:
        return Blob(Digest.parse(pair[0]), pair[1])
    except ToolkitError as error:
        node.fail(key, str(error))
