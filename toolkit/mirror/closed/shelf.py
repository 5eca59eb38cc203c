"""Shelf: a store that takes images in and gives them no names: these come last, all of a set at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from toolkit.digest import Digest
from toolkit.image import Layer, Proof, ProvenImage, SourceImage
from toolkit.ports import Content
from toolkit.stores.layout import LayoutReceiver, LayoutStore


class Shelf:
    """A Sink; what came to it is whole, and is listed nowhere. `damaged` is what that took the place of."""

    def __init__(self, store: LayoutStore) -> None:
        self._store, self.place = store, store.place
        self.damaged: dict[Digest, None] = {}

    def present(self, layer: Layer) -> Proof | None:
        """Return the proof of a blob that is there, as the store has it; one that is damaged is noted."""
        proof = self._store.present(layer)
        if not proof and layer.digest and self._store.folder.size(layer.digest) is not None:
            self.damaged[layer.digest] = None
        return proof

    @contextmanager
    def receive(self, images: Sequence[SourceImage], known: Mapping[str, Proof]) -> Iterator[Shelving]:
        """Begin a delivery; raises as the store does."""
        with self._store.receive(images, known) as receiver:
            yield Shelving(self, receiver)


class Shelving:
    """One delivery to a shelf."""

    def __init__(self, shelf: Shelf, receiver: LayoutReceiver) -> None:
        self._shelf, self._receiver = shelf, receiver

    def write(self, layer: Layer, content: Content) -> Proof:
        """Write one blob under its digest; raises Mismatch, and then nothing is kept."""
        return self._receiver.write(layer, content)

    def finish(self, images: Sequence[ProvenImage]) -> None:
        """Write the documents, children first."""
        for part in (part for image in images for part in image.parts):
            for digest, document in part.documents.items():
                self._shelf.present(Layer(str(digest), len(document.raw), digest))
        self._receiver.shelve(images)
