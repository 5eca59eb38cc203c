"""The places that the images of a job come from: each is opened once, and let go at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from toolkit.places import open_source
from toolkit.ports import Closes, Source
from toolkit.settings import Settings

Opened = Callable[[str], Source]  # from any thread; raises as `open_source`


@contextmanager
def sources(settings: Settings) -> Iterator[Opened]:
    """Yield how places are opened to be read from."""
    with ExitStack() as stack:
        lock = threading.Lock()
        known: dict[str, Source] = {}

        def opened(place: str) -> Source:
            with lock:
                if place not in known:
                    known[place] = source = open_source(place, settings, settings.reading)
                    if isinstance(source, Closes):
                        stack.callback(source.close)
                return known[place]

        yield opened
