"""unload: a set that was proven, into the base store: blobs and documents first, then all names at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from toolkit.digest import Digest
from toolkit.errors import CorruptContent
from toolkit.event import Tell, nobody
from toolkit.image import ProvenImage
from toolkit.mirror.closed.arrival import Arrival
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.closed.shelf import Shelf
from toolkit.mirror.media.setimages import SetImages
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.received import Received, names
from toolkit.model import Descriptor
from toolkit.operations.copy import copy
from toolkit.plumbing.files import make_folder, storing
from toolkit.plumbing.space import require_space_in

T = TypeVar("T")
AT_ONCE = 100  # images whose documents are in memory


@dataclass(frozen=True, slots=True)
class Unloaded:
    """What a set changed."""

    stored: int  # bytes of blobs that were not there
    behind: tuple[str, ...]  # names that a later set has put elsewhere
    mended: tuple[Digest, ...] = ()  # blobs that were there, and were not what they are called


def unload(
    arrival: Arrival,
    images: SetImages,
    side: ClosedSide,
    inventory: Inventory,
    now: datetime,
    *,
    progress: Tell = nobody,
    jobs: int = 0,
) -> Unloaded:
    """Store a set of which nothing is lacking, and record it; whoever calls holds the site.

    A set that comes late puts no name back that a later one has moved. Raises StoreError without the space,
    CorruptContent where a file of the set was changed since it was checked.
    """
    increment = arrival.increment
    missing = sum(blob.size for blob in increment.contains if inventory.size(blob.digest) is None)
    _require_space(inventory, missing)
    shelf = Shelf(inventory.store)
    for digests in in_batches(images.tops, AT_ONCE):
        words = [str(digest) for digest in digests]
        copy(images, shelf, words, progress=progress, jobs=jobs, before_names=arrival.must_be_unchanged)
    inventory.renew()
    meant = names_with(side, increment, now)
    arrival.must_be_unchanged()  # a set without a new image copies nothing, and names all the same
    name_images(increment, images.tops, inventory, meant)
    side.take(increment, now)
    behind = (image.name for image in increment.images if meant[image.name] != image.digest)
    return Unloaded(missing, tuple(behind), tuple(shelf.damaged))


def names_with(side: ClosedSide, increment: Increment, now: datetime) -> Mapping[str, Digest]:
    """Return what each name is to mean once this set is taken in."""
    others = (each for each in side.received() if each.number != increment.number)
    return names([*others, Received.of(increment, 0, now)])


def name_images(
    increment: Increment,
    new: Mapping[Digest, Descriptor],
    inventory: Inventory,
    meant: Mapping[str, Digest],
) -> None:
    """Point the names of a set at what they mean, all at once; those that do so already are left alone."""
    wrong = [
        image
        for image in increment.images
        if meant[image.name] == image.digest and not is_named(image.name, image.digest, inventory)
    ]
    named = []
    for image in wrong:
        if (top := new.get(image.digest) or inventory.top(image.digest)) is None:
            raise CorruptContent(f"image {image.name}", "went while its set was received", "receive it again")
        named.append(ProvenImage((image.name,), top, {}, ()))
    if named:
        inventory.store.name(named)
        inventory.renew()


def is_named(name: str, digest: Digest, inventory: Inventory) -> bool:
    """Tell whether a name points at an image; one that has a digest in it does where the image is listed."""
    return inventory.is_listed(digest) if "@" in name else inventory.called(name) == digest


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most `size` items."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def _require_space(inventory: Inventory, missing: int) -> None:
    store = inventory.store
    with storing(store.place):
        make_folder(store.path)
        require_space_in(store.path, missing, store.place)
