"""Tally: how much of some work is done, counted from its events, every byte of a blob once.

A blob that is read again after an upload was lost, or goes on after a download broke off, counts what is
new: so `done` and `skipped` are together never more than `size`, and as much when all is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toolkit.event import (
    BlobBegun,
    BlobDone,
    BlobEvent,
    BlobFailed,
    BlobProgress,
    BlobsExpected,
    BlobSkipped,
    Event,
    ImageBegun,
)
from toolkit.image import Layer


@dataclass(slots=True)
class Passage:
    """How far one blob has got, in bytes: the most of it that has passed."""

    size: int
    done: int = 0
    is_over: bool = False  # done or skipped


class Tally:
    """Counts of bytes, and of blobs; not to be used by several threads at once."""

    def __init__(self) -> None:
        self.size = self.done = self.skipped = 0  # bytes: of all blobs, that passed, that need not be carried
        self.over = 0  # blobs that are done or skipped
        self.in_flight: dict[str, Layer] = {}  # those that are being read now, by key
        self._blobs: dict[str, Passage] = {}

    @property
    def blobs(self) -> int:
        """Return how many blobs there are."""
        return len(self._blobs)

    def facts(self) -> dict[str, Any]:
        """Return what JSON says of all together."""
        return {"done": self.done, "skipped": self.skipped, "size": self.size}

    def take(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, ImageBegun | BlobsExpected):
            for layer in event.layers:
                self._of(layer)
        elif isinstance(event, BlobEvent):
            self._take(event, self._of(event.layer))

    def _take(self, event: BlobEvent, blob: Passage) -> None:
        match event:
            case BlobBegun():
                self.in_flight[event.layer.key] = event.layer
            case BlobProgress(done=done):
                self._pass(blob, min(done, blob.size))
            case BlobDone():
                self._pass(blob, blob.size)
                self._end(event, blob)
            case BlobSkipped():
                self.skipped += 0 if blob.is_over else blob.size - blob.done
                self._end(event, blob)
            case BlobFailed():
                self.in_flight.pop(event.layer.key, None)

    def _of(self, layer: Layer) -> Passage:
        if (blob := self._blobs.get(layer.key)) is None:
            blob = self._blobs[layer.key] = Passage(layer.size)
            self.size += layer.size
        return blob

    def _pass(self, blob: Passage, done: int) -> None:
        if done > blob.done and not blob.is_over:
            self.done += done - blob.done
            blob.done = done

    def _end(self, event: BlobEvent, blob: Passage) -> None:
        self.in_flight.pop(event.layer.key, None)
        self.over += not blob.is_over
        blob.is_over = True
