"""Which engines load a bundle: by its format, and by what is in it (formats D.1, D.4-D.7, E.1; peers 3a)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from toolkit.bundles.names import merged, tags
from toolkit.bundles.refertags import listed, of_their_own
from toolkit.image import ProvenImage, Referrer
from toolkit.mediatype import MANIFESTS, OCI_INDEX, OCI_MANIFEST
from toolkit.model import Manifest

PODMAN, CONTAINERD, SKOPEO, CRANE = "podman", "containerd", "skopeo", "crane"
FIRST_ZSTD = 23  # Docker reads zstd from here on
LAST_OTHERS = 28  # from 29 on containerd reads for it, and knows neither xz nor bzip2
FIRST_CONFIG = (1, 10)  # Docker with image configs; before it, an image is its layers
TAR = "tar"  # a folder's files in a tar, told as a compression of the whole
OTHERS = frozenset({"xz", "bzip2"})


@dataclass(frozen=True, slots=True)
class Engines:
    """The Dockers, first and last as (major, minor), None where none does; and the other engines."""

    docker: tuple[tuple[int, int], tuple[int, int]] | None
    others: tuple[str, ...] = ()
    layout_only: bool = False  # the others read it as an OCI layout, for there is no manifest.json

    def __str__(self) -> str:
        return ", ".join(self.names()) or "no engine"

    def names(self) -> list[str]:
        """Return each engine's name, Docker's with its versions: `Docker 1.10-29`."""
        if self.docker is None:
            return list(self.others)
        return ["Docker " + "-".join(map(_version, self.docker)), *self.others]

    def of(self, images: Sequence[ProvenImage], outer: str = "") -> Engines:
        """Return those that load these images too, out of a file that is compressed as a whole by `outer`."""
        if outer == TAR:
            return Engines(None)
        compressions = frozenset[str]().union(*(image.compressions for image in images))
        pictures = [image.preferred() for image in of_their_own(images)]
        first, last = self.docker or ((0, 0), (0, 0))
        others: Iterable[str] = self.others
        if "zstd" in compressions:
            first = max(first, (FIRST_ZSTD, 0))
        if compressions & OTHERS:
            last = min(last, (LAST_OTHERS, 0))
            others = [name for name in others if name in {PODMAN, SKOPEO}]
        if outer == "zstd":
            first = max(first, (FIRST_ZSTD, 0))
        if outer:
            others = [name for name in others if name in {PODMAN, SKOPEO}]
        if _names_artifacts(images):
            others = [name for name in others if name != CONTAINERD]
        if self.layout_only:
            others = [name for name in others if name not in _blind(images)]
        if any(picture and not picture.layers for picture in pictures):
            first = max(first, FIRST_CONFIG)
        loads = self.docker and first <= last and all(pictures)
        return Engines((first, last) if loads else None, tuple(others))


def _names_artifacts(images: Sequence[ProvenImage]) -> bool:
    """Tell whether something with a name is no image, as cosign's signatures: ctr fails to unpack it."""
    named = [
        part
        for image in images
        for part in image.parts
        if (part.tags if isinstance(part, Referrer) else tags(part.names) and not part.images())
    ]
    tops = [(part.top.media_type, part.documents[part.top.digest].raw) for part in named]
    return any(kind in MANIFESTS and Manifest.from_bytes(raw, kind).layers for kind, raw in tops)


def _blind(images: Sequence[ProvenImage]) -> frozenset[str]:
    """Name the engines that find nothing in a layout with several entries: containers/image has no default.

    podman load asks by no name; skopeo asks by name, and passes over entries that are not of OCI's own types.
    """
    entries = listed(merged(images))
    if sum(len(names) or 1 for _, names in entries) <= 1:
        return frozenset()
    types = {top.media_type for top, _ in entries}
    return frozenset({PODMAN} if types <= {OCI_MANIFEST, OCI_INDEX} else {PODMAN, SKOPEO})


def _version(version: tuple[int, int]) -> str:
    major, minor = version
    return f"{major}.{minor}" if major in {0, 1} else str(major)
