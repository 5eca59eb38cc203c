"""What an engine's store records of its images and layers: the part in which such stores differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from toolkit.configured import ConfiguredImage
from toolkit.digest import Digest
from toolkit.errors import CorruptContent
from toolkit.image import Finding, SourceImage
from toolkit.model import Config
from toolkit.stores.trees.stored import StoredLayer


class Records(Protocol):
    """The records of one graph driver. Read-only; an ID is text until it is used, for it may be anything."""

    def names(self) -> Sequence[tuple[str, str]]:
        """Return each name and the ID of the image it stands for, `sha256:…`; a name may come twice.

        It is the same sequence until the store is changed, so that an index of it can be kept.
        """

    def lost(self) -> CorruptContent | None:
        """Return why there are no names although there are images; None where nothing is wrong."""

    def ids(self) -> Iterable[str]:
        """Yield the ID of every image, named or not."""

    def has(self, image_id: str) -> bool:
        """Tell whether there is an image of this ID, `sha256:…`, without a look at all of them."""

    def intermediate(self) -> set[str]:
        """Return the IDs of images that are not listed unless they have a name: others are built on them."""

    def lists(self) -> set[str]:
        """Return the IDs of lists of manifests, which are no images: theirs are stored each by itself."""

    def manifest(self, image_id: Digest) -> str:
        """Return the digest of the manifest kept of an image; empty where there is none that is whole."""

    def config(self, image_id: Digest) -> Config:
        """Return an image's config, proven; raises NotFound, CorruptContent or Unsupported."""

    def stack(self, image_id: Digest, config: Config) -> list[StoredLayer]:
        """Return the layers of an image, base first, one for each diffID; raises where one is not there."""

    def sizes(self, image_id: Digest, config: Config) -> list[int | None]:
        """Return each layer's recorded size, in bytes, base first."""

    def layer(self, key: str) -> StoredLayer | None:
        """Return where a layer lies by its diffID, or by the key of one made anew; the first that fits."""

    def kept(self, image_id: Digest, image: ConfiguredImage) -> SourceImage | None:
        """Return the image with the manifest that the store keeps of it; None where one has to be made."""

    def notes(self, image_id: Digest, config: Config) -> list[Finding]:
        """Say of an image that its manifest is made here, and what is known of the one it had."""
