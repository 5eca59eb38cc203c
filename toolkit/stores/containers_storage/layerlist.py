"""`<driver>-layers`: layers under IDs of their own, each naming the one below (formats C.2).

An ID is no chainID, so chains are followed, never computed. Container layers stand among those of images,
and have no digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from toolkit.ancestry import Layersize
from toolkit.digest import Digest
from toolkit.document import Node
from toolkit.errors import (
    CorruptContent,
    InvalidDocument,
    Mismatch,
    MissingMember,
    ToolkitError,
)
from toolkit.limits import limits, more_than
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.containers_storage.documents import Listed, RecordList
from toolkit.stores.trees.stored import OVERLAY, TAR, WHOLE, StoredLayer

KEYS = ("id", "parent", "diff-digest", "diff-size", "toc-digest", "flags")
LISTS = ("layers.json", "volatile-layers.json")  # the second in newer versions


@dataclass(frozen=True, slots=True)
class Driver:
    """One graph driver: a layer's folder with {id}, and what lies there."""

    name: str
    folder: str  # below the root
    form: str


DRIVERS = {
    driver.name: driver
    for driver in (
        Driver("overlay", "overlay/{id}/diff", OVERLAY),
        Driver("vfs", "vfs/dir/{id}", WHOLE),
    )
}


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """What is recorded of one layer."""

    id: str
    parent: str  # empty for a base layer
    diff_id: Digest | None  # None for one that was pulled in parts, and for that of a container
    size: int | None  # bytes of its tar
    incomplete: bool = False
    in_parts: bool = False

    @classmethod
    def from_node(cls, node: Node) -> LayerRecord:
        """Read a record; raises InvalidDocument or UnsafeArchive."""
        node.only_as_written(KEYS)
        digest = node.optional("diff-digest", str)
        size = node.optional("diff-size", int)
        flags = node.child("flags").value if node.value.get("flags") else {}
        return cls(
            node.get("id", str),
            node.optional("parent", str) or "",
            node.parsed("diff-digest", Digest.parse) if digest else None,
            size if size is not None and size >= 0 else None,  # -1: nobody knows
            bool(flags.get("incomplete")),
            bool(node.optional("toc-digest", str)),
        )


class LayerList:
    """The layers of one driver. Read-only; nothing in it is believed before it was compared."""

    def __init__(self, files: FolderFiles, driver: Driver) -> None:
        self._driver = driver
        self._folder = f"{driver.name}-layers"
        self._lists = [RecordList(files, f"{self._folder}/{name}", KEYS) for name in LISTS]

    def stack(self, top: str, diff_ids: Sequence[Digest], image: str) -> list[StoredLayer]:
        """Return the layers of an image, base first; raises where one is not there, or is another."""
        chain = self.chain(top) if top else []
        if len(chain) != len(diff_ids):
            raise CorruptContent(image, f"has {len(chain)} layers and {len(diff_ids)} diffIDs")
        stored: list[StoredLayer] = []
        for record, diff_id in zip(chain, diff_ids, strict=True):
            stored.append(self._stored(record, diff_id, stored[-1] if stored else None))
        return stored

    def chain(self, top: str) -> list[LayerRecord]:
        """Return the records up to a layer, base first; raises where a parent is not there, or a child."""
        lists = [records.read() for records in self._lists]
        chain: dict[str, LayerRecord] = {}
        below = top
        while below:
            if below in chain:
                raise InvalidDocument(f"layer {below}", "is its own ancestor")
            if len(chain) == (limit := limits().layers):
                raise more_than(f"layer {top}", "has more than {} layers below", limit)
            chain[below] = self._record(below, lists)
            below = chain[below].parent
        return list(chain.values())[::-1]

    def top_of(self, diff_ids: Sequence[Digest]) -> str:
        """Return the ID of the layer that these diffIDs lead to, base first; empty where there is none."""
        for record in self._records():
            if diff_ids and record.diff_id == diff_ids[-1]:
                with suppress(ToolkitError):
                    if [each.diff_id for each in self.chain(record.id)] == list(diff_ids):
                        return record.id
        return ""

    def with_diff_id(self, diff_id: Digest) -> StoredLayer | None:
        """Return the first layer of this diffID that can be read; None where there is none."""
        for record in self._records():
            if record.diff_id != diff_id:
                continue
            with suppress(ToolkitError):
                if found := self.stored(record.id):
                    return found
        return None

    def stored(self, id_: str) -> StoredLayer | None:
        """Return a layer by its own ID; None where it has no digest. Raises as `chain`."""
        chain = self.chain(id_)
        diff_ids = [record.diff_id for record in chain if record.diff_id]
        return self.stack(id_, diff_ids, f"layer {id_}")[-1] if len(diff_ids) == len(chain) else None

    def _record(self, id_: str, lists: Sequence[Listed]) -> LayerRecord:
        found = next(filter(None, (records.one(id_, "layer") for records in lists)), None)
        if found is None:
            problem = f"its record in {self._lists[0].subject} is not there"
            raise MissingMember(f"layer {id_}", problem, "its images cannot be exported")
        return LayerRecord.from_node(found)

    def _records(self) -> Iterator[LayerRecord]:
        for records in self._lists:
            for nodes in records.read().by_id.values():
                for node in nodes:
                    try:
                        yield LayerRecord.from_node(node)
                    except ToolkitError:
                        continue

    def _stored(self, record: LayerRecord, diff_id: Digest, below: StoredLayer | None) -> StoredLayer:
        subject = f"layer {diff_id}"
        if record.diff_id not in {None, diff_id}:
            where = f"{subject}: layer {record.id} in {self._lists[0].subject}"
            raise Mismatch(where, "diff-digest", "", record.diff_id, diff_id)
        if record.incomplete:
            problem = f"{record.id} is marked as incomplete: podman did not finish it"
            raise CorruptContent(subject, problem, "pull or build its image again")
        return StoredLayer(
            record.id,
            diff_id,
            self._driver.folder.format(id=record.id),
            self._driver.form,
            f"{self._folder}/{record.id}.tar-split.gz",
            below.tree if below else "",
            Layersize(None if record.size is None else str(record.size), self._driver.name),
            TAR,
            in_parts=record.in_parts,
        )
