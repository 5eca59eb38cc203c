"""The JSON lists that containers/storage keeps its records in, and the files beside them (formats C.2).

A record that is odd spoils the images that need it and no other.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.digest import is_v1_id
from toolkit.document import Node, fold, load_any
from toolkit.errors import InvalidDocument, StoreError, UnsafeArchive, Unsupported
from toolkit.image import Layer
from toolkit.limits import above, limits
from toolkit.plumbing.files import Stamp, read_handle, storing
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.plumbing.tree import Tree
from toolkit.ports import Content
from toolkit.stores.trees.stored import Examined, StoredLayer, StoredLayers

LIST_VALUES = 500_000  # in images.json or layers.json; some 20,000 layers
COMPOSEFS = "composefs-data"  # the folder beside `diff`, which then holds files by their digests
RIGHTS = "run it within podman unshare, or as root"


@contextmanager
def asking_for_rights(folder: Path) -> Iterator[None]:
    """Say how to get at a store below `folder` whose files are other users', as those of a rootless one."""
    try:
        yield
    except StoreError as error:
        cause, within = error.__cause__, f"{error.subject}/".startswith(f"{folder}/")
        if not isinstance(cause, PermissionError) or not within:
            raise
        raise StoreError(error.subject, error.problem, RIGHTS) from cause


class StorageFiles(FolderFiles):
    """The files of one store."""

    def handle(self, name: str) -> int | None:
        """Open a regular file for reading, None where there is none; the caller closes it."""
        with asking_for_rights(self.folder):
            return super().handle(name)

    def has_folder(self, name: str) -> bool:
        """Tell whether there is a folder; raises UnsafeArchive where something else has its name."""
        with asking_for_rights(self.folder):
            return super().has_folder(name)

    def tree(self, name: str) -> Tree:
        """Open a folder, which the caller closes; raises MissingMember where it is not there."""
        with asking_for_rights(self.folder):
            return super().tree(name)


class StorageTrees(StoredLayers):
    """The layers of one store."""

    def __init__(self, files: FolderFiles, *, allow_rebuilt: bool = False) -> None:
        super().__init__(files, allow_rebuilt=allow_rebuilt)
        self._storage = files

    def examine(self, stored: StoredLayer) -> Examined:
        """Measure a layer; raises as StoredLayers, and Unsupported for one that composefs keeps."""
        with asking_for_rights(self._storage.folder):
            if self._storage.has_folder(f"{stored.tree.rpartition('/')[0]}/{COMPOSEFS}"):
                raise Unsupported(stored.subject, "is kept by composefs, as objects and not as a tree")
            return super().examine(stored)

    @contextmanager
    def open(self, stored: StoredLayer, layer: Layer) -> Iterator[Content]:
        """Open the layer's tar, of the size that was measured."""
        with asking_for_rights(self._storage.folder), super().open(stored, layer) as content:
            yield content


@dataclass(frozen=True, slots=True)
class Listed:
    """The records of one list at one time, by their IDs, whatever those are; an ID may come twice."""

    subject: str
    by_id: Mapping[str, list[Node]]

    def one(self, id_: str, what: str) -> Node | None:
        """Return the record of an ID, None where there is none; raises UnsafeArchive for what is no ID."""
        if not is_v1_id(id_):
            raise UnsafeArchive(
                self.subject, f"names the {what} {id_[:100]!r}, expected 64 lower-case hex digits"
            )
        found = self.by_id.get(id_, [])
        if len(found) > 1:
            raise UnsafeArchive(self.subject, f"has the {what} {id_} {len(found)} times, expected once")
        return found[0] if found else None


class RecordList:
    """One JSON list of objects that have an `id`, read again when the file was changed."""

    def __init__(self, files: FolderFiles, name: str, keys: Collection[str]) -> None:
        self.subject = str(files.folder / name)
        self._files, self._name, self._keys = files, name, frozenset(keys)
        self._last: tuple[Stamp | None, Listed] = None, Listed(self.subject, {})

    def read(self) -> Listed:
        """Return the records in the list's order, of each the keys that were asked for.

        Raises InvalidDocument or UnsafeArchive.
        """
        if (handle := self._files.handle(self._name)) is None:
            return Listed(self.subject, {})
        try:
            stamp, last = Stamp.of(handle), self._last
            if stamp is None or stamp != last[0]:
                last = self._last = stamp, Listed(self.subject, self._parsed(handle))
            return last[1]
        finally:
            os.close(handle)

    def _parsed(self, handle: int) -> dict[str, list[Node]]:
        if (size := os.fstat(handle).st_size) > (limit := limits().names):
            raise above(self.subject, f"is {size} bytes", limit)
        with storing(self.subject):
            raw = read_handle(handle, self.subject, limit)
        records = load_any(raw, self.subject, limit, LIST_VALUES)
        if records is not None and not isinstance(records, list):  # null is how Go writes an empty list
            raise InvalidDocument(self.subject, "is no JSON list, expected one of records")
        found: dict[str, list[Node]] = {}
        for number, record in enumerate(records or []):
            if isinstance(record, dict) and isinstance(id_ := record.get("id"), str):
                kept = {key: value for key, value in record.items() if fold(key) in self._keys}
                found.setdefault(id_, []).append(Node(kept, self.subject, f"[{number}]."))
        return found
