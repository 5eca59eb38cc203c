"""What a registry lists: every image once, with all its names in all its repositories, and bad ones too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from toolkit.bundles.layout_lines import in_order, listing, told_apart
from toolkit.digest import Digest
from toolkit.errors import ToolkitError
from toolkit.historic import HistoricImage, historic_outline
from toolkit.outline import Listing
from toolkit.stores.registry_root.disk import Broken, Disk
from toolkit.stores.registry_root.repository import Repository


@dataclass(frozen=True, slots=True)
class Line:
    """A line, and the documents and blobs that its image consists of; not kept, there may be very many."""

    listing: Listing
    top: Digest
    parts: frozenset[Digest] = frozenset()


def listings(disk: Disk) -> list[Listing]:
    """List what every repository holds; what cannot be read is a line that says why."""
    told: dict[
        tuple[Digest, Listing], list[str]
    ] = {}  # what says the same of the same manifest, and its names
    broken: list[Listing] = []
    for repository in disk.repositories():
        if isinstance(repository, Broken):
            broken.append(_problem(repository.name, repository.problem))
            continue
        for line in _repository(disk, repository, broken):
            told.setdefault((line.top, replace(line.listing, names=())), []).extend(line.listing.names)
    lines = [replace(listed, names=tuple(sorted(names))) for (_, listed), names in told.items()]
    return in_order([*told_apart(lines, [top for top, _ in told]), *broken])


def _repository(disk: Disk, name: str, broken: list[Listing]) -> Iterator[Line]:
    """Yield what is tagged in one repository, then manifests that no tag and no index leads to."""
    tagged: dict[Digest, list[str]] = {}
    untagged: set[Digest] = set()
    try:
        for tag, told in disk.pointers(name):
            full = f"{name}:{tag}"
            if isinstance(told, Digest):
                tagged.setdefault(told, []).append(full)
            else:
                broken.append(_problem(full, str(told)))
        untagged.update(digest for digest in disk.revisions(name) if digest not in tagged)
    except ToolkitError as error:  # a folder of all of them
        broken.append(_problem(name, str(error)))
    for digest, names in tagged.items():
        line = _line(disk, name, tuple(sorted(names)), digest)
        untagged -= line.parts
        yield line
    nameless = [_line(disk, name, (), digest) for digest in sorted(untagged)]
    led_to = {part for line in nameless for part in line.parts if part in untagged and part != line.top}
    yield from (line for line in nameless if line.top not in led_to)


def _line(disk: Disk, repository: str, names: tuple[str, ...], digest: Digest) -> Line:
    found = Repository(disk, repository)
    try:
        image = found.image(names, digest)
        if isinstance(image, HistoricImage):
            told = historic_outline(image)
            return Line(Listing(names, told.id, told.created, told.platform, told.size), digest)
        blobs = (layer.digest for layer in image.layers if layer.digest)
        return Line(listing(image), digest, frozenset([*image.documents, *blobs]))
    except ToolkitError as error:
        return Line(replace(found.broken(digest, error), names=names), digest)


def _problem(name: str, problem: str) -> Listing:
    return Listing((name,), "", problem=problem)
