"""Blobs that came into a bundle's file before anybody knew what else will be in it.

They lie at its beginning in the order of their coming, each with room for the shortest header: so an image
that an engine sends as a stream is written once, to where it stays. What the bundle holds besides follows.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from toolkit.bundles.members import Member
from toolkit.digest import Digest
from toolkit.image import Layer, Proof
from toolkit.model import Descriptor
from toolkit.plumbing.files import storing
from toolkit.plumbing.sharing import copy_range, move
from toolkit.plumbing.space import require_space
from toolkit.plumbing.streams import transfer
from toolkit.plumbing.tarwriter import padding
from toolkit.plumbing.writebehind import WriteBehind
from toolkit.ports import Content

NAME = "0" * 64 + "/layer.tar"  # as good as any blob's


class Arrived:
    """The blobs at the beginning of one bundle's file."""

    def __init__(self, handle: int, place: str) -> None:
        self.handle, self.place, self.is_delivered = handle, place, False
        self._proofs: dict[Digest, Proof] = {}  # in the order of their places
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Return how many bytes they and their headers take."""
        return sum(map(_room, self._proofs.values()))

    def take(self, layer: Layer, content: Content) -> Proof:
        """Write one blob behind those that are there, proven; a Landing. Raises Mismatch, StoreError."""
        with self._lock, storing(self.place):
            start = self.size + _header_size(layer.size)
            require_space(self.handle, layer.size, self.place)
            proof = transfer(content, layer, WriteBehind(self.handle, start))
            self._proofs.setdefault(proof.digest, proof)  # else the next one takes its place
            return proof

    def proof(self, layer: Layer) -> Proof | None:
        """Return what a layer proved when it came; None of another."""
        if layer.digest:
            return self._proofs.get(layer.digest)
        return next((proof for proof in self._proofs.values() if proof.diff_id == layer.diff_id), None)

    def places(self) -> dict[Digest, int]:
        """Return where each of them begins."""
        places, end = {}, 0
        for proof in self._proofs.values():
            places[proof.digest] = end + _header_size(proof.size)
            end += _room(proof)
        return places

    def keep(self, wanted: Collection[Digest]) -> None:
        """Forget all other blobs, and close the gaps that they leave."""
        before = self.places()
        self._proofs = {digest: proof for digest, proof in self._proofs.items() if digest in wanted}
        for digest, place in self.places().items():
            if before[digest] != place:
                move(self.handle, before[digest], place, self._proofs[digest].size)

    def copy(self, digest: Digest, offsets: Sequence[int]) -> None:
        """Copy a blob to the other places that a bundle has it at; one that did not arrive is passed over."""
        if proof := self._proofs.get(digest):
            for offset in offsets[1:]:
                copy_range(self.handle, self.handle, offset, proof.size, offsets[0])

    def first(self, members: Sequence[Member]) -> list[Member]:
        """Return a bundle's members in the order that they have with these blobs at its beginning."""
        found: dict[Digest, Member] = {}
        for member in members:
            if member.blob and member.blob.digest in self._proofs:
                found.setdefault(member.blob.digest, member)
        begins = [found[digest] for digest in self._proofs]
        taken = set(map(id, begins))
        return begins + [member for member in members if id(member) not in taken]


def _header_size(size: int) -> int:
    """Return the bytes of the header of a blob of `size` bytes."""
    return len(Member(NAME, blob=Descriptor("", Digest.of(b""), size)).header)


def _room(proof: Proof) -> int:
    return _header_size(proof.size) + proof.size + len(padding(proof.size))
