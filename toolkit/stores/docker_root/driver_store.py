"""The images that one graph driver of a data root holds; a Source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from toolkit.configured import ConfiguredImage
from toolkit.digest import Digest
from toolkit.errors import InvalidDigest, NotFound, ToolkitError
from toolkit.image import Finding, Layer, placeholder
from toolkit.model import Config
from toolkit.outline import Listing, Outline, OutlineLayer, modern_outline
from toolkit.platform import Platform
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.plumbing.parallel import in_parallel
from toolkit.ports import Content
from toolkit.reference import near, same
from toolkit.stores.docker_root.distribution import Distribution
from toolkit.stores.docker_root.drivers import Driver
from toolkit.stores.docker_root.imagedb import ImageDb, parsed_id
from toolkit.stores.docker_root.layerdb import LayerDb
from toolkit.stores.trees.rebuiltimage import RebuiltImage
from toolkit.stores.trees.stored import REBUILT_KEY, Examined, StoredLayer, StoredLayers

NO_MANIFESTS = "keeps no manifests: those of its images are made here, and so are their digests"


class DriverStore:
    """`image/<driver>` with the trees of that driver."""

    def __init__(
        self, files: FolderFiles, driver: Driver, place: str, *, allow_rebuilt: bool = False
    ) -> None:
        self.place, self.driver, self._allow_rebuilt = place, driver, allow_rebuilt
        self._images, self._layers = ImageDb(files, driver.name), LayerDb(files, driver)
        self._distribution = Distribution(files, driver.name)
        self._trees = StoredLayers(files, allow_rebuilt=allow_rebuilt)
        self._stored: dict[str, StoredLayer] = {}  # key of a layer → where it lies

    def listings(self) -> list[Listing]:
        """List named images by name, then those that are nobody's parent and have no name."""
        names: dict[str, list[str]] = {}
        for name, image_id in self._images.names().items():
            names.setdefault(image_id, []).append(name)
        named = [self._listing(tuple(found), key) for key, found in names.items()]
        known = names.keys() | set(map(str, self._images.parents()))
        nameless = [str(image_id) for image_id in self._images.ids() if str(image_id) not in known]
        return sorted(named, key=lambda line: line.names) + [self._listing((), key) for key in nameless]

    def identify(self, name: str) -> str:
        """Return the image ID."""
        return str(self._find(name)[1])

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe an image by its config and the recorded sizes."""
        found, config = self._config(name, platform)
        sizes = self._layers.sizes(config.diff_ids)
        stack = tuple(
            Layer(f"{number}", size or 0, diff_id, diff_id)
            for number, (size, diff_id) in enumerate(zip(sizes, config.diff_ids, strict=True))
        )
        image = ConfiguredImage(found, config, stack)
        (picture,) = image.proven({layer.key: placeholder(layer) for layer in stack}).images()
        told = modern_outline(found, picture)
        return replace(told, layers=tuple(_sized(told.layers, sizes)))

    def image(self, name: str, platform: Platform | None = None) -> ConfiguredImage | RebuiltImage:
        """Return an image: its config proven, its layers measured, their recorded sizes weighed."""
        names, config = self._config(name, platform)
        stored = self._layers.stack(config.diff_ids)
        examined = in_parallel(self._examined, stored, lambda layer: layer.size.value or 0)
        called = [name for name, image_id in self._images.names().items() if image_id == str(config.image_id)]
        findings = [finding for each in examined for finding in each.findings]
        findings += self._distribution.findings(config.image_id, called, config.diff_ids)
        noted = Finding(self.place, NO_MANIFESTS, "note")
        image = ConfiguredImage(
            names, config, tuple(each.layer for each in examined), tuple(dict.fromkeys((*findings, noted)))
        )
        anew = {each.layer.key: each.was for each in examined if each.was}
        return RebuiltImage(image, anew) if anew else image

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the layers' keys, base first; they are read only where some may be made anew."""
        if not self._allow_rebuilt:
            return tuple(dict.fromkeys(map(str, self._config(name, platform)[1].diff_ids)))
        return tuple(layer.key for layer in self.image(name, platform).layers)

    def layer(self, key: str) -> Layer:
        """Measure one layer; raises NotFound."""
        return self._examined(self._where(key)).layer

    @contextmanager
    def open(self, layer: Layer) -> Iterator[Content]:
        """Open a layer's tar."""
        with self._trees.open(self._where(layer.key), layer) as content:
            yield content

    def names(self) -> list[str]:
        """Return every name there is."""
        return list(self._images.names())

    def has(self, name: str) -> bool:
        """Tell whether an image is called so, or has this ID."""
        try:
            self._find(name)
        except NotFound:
            return False
        return True

    def holds(self, key: str) -> bool:
        """Tell whether there is a layer of this key."""
        return key in self._stored or bool(self._chain(key))

    def _examined(self, stored: StoredLayer) -> Examined:
        examined = self._trees.examine(stored)
        self._stored.setdefault(examined.layer.key, stored)
        return examined

    def _where(self, key: str) -> StoredLayer:
        """Return where a layer lies; asked by its diffID alone, the first of that diffID serves."""
        if key in self._stored:
            return self._stored[key]
        chain = self._chain(key)
        if not chain:
            raise NotFound(f"layer {key[:150]}", f"is not in {self.place}")
        return self._layers.stack(chain)[-1]

    def _chain(self, key: str) -> Sequence[Digest]:
        if key.startswith(REBUILT_KEY):
            return self._layers.ancestry(key.removeprefix(REBUILT_KEY))
        try:
            return self._layers.chain_of(Digest.parse(key))
        except InvalidDigest:
            return ()

    def _config(self, name: str, platform: Platform | None) -> tuple[tuple[str, ...], Config]:
        names, image_id = self._find(name)
        config = self._images.config(image_id)
        if platform and not config.platform.matches(platform):
            raise NotFound(f"image {name}", f"is for {config.platform}, expected {platform}")
        return names, config

    def _find(self, name: str) -> tuple[tuple[str, ...], Digest]:
        """Return the name as stored, and its image ID; raises NotFound with near names."""
        names = self._images.names()
        if found := next((stored for stored in names if same(stored, name)), None):
            return (found,), parsed_id(names[found], found)
        for image_id in self._images.ids():
            if str(image_id) == name:
                return (), image_id
        close = ", ".join(near(name, list(names)))
        advice = f"near it: {close}" if close else f"run: lading ls {self.place}"
        raise NotFound(f"image {name}", f"is not in {self.place}", advice)

    def _listing(self, names: tuple[str, ...], image_id: str) -> Listing:
        try:
            config = self._images.config(parsed_id(image_id, names[0] if names else image_id))
            self._layers.stack(config.diff_ids)
        except ToolkitError as error:
            return Listing(names, image_id, problem=str(error))
        size = self._layers.size(config.diff_ids)
        return Listing(names, image_id, config.created, str(config.platform), size)


def _sized(lines: Sequence[OutlineLayer], sizes: Sequence[int | None]) -> Iterator[OutlineLayer]:
    """Give each line that is a layer its recorded size."""
    recorded = iter(sizes)
    for line in lines:
        yield replace(line, size=next(recorded, None)) if line.id else line
