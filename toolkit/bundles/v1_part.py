"""The v1 part of an archive: a folder for each layer, and the names (formats A.10, A.11).

    <id>/VERSION  <id>/json  <id>/layer.tar
    repositories                               {"<name>":{"<tag>":"<id>"}}

VERSION and `repositories` may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from toolkit.ancestry import CHAIN_BYTES, CHAIN_VALUES, VERSION, V1Layer
from toolkit.bundles.archive_reader import Archive
from toolkit.document import Allowance, load
from toolkit.errors import InvalidDocument, MissingMember, UnsafeArchive
from toolkit.limits import limits, more_than

REPOSITORIES = "repositories"


class V1Part:
    """Layers by their folders. An old engine takes every folder at the top for an image."""

    def __init__(self, archive: Archive) -> None:
        self.archive, self.place = archive, archive.place

    def folders(self) -> list[str]:
        """Return the folders that hold a layer."""
        return [name for name in self.archive.top_folders() if f"{name}/json" in self.archive]

    def strays(self) -> list[str]:
        """Return the folders at the top that hold none: Docker up to 1.9 refuses to load them."""
        return [name for name in self.archive.top_folders() if f"{name}/json" not in self.archive]

    def layers(self) -> Iterator[tuple[str, V1Layer]]:
        """Yield every folder and its layer."""
        for name in self.folders():
            yield name, self.layer(name)

    def layer(self, folder: str) -> V1Layer:
        """Return the layer of a folder; raises MissingMember, InvalidDocument, or as V1Layer.from_bytes."""
        raw = self.archive.read(f"{folder}/json", limits().v1_json)
        if raw is None:
            raise MissingMember(self.place, f"has no layer {folder[:64]}")
        told = self.archive.read(f"{folder}/VERSION", limits().text)
        if told is not None and told.strip() != VERSION:
            raise InvalidDocument(
                f"{folder[:64]}/VERSION of {self.place}", f"is {told!r}, expected {VERSION!r}"
            )
        return V1Layer.from_bytes(raw, folder)

    def chain(self, layer_id: str, folders: Mapping[str, str] = MappingProxyType({})) -> list[V1Layer]:
        """Return a layer and all below it, base first; `folders` tells those not named after their layer.

        Raises MissingMember or UnsafeArchive.
        """
        chain: list[V1Layer] = []
        seen: set[str] = set()
        allowance = Allowance(f"image {layer_id[:12]}", CHAIN_BYTES, CHAIN_VALUES)
        while layer_id:
            if layer_id in seen:
                raise UnsafeArchive(f"layer {layer_id[:12]}", "is its own ancestor")
            layer = self.layer(folders.get(layer_id, layer_id))
            seen.add(layer_id)
            chain.append(layer)
            allowance.take(layer.raw)
            if len(chain) > (limit := limits().layers):
                raise more_than(f"image {chain[0].id[:12]}", "has more than {} layers", limit)
            layer_id = layer.parent
        return chain[::-1]

    def names(self) -> dict[str, str]:
        """Return name:tag → layer ID, as `repositories` has them; nothing where there is no such file.

        Docker 1.6 to 1.8 wrote a digest where a tag stands (formats A.10): `name@sha256:…`.
        """
        limit = limits().names
        raw = self.archive.read(REPOSITORIES, limit)
        if raw is None:
            return {}
        top = load(raw, f"{REPOSITORIES} of {self.place}", limit)
        return {
            f"{repository}{'@' if ':' in tag else ':'}{tag}": layer_id
            for repository in top.value
            for tag, layer_id in top.text_map(repository).items()
        }
