"""MadeLayers: layers that were packed anew for one image, and lie in the store for the others that have them.

Each is fetched and packed once, however many images have it, and whichever processes fetch those. A record is
never believed: the blob that it leads to is proven to be the layer, by its diffID, or is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from toolkit import mediatype
from toolkit.digest import Digest
from toolkit.image import Layer
from toolkit.mirror.connected.made import Made, Wanted
from toolkit.operations.transcoding import Transcoded
from toolkit.plumbing.files import make_folder
from toolkit.plumbing.turns import turn
from toolkit.ports import Block
from toolkit.stores.layout import LayoutStore


@dataclass(frozen=True, slots=True)
class MadeLayers:
    """The layers of a store that were packed for a site; while they are used, a delivery to it is open."""

    made: Made
    store: LayoutStore

    def turn(self, layer: Layer) -> AbstractContextManager[object]:
        """Wait until no other process or thread packs this layer."""
        wanted = self._wanted(layer)
        if wanted is None or self.made.folder is None:
            return nullcontext()
        make_folder(self.made.folder)
        return turn(self.made.folder / wanted.file_name)

    def found(self, layer: Layer) -> Transcoded | None:
        """Return what a layer was packed to, proven in the store; None where it is not there."""
        wanted = self._wanted(layer)
        digest = self.made.of(wanted) if wanted else None
        size = self.store.folder.size(digest) if digest else None
        if digest is None or size is None:
            return None
        packing = "" if self.made.compression == "none" else self.made.compression
        media_type = mediatype.with_compression(layer.media_type, packing)
        new = replace(layer, key=str(digest), size=size, digest=digest, media_type=media_type)
        proof = self.store.present(replace(new, diff_id=None))  # which is then read, not taken for granted
        if proof is None or (proof.diff_id, proof.compression) != (layer.diff_id, packing):
            return None
        return Transcoded(new, digest, _InStore(self.store, digest, size))

    def keep(self, layer: Layer, new: Transcoded) -> None:
        """Put a layer into the store as it is packed now, and record that."""
        if wanted := self._wanted(layer):
            self.store.put(new.layer, new.content)
            self.made.keep_of(wanted, new.digest)

    def _wanted(self, layer: Layer) -> Wanted | None:
        """Return what its record is called by; None of a layer that nobody could prove to be the same."""
        is_known = layer.digest and layer.diff_id
        return Wanted(layer.digest, self.made.compression) if layer.digest and is_known else None


@dataclass(slots=True)
class _InStore:
    """A blob of a store, opened when it is read: most never are, since they are where they go."""

    store: LayoutStore
    digest: Digest
    size: int

    def blocks(self) -> Iterator[Block]:
        with self.store.folder.open(self.digest, self.size) as content:
            yield from content.blocks()
