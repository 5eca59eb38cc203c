"""The blobs of a layout in a folder: those that are there, and those that come out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from toolkit.bundles.ocilayout import INDEX, LAYOUT
from toolkit.errors import NotFound
from toolkit.limits import limits
from toolkit.ports import Block
from toolkit.stores.folder_blobs import FolderBlobs
from toolkit.stores.kinds import no_store
from toolkit.stores.layout_index import EMPTY


class Existing:
    """Blobs of a folder that must be there."""

    def __init__(self, inner: FolderBlobs, path: Path) -> None:
        self._inner, self._path = inner, path
        self.size, self.open = inner.size, inner.open

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a small file; raises NotFound where the folder is not there, or no layout."""
        found = self._inner.read(name, limit)
        if found is None and not self._path.is_dir():
            raise NotFound(f"oci:{self._path}", "is not there")
        if found is None and name == INDEX and self._inner.read(LAYOUT, limits().document) is not None:
            return EMPTY  # the first delivery has not ended yet
        if found is None and name == INDEX:
            raise no_store("oci", f"oci:{self._path}", self._path)
        return found


class Whole:
    """Bytes in memory, as Content."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.size = raw, len(raw)

    def blocks(self) -> Iterator[Block]:
        """Yield them."""
        yield self.raw
