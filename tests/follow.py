"""What operations told while they worked, and sources that show how many blobs are read at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from toolkit.event import BlobEvent, BlobProgress, Event
from toolkit.image import Layer
from toolkit.operations.through import Through
from toolkit.ports import Content, Source
from toolkit.tally import Tally


def words(told: Sequence[Event], key: str = "") -> list[str]:
    """Return the words of events but those of progress, of one blob if it is named."""
    return [
        event.word
        for event in told
        if not isinstance(event, BlobProgress)
        and (not key or (isinstance(event, BlobEvent) and event.layer.key == key))
    ]


def read(told: Sequence[Event]) -> dict[str, int]:
    """Return how far each blob got, by its key."""
    return {event.layer.key: event.done for event in told if isinstance(event, BlobProgress)}


def tallied(told: Sequence[Event]) -> Tally:
    """Return all of it counted."""
    tally = Tally()
    for event in told:
        tally.take(event)
    return tally


class Together(Through):
    """A source that opens blobs only in groups of so many: a group that is never whole is broken."""

    def __init__(self, source: Source, group: int) -> None:
        super().__init__(source)
        self._meeting = threading.Barrier(group, timeout=30)

    @contextmanager
    def open(self, layer: Layer) -> Iterator[Content]:
        with super().open(layer) as content:
            self._meeting.wait()
            yield content


class Alone(Through):
    """A source whose blobs may be open one after the other only."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._turn = threading.Lock()

    @contextmanager
    def open(self, layer: Layer) -> Iterator[Content]:
        assert self._turn.acquire(blocking=False), "two at once"
        try:
            with super().open(layer) as content:
                yield content
        finally:
            self._turn.release()
