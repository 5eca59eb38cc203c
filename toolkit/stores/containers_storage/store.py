"""`containers-storage:` — the root of a podman, buildah or CRI-O at rest, as a source (formats C.2).

Nothing is locked and nothing is written. The store keeps no blobs: a layer is put together from its
tree and its tar-split, not compressed. An image whose manifest lists its layers so keeps that manifest and
its digest; others, those that were pulled, get one that is made here.
"""

from __future__ import annotations

import os
from pathlib import Path

from toolkit.errors import NotFound, ToolkitError, Unsupported
from toolkit.reading import AS_IT_IS, Reading
from toolkit.stores.containers_storage.documents import StorageFiles, StorageTrees
from toolkit.stores.containers_storage.layerlist import DRIVERS, Driver
from toolkit.stores.containers_storage.records import StorageRecords
from toolkit.stores.kinds import TOLD, no_store
from toolkit.stores.trees.drivers import Drivers
from toolkit.stores.trees.source import TreeSource

IMAGES = "-images"  # behind a driver's name: the folder of its images


class ContainersStorage(Drivers):
    """The images of every driver of a root; `driver` settles which one is meant."""

    kind = TOLD["containers-storage"][0]

    def __init__(self, path: Path, driver: str = "", reading: Reading = AS_IT_IS) -> None:
        place = f"containers-storage{'+' + driver if driver else ''}:{path}"
        files = StorageFiles(Path(os.path.realpath(path)))
        found = _drivers(path, files)
        if driver and driver not in {each.name for each in found}:
            known = ", ".join(each.name for each in found)
            raise Unsupported(place, f"has no images of the driver {driver!r}", f"it has {known}")
        super().__init__(
            place,
            [
                TreeSource(
                    place,
                    each.name,
                    StorageRecords(files, each),
                    StorageTrees(files, allow_rebuilt=reading.allow_rebuilt),
                )
                for each in found
                if driver in {"", each.name}
            ],
        )


def _drivers(path: Path, files: StorageFiles) -> list[Driver]:
    """Return the drivers with images here that we read; raises where there is none."""
    found = [name.removesuffix(IMAGES) for name in files.names() if name.endswith(IMAGES)]
    known = [DRIVERS[name] for name in found if name in DRIVERS]
    if not known:
        raise _no_root(path, found)
    return known


def _no_root(path: Path, drivers: list[str]) -> ToolkitError:
    """Say what a folder is that is no root we read."""
    if drivers:
        known = " or ".join(DRIVERS)
        return Unsupported(str(path), f"has images of the driver {drivers[0][:50]!r}, expected {known}")
    if not path.is_dir():
        return NotFound(str(path), "is not there")
    return no_store("containers-storage", f"containers-storage:{path}", path)
