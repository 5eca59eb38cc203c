"""Bundles that are, or hold, an OCI layout: `universal`, `docker` of 25 and later, `oci`, all read here."""

from __future__ import annotations

from dataclasses import replace

from toolkit.bundles.agreement import Told, refuse_two_images
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import DockerPart
from toolkit.bundles.modern import ModernImage, gather
from toolkit.bundles.ocilayout import Entry, OciImages
from toolkit.errors import MissingMember, Unsupported
from toolkit.image import Finding
from toolkit.platform import Platform

DOCKER, OCI = "docker", "oci"


class OciBundle(OciImages):
    """An archive with a layout in it. `prefer` says whom to believe where its parts disagree.

    Nothing is told of the archive before its parts were compared: once, and from metadata alone.
    """

    def __init__(self, archive: Archive, prefer: str = "") -> None:
        self._archive, self._prefer = archive, prefer
        super().__init__(DockerPart(archive) if prefer == DOCKER else archive, archive.place)
        self._noted: tuple[Finding, ...] | None = () if prefer else None

    def entries(self) -> list[Entry]:
        """Return what the archive lists; raises UnsafeArchive where its parts disagree."""
        entries = super().entries()
        if not entries and self._noted is None:  # Docker 25 saved an image without a name
            self.blobs = DockerPart(self._archive)
            entries = super().entries()
        if self._noted is None:
            self._noted = refuse_two_images(self._archive, [self._told(entry) for entry in entries])
        return entries

    def image(self, name: str, platform: Platform | None = None) -> ModernImage:
        """Return an image, with what is odd about the archive."""
        image = super().image(name, platform)
        return replace(image, findings=(*image.findings, *(self._noted or ()), *self._archive.findings))

    @property
    def format(self) -> str:
        """Return the name of the bundle's format."""
        return self._archive.format

    def close(self) -> None:
        """Let the file go."""
        self._archive.close()

    def _told(self, entry: Entry) -> Told:
        try:
            return Told.of(gather(self.blobs, entry.names, entry.top))
        except (MissingMember, Unsupported):
            return Told(entry.names, ())  # refused when it is asked for; the other parts must not have it
