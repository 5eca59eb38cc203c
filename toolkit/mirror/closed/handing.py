"""hand on: images that were received, out of the base store into a registry, an engine or another store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from toolkit.digest import Digest
from toolkit.errors import UsageError
from toolkit.event import Tell, nobody
from toolkit.image import Finding, ProvenImage
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.closed.prefixes import APART, Prefixes
from toolkit.mirror.closed.unloading import AT_ONCE, in_batches, is_named
from toolkit.mirror.records.reception import Reception
from toolkit.operations.copy import copy
from toolkit.operations.renaming import Renamed
from toolkit.ports import Renames, Sink
from toolkit.report import WARNING


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
    if isinstance(sink, Renames):
        _keep_apart(wanted, inventory, sink, prefixes)
    done = []
    for batch in in_batches(wanted, AT_ONCE):
        images = copy(source, sink, batch, progress=progress, jobs=jobs)
        done += [replace(image, documents={}, blobs=()) for image in images]
    return done


def _keep_apart(names: Sequence[str], inventory: Inventory, sink: Renames, prefixes: Prefixes) -> None:
    """Raise UsageError where a place would call two images the same: a sink sees one batch of them only."""
    owners: dict[str, str] = {}
    for name in names:
        for there in sink.names_there([prefixes.name_of(name)]):
            other = owners.setdefault(there, name)
            if inventory.called(other) != inventory.called(name):
                raise UsageError(f"image {name}", f"would be called {there}, as {other} is", APART)


def idle_renames(prefixes: Prefixes, names: Sequence[str]) -> list[Finding]:
    """Return a warning for each `--rename` that fits none of the images that are handed on."""
    if not names:
        return []
    problem = f"fits none of the images that are handed on, as {names[0]}; is OLD spelt as names are?"
    return [Finding(f"--rename {word[:200]}", problem, WARNING) for word in prefixes.idle(names)]


def as_called_there(image: ProvenImage, sink: Sink) -> ProvenImage:
    """Return an image under what it is asked for by where it went; by digest where it has no tag there."""
    if not isinstance(sink, Renames):
        return image
    names = sink.names_there(image.names)
    if not names:
        names = [f"{one}@{image.top.digest}" for one in sink.repositories_there(image.names)]
    return replace(image, names=tuple(names))


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
