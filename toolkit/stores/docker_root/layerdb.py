"""`image/<driver>/layerdb`: layers under their chainIDs (formats B.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toolkit.ancestry import Layersize
from toolkit.digest import Digest, chain_ids
from toolkit.errors import Mismatch, MissingMember
from toolkit.image import Finding
from toolkit.limits import limits, more_than
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.docker_root.drivers import Driver
from toolkit.stores.trees.sizes import recorded
from toolkit.stores.trees.stored import StoredLayer

SPLIT = "tar-split.json.gz"


class LayerDb:
    """The layers of one driver. Read-only; nothing in it is believed before it was compared.

    A folder's name is a chainID, which proves the diffID and the parent: their records may be lost.
    """

    def __init__(self, files: FolderFiles, driver: Driver) -> None:
        self._files, self.driver = files, driver
        self.folder = f"image/{driver.name}/layerdb/sha256"

    def stack(self, diff_ids: Sequence[Digest]) -> list[StoredLayer]:
        """Return the layers of an image, base first; raises where one is not there, or is another."""
        _must_be_few(len(diff_ids), diff_ids[-1].hex if diff_ids else "")
        stored: list[StoredLayer] = []
        for chain_id, diff_id in zip(chain_ids(diff_ids), diff_ids, strict=True):
            stored.append(self._layer(chain_id, diff_id, stored[-1] if stored else None))
        return stored

    def sizes(self, diff_ids: Sequence[Digest]) -> list[int | None]:
        """Return each layer's recorded size, in bytes, base first."""
        _must_be_few(len(diff_ids), diff_ids[-1].hex if diff_ids else "")
        return [self._recorded(chain_id.hex).value for chain_id in chain_ids(diff_ids)]

    def gaps(self, diff_ids: Sequence[Digest]) -> list[Finding]:
        """Say which records of an image's layers are lost, and proven all the same by their folder's name."""
        chain = chain_ids(diff_ids)
        layers = zip(chain, diff_ids, ["", *map(str, chain)], strict=False)
        return [finding for layer in layers for finding in self._gaps(*layer)]

    def _layer(self, chain_id: Digest, diff_id: Digest, below: StoredLayer | None) -> StoredLayer:
        hex_, subject = chain_id.hex, f"layer {diff_id}"
        if not self._files.has_folder(f"{self.folder}/{hex_}"):
            problem = f"its record {self._at(hex_)} is not there"
            raise MissingMember(subject, problem, "its images cannot be exported")
        for name, fact, expected in _proven(diff_id, f"sha256:{below.id}" if below else ""):
            if (actual := self._text(hex_, name)) and actual != expected:
                where = f"{subject}: {self._at(hex_)}/{name}"
                raise Mismatch(where, fact, "", actual, expected or "none")
        if not (cache_id := self._text(hex_, "cache-id")):
            where, problem = f"{self._at(hex_)}/cache-id", _lost(cache_id)
            raise MissingMember(where, problem, "its images cannot be exported")
        tree, split = self.driver.tree(cache_id, subject), f"{self.folder}/{hex_}/{SPLIT}"
        return StoredLayer(
            hex_,
            diff_id,
            tree,
            self.driver.form,
            split,
            below.tree if below else "",
            self._recorded(hex_),
            self.driver.size_rule,
            self.driver.name,
            self.driver.folder.partition("{id}")[0],
        )

    def _gaps(self, chain_id: Digest, diff_id: Digest, parent: str) -> Iterator[Finding]:
        for name, _, expected in _proven(diff_id, parent):
            if expected and not (actual := self._text(chain_id.hex, name)):
                where = f"{self._at(chain_id.hex)}/{name}"
                problem = f"its record {where} {_lost(actual)}: the name of its folder proves what it said"
                yield Finding(f"layer {diff_id}", problem, check="structure")

    def _recorded(self, hex_: str) -> Layersize:
        return recorded(self._files, f"{self.folder}/{hex_}/size", self.driver.name)

    def _text(self, hex_: str, name: str) -> str | None:
        raw = self._files.read(f"{self.folder}/{hex_}/{name}", limits().text)
        return None if raw is None else raw.decode("ascii", "backslashreplace")

    def _at(self, hex_: str) -> str:
        return f"{self._files.folder}/{self.folder}/{hex_}"


def _proven(diff_id: Digest, parent: str) -> Iterator[tuple[str, str, str]]:
    """Yield what a chainID proves, for it is the sum of both: the record, the fact, and the text there."""
    yield "diff", "diffID", str(diff_id)
    yield "parent", "parent", parent  # empty of a base layer, which has no such record


def _lost(text: str | None) -> str:
    return "is not there" if text is None else "is empty"


def _must_be_few(layers: int, hex_: str) -> None:
    if layers > (limit := limits().layers):
        raise more_than(f"layer {hex_[:12]}", "stands in a chain of more than {} layers", limit)
