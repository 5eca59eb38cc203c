"""`registry-root:` — the storage folder of a v2 registry as a source (formats C.4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from toolkit.bundles import layout_lines
from toolkit.bundles.modern import ModernImage
from toolkit.digest import Digest
from toolkit.errors import InvalidDigest, MissingMember, NotFound
from toolkit.historic import HistoricImage, historic_outline
from toolkit.image import Layer
from toolkit.outline import Listing, Outline
from toolkit.platform import Platform
from toolkit.ports import Content
from toolkit.stores.kinds import TOLD
from toolkit.stores.registry_root.disk import LAYERS, Disk, blob_path
from toolkit.stores.registry_root.finding import find, known, linking
from toolkit.stores.registry_root.listing import listings
from toolkit.stores.registry_root.repository import Repository


class RegistryRoot:
    """A registry on a disk, at rest or running; a Source."""

    def __init__(self, path: Path) -> None:
        self.place = f"registry-root:{path}"
        self._disk = Disk(path, self.place)
        self._last = ""  # the repository of the image last asked for: its layers are asked for next

    def listings(self) -> list[Listing]:
        """List images by their names, then manifests that no tag and no index leads to."""
        return listings(self._disk)

    def described(self) -> dict[str, str]:
        """Say what it is."""
        return {"kind": TOLD["registry-root"][0]}

    def identify(self, name: str) -> str:
        """Return the digest that the name points at; no document is read for a tag."""
        return str(find(self._disk, name).digest)

    def ids(self) -> Iterator[str]:
        """Yield the digest of every manifest and index that a repository gives out, and of its config."""
        return map(str, known(self._disk))

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe an image by its documents."""
        image = self.image(name, platform)
        return historic_outline(image) if isinstance(image, HistoricImage) else layout_lines.outline(image)

    def image(self, name: str, platform: Platform | None = None) -> ModernImage | HistoricImage:
        """Return an image, its documents proven and all its blobs linked; raises as `Repository.image`."""
        found = find(self._disk, name)
        self._last = found.repository
        return Repository(self._disk, found.repository).image(found.names, found.digest, platform)

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the digests of the layers, base first."""
        return tuple(layer.key for layer in self.image(name, platform).layers)

    def layer(self, key: str) -> Layer:
        """Return one blob by its digest, if any repository links it."""
        try:
            digest = Digest.parse(key)
        except InvalidDigest as error:
            raise NotFound(f"layer {key[:150]}", f"is not in {self.place}") from error
        size = self._disk.files.size(blob_path(digest))
        if size is None or not self._is_linked(digest):
            raise NotFound(f"layer {key}", f"is not in {self.place}")
        return Layer(key, size, digest)

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open a blob."""
        if layer.digest is None:
            raise MissingMember(layer.subject, f"has no digest, and is not of {self.place}")
        return self._disk.files.open(blob_path(layer.digest), layer.size)

    def _is_linked(self, digest: Digest) -> bool:
        if self._last and self._disk.links(self._last, LAYERS, digest):
            return True
        return next(linking(self._disk, LAYERS, digest), None) is not None
