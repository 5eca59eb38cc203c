"""A store that was used with several graph drivers, each with images of its own; a Source.

What is damaged of one driver costs the images of the others nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from toolkit.checks import as_finding
from toolkit.errors import UnsafeArchive
from toolkit.image import Finding, Layer, SourceImage
from toolkit.outline import Listing, Outline
from toolkit.platform import Platform
from toolkit.ports import Content
from toolkit.stores.trees.source import TreeSource, not_found


class Drivers:
    """The images of every driver of `place`, at least one; one whose name means two images is refused."""

    kind = ""  # what such a store is, in words

    def __init__(self, place: str, parts: Sequence[TreeSource]) -> None:
        self.place, self.parts = place, parts

    def listings(self) -> list[Listing]:
        """List named images by name, then those without a name that no other one is built on."""
        # What two drivers have alike is one image: it is read of the first.
        parts = self._readable()
        lines = {(line.names, line.id): line for part in reversed(parts) for line in part.listings()}
        return sorted(lines.values(), key=lambda line: (not line.names, line.names))

    def identify(self, name: str) -> str:
        """Return the image ID."""
        return self._holder(name).identify(name)

    def ids(self) -> Iterator[str]:
        """Yield the ID of every image, also of those that are not listed."""
        return (image_id for part in self._readable() for image_id in part.ids())

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
        """Say which drivers the store was used with."""
        return {"kind": self.kind, "driver": ", ".join(self.driver_names())}

    def driver_names(self) -> list[str]:
        """Name the drivers."""
        return [part.driver_name for part in self.parts]

    def remarks(self) -> list[Finding]:
        """Return what the drivers have to say, and why one of them cannot be read."""
        damages = [damage for part in self.parts if (damage := part.damage())]
        unread = [replace(as_finding(damage), severity="warning") for damage in damages]
        return unread + [finding for part in self._readable() for finding in part.remarks()]

    def _holder(self, name: str) -> TreeSource:
        """Return the one driver that has an image; raises UnsafeArchive where two have different ones."""
        parts = self._readable()
        having = [part for part in parts if part.has(name)]
        if len({part.identify(name) for part in having}) > 1:
            both = " and ".join(part.driver_name for part in having)
            scheme = self.place.partition(":")[0].partition("+")[0]
            advice = f"name the driver: {scheme}+{having[0].driver_name}:PATH"
            raise UnsafeArchive(self.place, f"has {name} twice, as different images of {both}", advice)
        if having:
            return having[0]
        for part in self.parts:
            if damage := part.damage():  # it may be there
                raise damage
        raise not_found(name, self.place, [stored for part in parts for stored in part.names()])

    def _readable(self) -> list[TreeSource]:
        """Return the drivers whose lists of images can be read; raises where none can."""
        damages = [part.damage() for part in self.parts]
        if all(damages) and damages[0]:
            raise damages[0]
        return [part for part, damage in zip(self.parts, damages, strict=True) if not damage]

    def _layers_holder(self, key: str) -> TreeSource:
        """Return the driver of an image that was read, whose layer this is; else the first that has it."""
        having = [part for part in self.parts if part.has_read(key)] or self.parts
        return next((part for part in having if part.holds(key)), self.parts[0])
