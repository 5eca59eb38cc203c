"""A Docker 0.7-1.9 root folder: where things lie, read without following a link (formats A.1, A.2)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from toolkit.ancestry import CHAIN_BYTES, CHAIN_VALUES, Layersize, V1Layer
from toolkit.digest import is_v1_id
from toolkit.document import Allowance, load
from toolkit.errors import (
    CorruptContent,
    InvalidDocument,
    MissingMember,
    ToolkitError,
    UnsafeArchive,
    Unsupported,
)
from toolkit.limits import limits, more_than
from toolkit.plumbing.files import Stamp, storing
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.kinds import no_store
from toolkit.stores.nameindex import NameIndex
from toolkit.stores.trees.sizes import recorded

NAMES_VALUES = 500_000  # in repositories-<driver>
LAYERS = 100_000  # of a root
REPOSITORIES = re.compile(r"repositories-([a-z0-9]{1,32})")


class GraphRoot:
    """The metadata of a legacy root: `repositories-<driver>` and `graph/<id>/`."""

    def __init__(self, path: Path) -> None:
        self.path, self.files = path, FolderFiles(path)
        self._read: dict[str, tuple[Stamp, NameIndex]] = {}  # driver → its names as they were
        with storing(path):
            is_root = (path / "graph").is_dir()
        if not is_root:
            raise _no_root(path)

    def drivers(self) -> list[str]:
        """Name the drivers that recorded names here."""
        with storing(self.path):
            found = (REPOSITORIES.fullmatch(name) for name in sorted(os.listdir(self.path)))
        return [match[1] for match in found if match]

    def names(self, driver: str) -> NameIndex:
        """Return each name (`ubuntu:14.04`, `ubuntu@sha256:…`) with the layer ID it stands for.

        Names are kept as the store has them; an ID is text until somebody follows it. There are none where
        the file is damaged, which `lost` tells. Raises UnsafeArchive, which is no damage.
        """
        try:
            return self._names(driver)
        except InvalidDocument:
            return NameIndex(())

    def lost(self, driver: str) -> CorruptContent | None:
        """Return why a driver has no names: its file is damaged, or not there; None where it is whole."""
        where = f"repositories-{driver}"
        try:
            self._names(driver)
        except InvalidDocument as error:
            return error
        is_there = self.files.size(where) is not None
        return None if is_there else MissingMember(f"{self.path}/{where}", "is not there")

    def _names(self, driver: str) -> NameIndex:
        """Read the names, again when the file was changed; raises InvalidDocument or UnsafeArchive."""
        if (stamp := self.files.stamp(f"repositories-{driver}")) is None:
            return NameIndex(())
        if driver not in self._read or self._read[driver][0] != stamp:
            self._read[driver] = stamp, NameIndex(list(self._read_names(driver).items()))
        return self._read[driver][1]

    def _read_names(self, driver: str) -> dict[str, str]:
        limit = limits().names
        raw = self.files.read(f"repositories-{driver}", limit)
        if raw is None:
            return {}
        top = load(raw, f"{self.path}/repositories-{driver}", limit, NAMES_VALUES)
        names: dict[str, str] = {}
        repositories = top.child("Repositories") if top.value.get("Repositories") else None
        for repository in sorted(repositories.value if repositories else {}):
            tags = repositories.text_map(repository) if repositories else {}
            for tag, layer_id in sorted(tags.items()):
                names[f"{repository}{'@' if ':' in tag else ':'}{tag}"] = layer_id
        return names

    def layer_ids(self) -> Iterator[str]:
        """Yield the ID of every layer, other names are none; raises UnsafeArchive where they are too many."""
        names = [name for name in self.files.names("graph") if is_v1_id(name)]
        if len(names) > LAYERS:
            problem = f"holds {len(names)} layers, expected at most {LAYERS}"
            raise UnsafeArchive(f"{self.path}/graph", problem)
        yield from names

    def layer(self, layer_id: str) -> V1Layer:
        """Read one layer's metadata; raises MissingMember, UnsafeArchive, or InvalidDocument if damaged."""
        if not is_v1_id(layer_id):
            raise UnsafeArchive(
                f"layer {layer_id[:64]!r}", "is no layer ID, expected 64 lower-case hex digits"
            )
        raw = self.files.read(f"graph/{layer_id}/json", limits().v1_json)
        if raw is None:
            missing = f"{self.path}/graph/{layer_id}/json is not there"
            raise MissingMember(f"layer {layer_id[:12]}", missing, "its images cannot be exported")
        parent = (self.files.read(f"graph/{layer_id}/parent", limits().text) or b"").decode(
            "ascii", "replace"
        )
        layer = V1Layer.from_bytes(raw, layer_id, parent)
        if layer.id != layer_id:
            problem = f"its json says id {layer.id}, expected the folder's name {layer_id}"
            raise UnsafeArchive(f"layer {layer_id[:12]}", problem)
        return layer

    def layersize(self, layer_id: str, driver: str) -> Layersize:
        """Read the recorded size as it stands."""
        return recorded(self.files, f"graph/{layer_id}/layersize", driver)

    def checksum(self, layer_id: str) -> str:
        """Read what is recorded of a layer's bytes as it stands; empty where there is nothing."""
        raw = self.files.read(f"graph/{layer_id}/checksum", limits().text)
        return (raw or b"").decode("ascii", "backslashreplace")

    def has_files(self, layer_id: str, driver: str) -> bool:
        """Tell whether any size but 0 is recorded of a layer or one below; what is not recorded is not 0."""
        return any(self.layersize(layer.id, driver).value != 0 for layer in self.chain(layer_id))

    def chain(self, top: str) -> list[V1Layer]:
        """Return the layers of an image, base first; raises where a parent is missing or a cycle."""
        chain: list[V1Layer] = []
        seen: set[str] = set()
        layer_id, allowance = top, Allowance(f"image {top[:12]}", CHAIN_BYTES, CHAIN_VALUES)
        while layer_id or not chain:  # a name may stand for an empty ID, which is none
            if layer_id in seen:
                raise UnsafeArchive(f"layer {layer_id[:12]}", "is its own ancestor: the parents form a cycle")
            if len(chain) >= (limit := limits().layers):
                raise more_than(f"layer {top[:12]}", "has more than {} ancestors", limit)
            seen.add(layer_id)
            layer = self.layer(layer_id)
            allowance.take(layer.raw)
            chain.append(layer)
            layer_id = layer.parent
        return chain[::-1]

    def tar_data(self, layer_id: str) -> int | None:
        """Open the layer's tar-split file; None where the layer has none. The caller closes it."""
        return self.files.handle(f"graph/{layer_id}/tar-data.json.gz")


def _no_root(path: Path) -> ToolkitError:
    if (path / "image").is_dir():
        return Unsupported(
            str(path), "is the data root of a Docker 1.10 or later", f"read it as docker-root:{path}"
        )
    if (path / "overlay-images").is_dir() or (path / "vfs-images").is_dir():
        return Unsupported(
            str(path), "is a store of podman or buildah", f"read it as containers-storage:{path}"
        )
    return no_store("graph", f"graph:{path}", path)
