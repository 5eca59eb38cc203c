"""Lack: what a set requires and the base store has not, and the cheapest way to get it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Self

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, NotFound, ToolkitError
from toolkit.figures import size_text
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.media.setimages import SetImages
from toolkit.mirror.media.volumeset import VolumeSet
from toolkit.mirror.records import papers
from toolkit.mirror.records.blob import Blob, short, total
from toolkit.mirror.records.increment import Carried, Increment

SHOWN = 3  # names, or numbers of sets, that are told


@dataclass(frozen=True, slots=True)
class Lack:
    """Images that must be whole here and are not, and blobs that are not here."""

    images: tuple[Carried, ...] = ()
    blobs: tuple[Blob, ...] = ()  # of new images
    unheld: tuple[str, ...] = ()  # how the digests of others begin, of images that are taken to be whole here

    def __bool__(self) -> bool:
        return bool(self.images or self.blobs or self.unheld)

    @property
    def digests(self) -> set[Digest]:
        """Return the digests of all of it."""
        return {image.digest for image in self.images} | {blob.digest for blob in self.blobs}

    def __str__(self) -> str:
        parts = []
        if self.images:
            names = _some([image.name for image in self.images])
            parts.append(f"{_counted(len(self.images), 'image')} ({names})")
        if self.blobs:
            names = _some([str(blob.digest) for blob in self.blobs])
            size = size_text(total(self.blobs))
            parts.append(f"{_counted(len(self.blobs), 'blob')} of {size} ({names})")
        if self.unheld:
            names = _some(self.unheld)
            parts.append(f"{_counted(len(self.unheld), 'blob')} of images that did not change ({names})")
        return " and ".join(parts)


def lacking(increment: Increment, images: SetImages, inventory: Inventory) -> Lack:
    """Return what is required and is not there; every blob is proven. Raises CorruptContent as `checked`."""
    gone = [image for image in increment.images if not image.is_new and not inventory.is_whole(image.digest)]
    blobs = [blob for blob in increment.requires if inventory.size(blob.digest) != blob.size]
    unheld = () if gone else tuple(inventory.unheld(increment.held))  # of one that is gone all is
    return Lack(tuple(gone), tuple(blobs or _damaged(increment, images, inventory)), unheld)


def _damaged(increment: Increment, images: SetImages, inventory: Inventory) -> list[Blob]:
    """Return the required blobs that are there, and are not what they are called; raises CorruptContent."""
    required = {blob.digest: blob for blob in increment.requires}
    try:
        layers = (layer for image in images.checked() for layer in image.layers if layer.digest in required)
        damaged = {layer.digest: None for layer in layers if not inventory.has(layer)}
        return [required[digest] for digest in damaged if digest]
    except CorruptContent:  # a document of the set, or one that is required
        if unsound := [blob for blob in increment.requires if not inventory.is_sound(blob.digest, blob.size)]:
            return unsound
        raise


@dataclass(frozen=True, slots=True)
class Brought:
    """What sets say that they bring which could not be received."""

    by_digest: Mapping[Digest | str, Sequence[str]]  # names of sets, by digests and how these begin

    @classmethod
    def by(cls, sets: Iterable[VolumeSet]) -> Self:
        """Read what sets say; one whose headers cannot be read says nothing."""
        found: dict[Digest | str, list[str]] = {}
        for one in sets:
            with suppress(ToolkitError):
                digests = {blob.digest for header in one.claimed_headers() for blob in header.blobs}
                keys: list[Digest | str] = [*digests, *map(short, digests)]
                for key in keys:
                    found.setdefault(key, []).append(one.name)
        return cls(found)

    def any_of(self, lack: Lack) -> list[str]:
        """Return the sets that bring something of what is lacking, by name."""
        wanted: list[Digest | str] = [*lack.digests, *lack.unheld]
        return sorted({name for key in wanted for name in self.by_digest.get(key, ())})


def refusal(
    lack: Lack, increment: Increment, brought: Brought, received: Collection[int], place: str
) -> NotFound:
    """Say what is missing, and what to do: another set that is here, one sent before, or a new one."""
    problem = (
        f"requires {lack}, which {'are' if len(lack.digests) + len(lack.unheld) > 1 else 'is'} not in {place}"
    )
    advice = "; else ".join(_cures(lack, increment, brought, received))
    return NotFound(f"set {increment.name}", problem, advice)


def _cures(lack: Lack, increment: Increment, brought: Brought, received: Collection[int]) -> Iterator[str]:
    if bringing := [name for name in brought.any_of(lack) if name != increment.name]:
        yield f"receive {_some(bringing)} first, which is here"
        return
    if between := increment.number - 1 - sum(0 < number < increment.number for number in received):
        numbers = (number for number in range(increment.number - 1, 0, -1) if number not in received)
        names = [papers.set_name(increment.site, number) for number in islice(numbers, SHOWN)]
        which = ", of which one may do" if between > 1 else ""
        yield f"receive what was sent before and has not come{which}: {_some(names, between)}"
    size = total(lack.blobs)
    least = f", which sends at least {size_text(size)} once more" if size else ""
    yield f"carry the receipt back, and there: lading mirror run JOB --since receipt{least}"


def _some(texts: Sequence[str], count: int = 0) -> str:
    """Return the first of these texts, and how many more there are of `count`, or of them."""
    count = count or len(texts)
    more = f" and {count - SHOWN} more" if count > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
