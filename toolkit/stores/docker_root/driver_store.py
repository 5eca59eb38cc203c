"""The images that one graph driver of a data root holds, by `image/<driver>`; a Source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from toolkit.configured import ConfiguredImage
from toolkit.digest import Digest, chain_ids
from toolkit.errors import CorruptContent, ToolkitError
from toolkit.image import Finding
from toolkit.limits import limits
from toolkit.model import Config
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.docker_root.distribution import Distribution
from toolkit.stores.docker_root.drivers import Driver
from toolkit.stores.docker_root.imagedb import ImageDb
from toolkit.stores.docker_root.layerdb import LayerDb
from toolkit.stores.trees.source import TreeSource
from toolkit.stores.trees.stored import REBUILT_KEY, StoredLayer, StoredLayers

NO_MANIFESTS = "keeps no manifests: those of its images are made here, and so are their digests"


class DriverStore(TreeSource):
    """`image/<driver>` with the trees of that driver."""

    def __init__(
        self, files: FolderFiles, driver: Driver, place: str, *, allow_rebuilt: bool = False
    ) -> None:
        records = DriverRecords(files, driver, place)
        super().__init__(place, driver.name, records, StoredLayers(files, allow_rebuilt=allow_rebuilt))


class DriverRecords:
    """What `image/<driver>` records: configs in imagedb, layers in layerdb; Records."""

    def __init__(self, files: FolderFiles, driver: Driver, place: str) -> None:
        self._images, self._layers, self._place = ImageDb(files, driver.name), LayerDb(files, driver), place
        self._distribution = Distribution(files, driver.name)

    def names(self) -> list[tuple[str, str]]:
        """Return each name with its image's ID."""
        try:
            return self._images.names()
        except CorruptContent:
            return []

    def lost(self) -> CorruptContent | None:
        """Return why the names cannot be read; None where they can, or where there are no images."""
        try:
            missing = None if self._images.names() else self._images.unnamed()
        except CorruptContent as error:
            return error
        return missing if missing and next(self._images.ids(), None) else None

    def ids(self) -> Iterator[str]:
        """Yield the ID of every image."""
        yield from map(str, self._images.ids())

    def has(self, image_id: str) -> bool:
        """Tell whether there is an image of this ID."""
        return self._images.has(image_id)

    def intermediate(self) -> set[str]:
        """Return the IDs of parents; where names are lost, one of them may have had one."""
        return set() if self.lost() else set(map(str, self._images.parents()))

    def lists(self) -> set[str]:
        """Return nothing: Docker keeps no list of manifests in a data root."""
        return set()

    def manifest(self, image_id: Digest) -> str:  # noqa: ARG002 - one shape for all
        """Return nothing: Docker keeps no manifest in a data root."""
        return ""

    def config(self, image_id: Digest) -> Config:
        """Return a config; raises MissingMember, or Mismatch where its bytes were changed."""
        return self._images.config(image_id)

    def stack(self, image_id: Digest, config: Config) -> list[StoredLayer]:  # noqa: ARG002 - one shape for all
        """Return the layers of an image, base first; raises where one is not there, or is another."""
        return self._layers.stack(config.diff_ids)

    def sizes(self, image_id: Digest, config: Config) -> list[int | None]:  # noqa: ARG002
        """Return each layer's recorded size, in bytes, base first."""
        return self._layers.sizes(config.diff_ids)

    def layer(self, key: str) -> StoredLayer | None:
        """Return where a layer lies, by the images that have it; None where none has, raises as `stack`."""
        failed: ToolkitError | None = None
        for chain in self._chains(key):
            try:
                return self._layers.stack(chain)[-1]
            except ToolkitError as error:
                failed = error
        if failed:
            raise failed
        return None

    def kept(self, image_id: Digest, image: ConfiguredImage) -> None:
        """Return nothing: Docker keeps no manifest in a data root."""

    def notes(self, image_id: Digest, config: Config) -> list[Finding]:
        """Say it of all images at once; of one that was pulled, by which digest, and what records it lost."""
        called = [name for name, known in self.names() if known == str(image_id)]
        pulled = self._distribution.findings(image_id, called, config.diff_ids)
        gaps = self._layers.gaps(config.diff_ids)
        return [*gaps, *pulled, Finding(self._place, NO_MANIFESTS, "note", check="manifest")]

    def _chains(self, key: str) -> Iterator[Sequence[Digest]]:
        """Yield the diffIDs that lead to a layer, base first, as the proven configs have them."""
        seen = set()
        for diff_ids in self._stacks():
            for count, (chain_id, diff_id) in enumerate(zip(chain_ids(diff_ids), diff_ids, strict=True), 1):
                if key in {str(diff_id), f"{REBUILT_KEY}{chain_id.hex}"} and chain_id not in seen:
                    seen.add(chain_id)
                    yield diff_ids[:count]

    def _stacks(self) -> Iterator[Sequence[Digest]]:
        for image_id in self._images.ids():
            with suppress(ToolkitError):
                yield self._images.config(image_id).diff_ids[: limits().layers]  # none lies higher
