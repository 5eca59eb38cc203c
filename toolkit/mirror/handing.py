"""hand on: images that were received, out of the base store into a registry, an engine or another store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from toolkit.digest import Digest
from toolkit.errors import UsageError
from toolkit.event import Tell, nobody
from toolkit.image import ProvenImage
from toolkit.mirror.inventory import Inventory
from toolkit.mirror.prefixes import Prefixes
from toolkit.mirror.reception import Reception
from toolkit.mirror.unloading import AT_ONCE, in_batches, is_named
from toolkit.operations.copy import copy
from toolkit.operations.renaming import Renamed
from toolkit.ports import Sink

APART = "give one of them another name: --rename quay.io/=quay/"


def hand_on(
    names: Iterable[str],
    inventory: Inventory,
    sink: Sink,
    prefixes: Prefixes,
    *,
    progress: Tell = nobody,
    jobs: int = 0,
) -> list[ProvenImage]:
    """Copy images on, under their new names; return them without their documents.

    The names of so many images at a time come when these are all there. Raises as `copy`, and UsageError
    where two of the images would get one name: then nothing is copied.
    """
    wanted = sorted(names)
    source = Renamed(inventory.store, prefixes.of(wanted))
    done = []
    for batch in in_batches(wanted, AT_ONCE):
        try:
            images = copy(source, sink, batch, progress=progress, jobs=jobs)
        except UsageError as error:  # two of them would get one name there
            raise replace(error, advice=APART) from error
        done += [replace(image, documents={}, blobs=()) for image in images]
    return done


def handed_names(
    receptions: Iterable[Reception], meant: Mapping[str, Digest], inventory: Inventory
) -> list[str]:
    """Return the names of the sets that are there: each that means there what its set says."""
    held = (each.increment for each in receptions if each.increment and not each.error)
    images = (image for increment in held for image in increment.images)
    return sorted(
        {
            image.name
            for image in images
            if meant.get(image.name) == image.digest and is_named(image.name, image.digest, inventory)
        }
    )
