"""Shelf: a store that takes images in and gives them no names: these come last, all of a set at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from toolkit.image import Layer, Proof, ProvenImage, SourceImage
from toolkit.ports import Content
from toolkit.stores.layout import LayoutReceiver, LayoutStore


class Shelf:
    """A Sink; what came to it is whole, and is listed nowhere."""

    def __init__(self, store: LayoutStore) -> None:
        self._store, self.place = store, store.place

    def present(self, layer: Layer) -> Proof | None:
        """Return the proof of a blob that is there, as the store has it."""
        return self._store.present(layer)

    @contextmanager
    def receive(self, images: Sequence[SourceImage], known: Mapping[str, Proof]) -> Iterator[Shelving]:
        """Begin a delivery; raises as the store does."""
        with self._store.receive(images, known) as receiver:
            yield Shelving(receiver)


class Shelving:
    """One delivery to a shelf."""

    def __init__(self, receiver: LayoutReceiver) -> None:
        self._receiver = receiver

    def write(self, layer: Layer, content: Content) -> Proof:
        """Write one blob under its digest; raises Mismatch, and then nothing is kept."""
        return self._receiver.write(layer, content)

    def finish(self, images: Sequence[ProvenImage]) -> None:
        """Write the documents, children first."""
        self._receiver.shelve(images)
