"""Who listens to the events of the work, and counts them alike however they are shown."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from toolkit.event import Event
from toolkit.tally import Tally


class Progress:
    """Counts what has passed, told by several threads; this one shows nothing."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        with self._lock:
            self.tally.take(event)
            self.show(event)

    def show(self, event: Event) -> None:
        """Show an event that is counted; called under the lock."""
