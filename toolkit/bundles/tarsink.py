"""Writing a bundle: one file, laid out first, then filled by several threads at once.

A legacy layer's digest is known only when it has been read, but its size before. So the file is laid
out with placeholder digests, which have the same length; layers go straight to their places; and the
headers and documents, which name the digests, are written last. No layer is written twice. Blobs that came
before their image was known are at the beginning (toolkit.bundles.arrived).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from toolkit.bundles.arrived import Arrived
from toolkit.bundles.members import Layout, Member, once
from toolkit.digest import Digest
from toolkit.errors import Mismatch, StoreError
from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage, drafts, layers_of
from toolkit.plumbing.files import atomic_file, write_at
from toolkit.plumbing.sharing import copy_range, move
from toolkit.plumbing.space import require_space, reserve
from toolkit.plumbing.streams import ProvenExtent, nowhere, transfer
from toolkit.plumbing.writebehind import WriteBehind
from toolkit.ports import Block, Content, Landing

MembersOf = Callable[[Sequence[ProvenImage]], Sequence[Member]]
LossesOf = Callable[[ProvenImage], Sequence[Finding]]
Target = Callable[[Path], AbstractContextManager[int]]  # yields what to write to; whole when it ends well
LEFT = "was left before it was finished"


class TarSink:
    """A bundle file that does not exist yet."""

    def __init__(
        self,
        path: Path,
        members_of: MembersOf,
        losses_of: LossesOf | None = None,
        target: Target = atomic_file,
    ) -> None:
        self.path, self.place, self._target = path, str(path), target
        self._arrived: Arrived | None = None
        self._members_of, self._losses_of = members_of, losses_of

    def losses(self, image: ProvenImage) -> Sequence[Finding]:
        """Return what the format cannot carry of an image."""
        return self._losses_of(image) if self._losses_of else ()

    def present(self, layer: Layer) -> Proof | None:
        """Return the proof of a blob that arrived before; a new file holds nothing else."""
        return self._arrived.proof(layer) if self._arrived else None

    @contextmanager
    def landing(self, expected: int = 0) -> Iterator[Landing]:
        """Yield how to put blobs into the file; it has its name when the block ends after a delivery.

        Raises StoreError where the bytes that are expected, at least, cannot fit.
        """
        with self._target(self.path) as handle:
            require_space(handle, expected, self.place)
            self._arrived = Arrived(handle, self.place)
            try:
                yield self._arrived.take
                if not self._arrived.is_delivered:
                    raise StoreError(self.place, LEFT)
            finally:
                self._arrived = None

    @contextmanager
    def receive(self, images: Sequence[SourceImage], known: Mapping[str, Proof]) -> Iterator[TarReceiver]:
        """Begin the bundle; it has its name when the block ends after `finish`, or that of `landing` does."""
        with self._begun() as arrived:
            receiver = TarReceiver(arrived, self._members_of, images, known, self.place)
            yield receiver
            receiver.must_be_finished()
            arrived.is_delivered = True

    @contextmanager
    def _begun(self) -> Iterator[Arrived]:
        if self._arrived:
            yield self._arrived
            return
        with self._target(self.path) as handle:
            yield Arrived(handle, self.place)


class TarReceiver:
    """One bundle being written."""

    def __init__(
        self,
        arrived: Arrived,
        members_of: MembersOf,
        images: Sequence[SourceImage],
        known: Mapping[str, Proof],
        place: str,
    ) -> None:
        self._arrived, self._handle = arrived, arrived.handle
        self._members_of, self._known, self._place = members_of, known, place
        layers = layers_of(images)
        came = {layer.key: proof for layer in layers if (proof := arrived.proof(layer))}
        self._draft = drafts(layers, {**came, **known})
        arrived.keep({proof.digest for proof in self._draft.values()})
        self._layout = self._laid_out([image.proven(self._draft) for image in images])
        self._places = self._layout.places()
        self._taken: set[Digest] = set()
        self._real: dict[Digest, Digest] = {}  # placeholder → digest
        self._lock = threading.Lock()
        self._finished = False
        require_space(self._handle, self._layout.size - arrived.size, place)
        reserve(self._handle, self._layout.size)
        for digest, offset in arrived.places().items():
            self._places[digest][0] = offset  # before that of the layout, where a header is long
            arrived.copy(digest, self._places[digest])

    def write(self, layer: Layer, content: Content) -> Proof:
        """Put a layer in its place, or places; the same blob under a second key is only proven."""
        drafted = self._draft[layer.key].digest
        with self._lock:
            first = drafted not in self._taken
            self._taken.add(drafted)
        offsets = self._places.get(drafted, []) if first else []
        try:
            proof = self._placed(layer, content, offsets)
        except BaseException:
            if first:
                self._taken.discard(drafted)  # it may come again
            raise
        if layer.key in self._known and proof.digest != drafted:
            advice = "it changed while it was read"
            raise Mismatch(layer.subject, "digest", advice, proof.digest, drafted)
        with self._lock:
            self._real[drafted] = proof.digest
        return proof

    def _placed(self, layer: Layer, content: Content, offsets: Sequence[int]) -> Proof:
        if isinstance(content, ProvenExtent):
            return self._copied(content, offsets)
        return transfer(content, layer, _Cursors(self._handle, offsets) if offsets else nowhere)

    def _copied(self, content: ProvenExtent, offsets: Sequence[int]) -> Proof:
        """Copy in the kernel what was proven before; raises where somebody touched it meanwhile."""
        for offset in offsets:
            copy_range(content.handle, self._handle, offset, content.size)
        if not content.unchanged():
            raise StoreError(content.subject, "was changed while it was copied", "run again")
        return content.proof

    def finish(self, images: Sequence[ProvenImage]) -> None:
        """Write headers, documents and links around the layers."""
        layout = self._laid_out(images)
        self._settle(layout)
        for offset, piece in layout.pieces():
            write_at(self._handle, piece, offset)
        os.ftruncate(self._handle, layout.size)
        self._finished = True

    def must_be_finished(self) -> None:
        """Raise where the block ended without `finish`: nothing may get the bundle's name."""
        if not self._finished:
            raise StoreError(self._place, LEFT)

    def _laid_out(self, images: Sequence[ProvenImage]) -> Layout:
        return Layout.of(self._arrived.first(once(self._members_of(images))))

    def _settle(self, layout: Layout) -> None:
        """Move blobs whose place changed: two large layers turned out to be the same blob."""
        old: dict[Digest, list[int]] = {}
        for digest, offsets in self._places.items():
            old.setdefault(self._real.get(digest, digest), []).extend(offsets)
        for offsets in old.values():
            offsets.sort()
        moves = [
            (was, now, member.size)
            for member, now in zip(layout.members, layout.bodies, strict=True)
            if member.blob and (was := old[member.blob.digest].pop(0)) != now
        ]
        for was, now, size in moves:
            if now < was:
                move(self._handle, was, now, size)
        for was, now, size in reversed(moves):
            if now > was:
                move(self._handle, was, now, size)


class _Cursors:
    """Writes each block at the next place of every copy."""

    def __init__(self, handle: int, offsets: Sequence[int]) -> None:
        self._writers = [WriteBehind(handle, offset) for offset in offsets]

    def __call__(self, block: Block) -> None:
        for write in self._writers:
            write(block)
