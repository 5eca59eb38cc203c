"""Pace: so many bytes a second and no more, however many threads carry them (a token bucket)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from toolkit.ports import Block

DEPTH = 0.25  # seconds whose bytes may be made up for after a pause
LARGEST = 1 << 20  # bytes of a piece


class Pace:
    """A bound on the bytes of one second, for several threads; `clock` and `sleep` are in seconds."""

    def __init__(
        self,
        rate: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.piece = min(LARGEST, max(1, int(rate * DEPTH)))  # bytes to carry at once, so that none wait long
        self.passed = 0  # bytes so far
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._free = clock()  # when all that was let pass has had its time
        self._lock = threading.Lock()

    def wait(self, count: int) -> None:
        """Wait until `count` bytes have had their time."""
        with self._lock:
            self.passed += count
            now = self._clock()
            self._free = max(self._free, now - DEPTH) + count / self._rate
            left = self._free - now
        if left > 0:
            self._sleep(left)

    def paced(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield blocks in pieces, each when it has had its time."""
        for block in blocks:
            view = memoryview(block)
            for start in range(0, len(view), self.piece):
                piece = view[start : start + self.piece]
                self.wait(len(piece))
                yield piece


@cache
def shared_pace(rate: int) -> Pace | None:
    """Return the one pace of this process for a rate in bytes a second; None for 0, which is no bound."""
    return Pace(rate) if rate else None
