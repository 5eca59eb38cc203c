"""StoredImage: an image of a lock in the store, as a target; what many tasks ask for alike is read once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import luigi

from toolkit.bundles.ocilayout import INDEX
from toolkit.document import Node, load
from toolkit.errors import NotFound, ToolkitError
from toolkit.limits import limits
from toolkit.mirror.connected.fetching import proven_one
from toolkit.mirror.connected.made import Made
from toolkit.mirror.connected.site import Site
from toolkit.mirror.records.lock import Locked
from toolkit.model import Descriptor
from toolkit.plumbing.files import Stamp
from toolkit.stores.layout import LayoutStore


class StoredImage(luigi.Target):
    """An image in the layout `folder`. It exists while it is there whole, proven, and untouched since."""

    def __init__(self, folder: Path, locked: Locked, made: Made) -> None:
        self.store, self._locked, self._made = LayoutStore(folder), locked, made

    def exists(self) -> bool:
        """Tell whether the image is there; what is no store has none."""
        try:
            digest = self._made.top(self._locked)
            if digest is None or self.store.folder.size(digest) is None:
                return False  # known without reading anything of the store
            rows = _rows(self.store.path, Stamp.of(self.store.path / INDEX))
            row = rows.get(str(digest))
            tops = {digest: Descriptor.from_node(row)} if row else {}
        except ToolkitError:
            return False
        return proven_one(self.store, tops, self._locked, self._made) is not None


@dataclass(frozen=True, slots=True)
class _Night:
    """A lock, so that an image is found in it at once."""

    images: Mapping[tuple[str, str], Locked]  # by name and digest
    crowded: frozenset[str]


def locked_image(
    home: Path, site: str, date: dt.date, name: str, digest: str
) -> tuple[Locked, frozenset[str]]:
    """Return an image of a lock, and the origins that are several images there; raises NotFound."""
    key = home.absolute(), site, date
    if key not in _LOCKS or (name, digest) not in _LOCKS[key].images:  # names that failed may come later
        _LOCKS[key] = _read(home, site, date)
    night = _LOCKS[key]
    if (name, digest) not in night.images:
        problem = f"is not locked as {digest} for {date}"
        raise NotFound(f"image {name} of site {site}", problem, "run MirrorImages, which locks it")
    return night.images[name, digest], night.crowded


_LOCKS: dict[tuple[Path, str, dt.date], _Night] = {}  # of this process, and its children


def _read(home: Path, site: str, date: dt.date) -> _Night:
    lock = Site(home, site).lock(date)
    if lock is None:
        return _Night({}, frozenset())
    return _Night({(each.name, str(each.digest)): each for each in lock.images}, lock.crowded)


@lru_cache(maxsize=1)
def _rows(folder: Path, stamp: Stamp | None) -> Mapping[str, Node]:
    """Return what a store lists, by digest, each row unread: with each image that comes there is a new list.

    `stamp` tells of another list.
    """
    del stamp
    raw = LayoutStore(folder).blobs.read(INDEX, limits().document)
    rows = load(raw, INDEX).children("manifests") if raw else ()
    return {row.get("digest", str): row for row in rows}
