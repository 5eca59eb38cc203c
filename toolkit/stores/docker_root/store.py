"""`docker-root:` — the data root of a Docker 1.10 to 29 that is not running, as a source (formats B).

A root may have been used with several graph drivers; each keeps its own images under `image/<driver>`.
A Docker 29 that has no such images keeps them in the containerd store below its root.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from toolkit.errors import NotFound, ToolkitError, Unsupported
from toolkit.image import Finding
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.ports import Source
from toolkit.reading import AS_IT_IS, Reading
from toolkit.stores.docker_root.driver_store import DriverStore
from toolkit.stores.docker_root.drivers import DRIVERS
from toolkit.stores.kinds import CONTENT, TOLD, holds_containerd, image_drivers, no_store, remains
from toolkit.stores.trees.drivers import Drivers

EMPTY = ("buildkit", "containers", "plugins", "swarm", "volumes")  # folders that every Docker makes
CONTAINERD = "containerd"  # as a driver: the store in containerd/daemon


def open_docker_root(path: Path, driver: str = "", reading: Reading = AS_IT_IS) -> Source:
    """Open a data root: its graph drivers' images, or those of its containerd where it has no others.

    `driver` may be containerd too. Raises NotFound, Unsupported or UnsafeArchive.
    """
    files = FolderFiles(Path(os.path.realpath(path)))
    has_drivers = bool(image_drivers(files))
    if driver == CONTAINERD or not (driver or has_drivers):
        place = f"docker-root{'+' + driver if driver else ''}:{path}"
        if (root := holds_containerd(path)) is not None:
            if not has_drivers and remains(files, "docker-root") and not _count(root):
                raise no_store("docker-root", place, path)
            from toolkit.stores.containerd.store import ContainerdStore

            return ContainerdStore(root, reading.namespace, place)
    return DockerRoot(path, driver, reading)


class DockerRoot(Drivers):
    """The images of every driver of a data root; `driver` settles which one is meant."""

    kind = TOLD["docker-root"][0]

    def __init__(self, path: Path, driver: str = "", reading: Reading = AS_IT_IS) -> None:
        place = f"docker-root{'+' + driver if driver else ''}:{path}"
        self._files = FolderFiles(Path(os.path.realpath(path)))
        names = [driver] if driver else self._found(path)
        if driver and (driver not in DRIVERS or not self._files.has_folder(f"image/{driver}")):
            known = ", ".join(self._found(path))
            raise Unsupported(place, f"has no images of the driver {driver!r}", f"it has {known}")
        rebuilt = reading.allow_rebuilt
        super().__init__(
            place, [DriverStore(self._files, DRIVERS[name], place, allow_rebuilt=rebuilt) for name in names]
        )

    def remarks(self) -> list[Finding]:
        """Say also that the containerd store beside the drivers has images of its own."""
        with suppress(ToolkitError):
            if (root := holds_containerd(self._files.folder)) and (count := _count(root)):
                problem = f"has {count} images in a containerd store too: docker-root+containerd:PATH"
                return [*super().remarks(), Finding(self.place, problem)]
        return super().remarks()

    def _found(self, path: Path) -> list[str]:
        """Name the drivers with images here that we read; raises where there is none."""
        found = image_drivers(self._files)
        known = [name for name in found if name in DRIVERS]
        if not known:
            raise _no_root(path, self._files, found)
        return known


def _count(containerd: Path) -> int:
    """Count the images of a containerd store; every Docker makes one, and few have anything in it."""
    if not FolderFiles(containerd).has_folder(f"{CONTENT}/blobs"):
        return 0
    from toolkit.stores.containerd.store import ContainerdStore

    return len(ContainerdStore(containerd).entries())


def _no_root(path: Path, files: FolderFiles, drivers: list[str]) -> ToolkitError:
    """Say what a folder is that is no data root we read."""
    if drivers:
        known = ", ".join(DRIVERS)
        return Unsupported(
            str(path), f"has images of the driver {drivers[0][:50]!r}, expected one of {known}"
        )
    if files.has_folder("graph"):
        return Unsupported(str(path), "is the data root of a Docker 0.7 to 1.9", f"read it as graph:{path}")
    if not path.is_dir():
        return NotFound(str(path), "is not there")
    if not remains(files, "docker-root") and sum(files.has_folder(name) for name in EMPTY) > 1:
        problem = "is a Docker data root without images: with the system's containerd they are elsewhere"
        return NotFound(str(path), problem, "look into /var/lib/containerd of that disk: lading doctor PATH")
    return no_store("docker-root", f"docker-root:{path}", path)
