"""`docker-root:` — the data root of a Docker 1.10 to 29 that is not running, as a source (formats B).

A root may have been used with several graph drivers; each keeps its own images under `image/<driver>`.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

from toolkit.errors import NotFound, ToolkitError, UnsafeArchive, Unsupported
from toolkit.image import Layer, SourceImage
from toolkit.outline import Listing, Outline
from toolkit.platform import Platform
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.ports import Content
from toolkit.reading import AS_IT_IS, Reading
from toolkit.reference import near
from toolkit.stores.docker_root.driver_store import DriverStore
from toolkit.stores.docker_root.drivers import DRIVERS


class DockerRoot:
    """The images of every driver of a data root; `driver` settles which one is meant."""

    def __init__(self, path: Path, driver: str = "", reading: Reading = AS_IT_IS) -> None:
        self.place = f"docker-root{'+' + driver if driver else ''}:{path}"
        self._files = FolderFiles(Path(os.path.realpath(path)))
        self._reading = reading
        self._names = [driver] if driver else self._found(path)
        if driver and (driver not in DRIVERS or not self._files.has_folder(f"image/{driver}")):
            known = ", ".join(self._found(path))
            raise Unsupported(self.place, f"has no images of the driver {driver!r}", f"it has {known}")

    @cached_property
    def parts(self) -> list[DriverStore]:
        """Return a source for each driver."""
        rebuilt = self._reading.allow_rebuilt
        return [
            DriverStore(self._files, DRIVERS[name], self.place, allow_rebuilt=rebuilt) for name in self._names
        ]

    def listings(self) -> list[Listing]:
        """List named images by name, then those that are nobody's parent and have no name."""
        lines = [line for part in self.parts for line in part.listings()]
        return sorted(lines, key=lambda line: (not line.names, line.names))

    def identify(self, name: str) -> str:
        """Return the image ID."""
        return self._holder(name).identify(name)

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe an image by its config and the recorded sizes."""
        return self._holder(name).outline(name, platform)

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return an image: its config proven, its layers measured, their recorded sizes weighed."""
        return self._holder(name).image(name, platform)

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the keys of the image's layers, base first."""
        return self._holder(name).layer_keys(name, platform)

    def layer(self, key: str) -> Layer:
        """Measure one layer, of the first driver that holds it."""
        return self._layers_holder(key).layer(key)

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open a layer's tar."""
        return self._layers_holder(layer.key).open(layer)

    def described(self) -> dict[str, str]:
        """Say which drivers the root was used with."""
        return {"kind": "data root of Docker 1.10 or later", "driver": ", ".join(self._names)}

    def _holder(self, name: str) -> DriverStore:
        """Return the one driver that has an image; raises UnsafeArchive where two have different ones."""
        having = [part for part in self.parts if part.has(name)]
        if len({part.identify(name) for part in having}) > 1:
            both = " and ".join(part.driver.name for part in having)
            advice = f"name the driver: docker-root+{having[0].driver.name}:PATH"
            raise UnsafeArchive(self.place, f"has {name} twice, as different images of {both}", advice)
        if having:
            return having[0]
        close = ", ".join(near(name, [stored for part in self.parts for stored in part.names()]))
        advice = f"near it: {close}" if close else f"run: lading ls {self.place}"
        raise NotFound(f"image {name}", f"is not in {self.place}", advice)

    def _layers_holder(self, key: str) -> DriverStore:
        return next((part for part in self.parts if part.holds(key)), self.parts[0])

    def _found(self, path: Path) -> list[str]:
        """Name the drivers with images here that we read; raises where there is none."""
        found = [
            name for name in self._files.names("image") if self._files.has_folder(f"image/{name}/imagedb")
        ]
        known = [name for name in found if name in DRIVERS]
        if not known:
            raise _no_root(path, self._files, found)
        return known


def _no_root(path: Path, files: FolderFiles, drivers: list[str]) -> ToolkitError:
    """Say what a folder is that is no data root we read."""
    advice = "give the data root of a Docker 1.10 or later, as /var/lib/docker"
    if drivers:
        known = ", ".join(DRIVERS)
        return Unsupported(
            str(path), f"has images of the driver {drivers[0][:50]!r}, expected one of {known}"
        )
    if files.has_folder("graph"):
        return Unsupported(str(path), "is the data root of a Docker 0.7 to 1.9", f"read it as graph:{path}")
    if not path.is_dir():
        return NotFound(str(path), "is not there", advice)
    return NotFound(str(path), "has no folder image/DRIVER/imagedb", advice)
