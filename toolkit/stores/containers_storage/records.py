"""What a podman, buildah or CRI-O records of one graph driver's images; Records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate

from toolkit.bundles.modern import ModernImage, blob_name, gather
from toolkit.configured import ConfiguredImage
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, InvalidDigest, ToolkitError
from toolkit.image import Finding
from toolkit.model import Config
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.containers_storage.imagelist import ImageList
from toolkit.stores.containers_storage.layerlist import Driver, LayerList
from toolkit.stores.trees.stored import REBUILT_KEY, StoredLayer

COPY = "has a damaged manifest, which is taken of the copy that podman keeps of it"
MADE = "so its manifest is made here, and so is its digest"


class StorageRecords:
    """`<driver>-images` and `<driver>-layers`."""

    def __init__(self, files: FolderFiles, driver: Driver) -> None:
        self._images, self._layers = ImageList(files, driver.name), LayerList(files, driver)

    def names(self) -> list[tuple[str, str]]:
        """Return each name with its image's ID."""
        return self._images.names()

    def lost(self) -> CorruptContent | None:
        """Return why the list of images, which has their names, cannot be read; None where it can."""
        return self._images.lost()

    def ids(self) -> Iterator[str]:
        """Yield the ID of every image."""
        return self._images.ids()

    def has(self, image_id: str) -> bool:
        """Tell whether there is an image of this ID."""
        return self._images.has(image_id)

    def intermediate(self) -> set[str]:
        """Return the images without a name that another one was built on, as podman finds them.

        Its history and layers begin with theirs, and go on (libimage, layer_tree.go). There may be thousands,
        so each config is read twice at most, and none is kept or held against another.
        """
        named = {image_id for _, image_id in self._images.names()}
        whole: dict[int, list[str]] = {}
        for image_id in self._images.ids():
            if image_id not in named and (steps := self._steps(image_id)):
                whole.setdefault(steps[-1], []).append(image_id)
        built = (self._steps(image_id)[:-1] for image_id in (self._images.ids() if whole else ()))
        return {image_id for steps in built for step in steps for image_id in whole.get(step, ())}

    def lists(self) -> set[str]:
        """Return the IDs of lists of manifests, which are no images."""
        return {image_id for image_id in self._images.ids() if self._is_list(image_id)}

    def manifest(self, image_id: Digest) -> str:
        """Return the digest of the manifest that an image was pulled or built as."""
        with suppress(ToolkitError):
            if manifest := self._images.manifest(self._images.record(image_id)):
                return str(manifest.descriptor.digest)
        return ""

    def config(self, image_id: Digest) -> Config:
        """Return a config; raises NotFound, CorruptContent or Unsupported."""
        return self._images.config(self._images.record(image_id))

    def stack(self, image_id: Digest, config: Config) -> list[StoredLayer]:
        """Return the layers of an image, base first; raises where one is not there, or is another."""
        top = self._images.record(image_id).layer
        if top is None:
            top = self._layers.top_of(config.diff_ids)
        return self._layers.stack(top, config.diff_ids, f"image {image_id}")

    def sizes(self, image_id: Digest, config: Config) -> list[int | None]:
        """Return the size of each layer's tar as recorded, in bytes, base first."""
        return [stored.size.value for stored in self.stack(image_id, config)]

    def layer(self, key: str) -> StoredLayer | None:
        """Return where a layer lies; None where there is none."""
        if key.startswith(REBUILT_KEY):
            id_ = key.removeprefix(REBUILT_KEY)
            return self._of_an_image(lambda stored: stored.id == id_)
        try:
            diff_id = Digest.parse(key)
        except InvalidDigest:
            return None
        return self._layers.with_diff_id(diff_id) or self._of_an_image(
            lambda stored: stored.diff_id == diff_id
        )

    def kept(self, image_id: Digest, image: ConfiguredImage) -> ModernImage | None:
        """Return the image with its own manifest where that lists the layers as they are: not compressed."""
        manifest = self._images.manifest(self._images.record(image_id))
        if not manifest or not manifest.is_image:
            return None
        if tuple(layer.digest for layer in manifest.layers) != image.config.diff_ids:
            return None
        documents = {manifest.descriptor.digest: manifest.raw, manifest.config.digest: image.config.raw}
        sizes = {layer.diff_id: layer.size for layer in image.stack if layer.diff_id}
        found = gather(Regenerated(documents, sizes), image.names, manifest.descriptor)
        return replace(found, findings=(*image.findings, *found.findings, *self._damage(image_id)))

    def notes(self, image_id: Digest, config: Config) -> list[Finding]:  # noqa: ARG002 - one shape for all
        """Say by which manifest an image was pulled, whose digest is in its name elsewhere."""
        manifest = self._images.manifest(self._images.record(image_id))
        problem = f"has no manifest here, {MADE}"
        if manifest:
            came = manifest.descriptor.digest
            problem = f"has the manifest {came}, whose layers are not kept as it lists them, {MADE}"
        note = Finding(f"image {image_id}", problem, "note", check="manifest")
        return [note, *self._damage(image_id)]

    def _damage(self, image_id: Digest) -> list[Finding]:
        """Say of an image that podman cannot read it, though its manifest is here once more."""
        error = self._images.damage(self._images.record(image_id))
        problem = f"{COPY}: {error}"
        return [Finding(f"image {image_id}", problem, check="manifest")] if error else []

    def _is_list(self, image_id: str) -> bool:
        try:
            return self._images.record(Digest.parse(image_id)).is_list
        except ToolkitError:  # of which its line tells
            return False

    def _steps(self, image_id: str) -> list[int]:
        """Return a hash of what was built by each step of an image's history: of all steps until then.

        There is none where the config cannot be read, or has another number of layers than its history. The
        hashes are Python's keyed ones, as of NameSet.
        """
        try:
            config = self.config(Digest.parse(image_id))
        except ToolkitError:
            return []
        if sum(not item.empty_layer for item in config.history) != len(config.diff_ids):
            return []
        layers = iter(config.diff_ids)
        steps = ((item, None if item.empty_layer else next(layers)) for item in config.history)
        return list(accumulate(map(hash, steps), lambda *hashes: hash(hashes)))

    def _of_an_image(self, fits: Callable[[StoredLayer], bool]) -> StoredLayer | None:
        """Return the first layer of an image that fits: the diffIDs of some stand in its config alone."""
        for image_id in self._images.ids():
            try:
                found = Digest.parse(image_id)
                stack = self.stack(found, self.config(found))
            except ToolkitError:
                continue
            if layer := next(filter(fits, stack), None):
                return layer
        return None


@dataclass(frozen=True, slots=True)
class Regenerated:
    """The documents of an image, and its layers as they will be put together; Documents."""

    documents: Mapping[Digest, bytes] = field(repr=False)
    layers: Mapping[Digest, int]  # diffID → bytes of the tar

    def read(self, name: str, limit: int) -> bytes | None:  # noqa: ARG002 - they were bounded when they were read
        """Return a document by its name in a layout."""
        return next((raw for digest, raw in self.documents.items() if blob_name(digest) == name), None)

    def size(self, digest: Digest) -> int | None:
        """Return how many bytes lie under the digest; None where there is no such blob."""
        raw = self.documents.get(digest)
        return self.layers.get(digest) if raw is None else len(raw)
