"""Blob: so many bytes under a digest; and the blobs that one image consists of."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.digest import Digest
from toolkit.document import Node
from toolkit.errors import ToolkitError
from toolkit.image import ProvenImage

PAIR = 2
HEX = frozenset("0123456789abcdef")
SHORT = 8  # hex digits: among 100,000 blobs another one begins so once in 40,000 times


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


def short(digest: Digest) -> str:
    """Return how a digest begins, which tells whether a blob is there where not much can be spent on it."""
    return digest.hex[:SHORT]


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


def from_shorts(node: Node, key: str) -> tuple[str, ...]:
    """Read beginnings of digests that stand one behind the other, in order, each once."""
    text = node.optional(key, str) or ""
    found = tuple(text[start : start + SHORT] for start in range(0, len(text), SHORT))
    if len(text) % SHORT or not set(text) <= HEX:
        node.fail(key, f"is no text of {SHORT} hex digits for each blob")
    if any(one >= other for one, other in itertools.pairwise(found)):
        node.fail(key, "is not sorted, or holds a blob twice")
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
