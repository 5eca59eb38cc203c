"""`image/<driver>/layerdb`: layers under their chainIDs (formats B.1)."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.ancestry import Layersize
from toolkit.digest import Digest, chain_ids, is_v1_id
from toolkit.errors import (
    InvalidDigest,
    InvalidDocument,
    Mismatch,
    MissingMember,
    ToolkitError,
)
from toolkit.limits import limits, more_than
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.docker_root.drivers import Driver
from toolkit.stores.trees.stored import StoredLayer

SPLIT = "tar-split.json.gz"


class LayerDb:
    """The layers of one driver. Read-only; nothing in it is believed before it was compared."""

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

    def chain_of(self, diff_id: Digest) -> list[Digest]:
        """Return the diffIDs that lead to a layer of this diffID, base first; empty where there is none."""
        for name in self._files.names(self.folder):
            try:
                if is_v1_id(name) and self._text(name, "diff") == str(diff_id):
                    return self.ancestry(name)
            except ToolkitError:
                continue
        return []

    def ancestry(self, hex_: str) -> list[Digest]:
        """Return the diffIDs up to a layer, base first; raises InvalidDocument where there is none."""
        if not is_v1_id(hex_):
            raise InvalidDocument(f"layer {hex_[:100]!r}", "is no chainID, expected 64 lower-case hex digits")
        chain = [self._digest(hex_, "diff")]
        seen = {hex_}
        while self._text(hex_, "parent") is not None:
            hex_ = self._digest(hex_, "parent").hex
            if hex_ in seen:
                raise InvalidDocument(f"layer {hex_[:12]}", "is its own ancestor")
            seen.add(hex_)
            _must_be_few(len(seen), hex_)
            chain.append(self._digest(hex_, "diff"))
        return chain[::-1]

    def _layer(self, chain_id: Digest, diff_id: Digest, below: StoredLayer | None) -> StoredLayer:
        hex_, subject = chain_id.hex, f"layer {diff_id}"
        if not self._files.has_folder(f"{self.folder}/{hex_}"):
            problem = f"its record {self._at(hex_)} is not there"
            raise MissingMember(subject, problem, "its images cannot be exported")
        for fact, name, expected in (
            ("diffID", "diff", str(diff_id)),
            ("parent", "parent", f"sha256:{below.id}" if below else None),
        ):
            if (actual := self._text(hex_, name)) != expected:
                raise Mismatch(f"{subject}: {self._at(hex_)}/{name}", fact, "", actual, expected)
        cache_id = self._text(hex_, "cache-id")
        if cache_id is None:
            raise MissingMember(f"{self._at(hex_)}/cache-id", "is not there", "its images cannot be exported")
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

    def _recorded(self, hex_: str) -> Layersize:
        return Layersize(self._text(hex_, "size"), self.driver.name)

    def _digest(self, hex_: str, name: str) -> Digest:
        try:
            return Digest.parse(self._text(hex_, name) or "")
        except InvalidDigest as error:
            raise InvalidDocument(f"{self._at(hex_)}/{name}", error.problem) from error

    def _text(self, hex_: str, name: str) -> str | None:
        raw = self._files.read(f"{self.folder}/{hex_}/{name}", limits().text)
        return None if raw is None else raw.decode("ascii", "backslashreplace")

    def _at(self, hex_: str) -> str:
        return f"{self._files.folder}/{self.folder}/{hex_}"


def _must_be_few(layers: int, hex_: str) -> None:
    if layers > (limit := limits().layers):
        raise more_than(f"layer {hex_[:12]}", "stands in a chain of more than {} layers", limit)
