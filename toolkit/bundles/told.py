"""What the OCI part of an archive tells of its images, as far as its other parts are held against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from toolkit.ancestry import V1Layer
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.modern import blob_name
from toolkit.digest import Digest
from toolkit.errors import ToolkitError
from toolkit.image import FEW, Image
from toolkit.synthesis import own_chain, saved_chain, told_chain, v1_json_for_bundle


@dataclass(frozen=True, slots=True)
class Rung:
    """A v1 layer that a writer may have given an image, and the member that holds it."""

    v1_id: str
    json: Digest
    member: str


@dataclass(frozen=True, slots=True)
class ToldImage:
    """What is compared of an image: little enough to be held of each one in an archive."""

    image_id: Digest
    layers: Digest  # of the names of the members that hold them
    top: Digest | None  # diffID of the top layer
    chains: tuple[tuple[Rung, ...], ...] = ()  # where the archive has v1 folders at all
    own: tuple[tuple[Rung, Digest], ...] = ()  # the layers of the legacy image that it was, and their diffIDs

    @classmethod
    def of(cls, image: Image, archive: Archive, *, with_chains: bool) -> ToldImage:
        """Take an image; raises MissingMember where a layer is not there."""
        members = [archive.index.resolve(blob_name(layer.digest)) for layer in image.manifest.layers]
        ids = image.config.diff_ids
        bare = cls(image.config.image_id, joined(members), ids[-1] if ids else None)
        if not with_chains:
            return bare
        chains = tuple(_rungs(chain, members) for chain in _chains(image))
        own = tuple(zip(chains[0], ids, strict=True)) if own_chain(image) else ()
        return replace(bare, chains=chains, own=own)


@dataclass(frozen=True)
class Told:
    """What one name, or none, stands for in the OCI part."""

    names: tuple[str, ...]
    images: tuple[ToldImage, ...]  # its platforms

    @cached_property
    def ids(self) -> frozenset[Digest]:
        """Return the image IDs."""
        return frozenset(image.image_id for image in self.images)

    @cached_property
    def tops(self) -> frozenset[str]:
        """Return the hex of the top layers' diffIDs."""
        return frozenset(image.top.hex for image in self.images if image.top)

    @cached_property
    def v1_tops(self) -> frozenset[str]:
        """Return the v1 IDs that its top layers may have been given."""
        return frozenset(chain[-1].v1_id for image in self.images for chain in image.chains if chain)

    @cached_property
    def text(self) -> str:
        """Return the image IDs for a message, the first of many and how many more."""
        return listed([str(image.image_id) for image in self.images]) or "no image"


def _chains(image: Image) -> Iterator[list[V1Layer]]:
    """Yield every chain that a writer may have given the image."""
    if own := own_chain(image):
        yield own
        return
    for synthesis in (saved_chain, told_chain):
        try:
            yield synthesis(image)
        except ToolkitError:
            continue  # it cannot be written as v1 layers, so no folder of it is expected


def listed(texts: Sequence[str], separator: str = ", ") -> str:
    """Return the first of several texts, and how many more there are."""
    more = len(texts) - FEW
    return separator.join(texts[:FEW]) + (f" and {more:,} more" if more > 0 else "")


def joined(members: Sequence[str]) -> Digest:
    """Return one digest for the names of members, in their order."""
    return Digest.of("\0".join(members).encode(errors="surrogateescape"))


def _rungs(chain: Sequence[V1Layer], members: Sequence[str]) -> tuple[Rung, ...]:
    return tuple(
        Rung(layer.id, Digest.of(v1_json_for_bundle(layer)), member)
        for layer, member in zip(chain, members, strict=True)
    )
