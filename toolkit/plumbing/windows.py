"""Wide windows: a decoder that looks back over much of its output waits until no other thread has such a one.

What `zstd --long` or `xz` wrote may need 128 MiB to be read, and six layers of it at once six times that.
Nobody waits for ever: the turn is taken last, after every lock, so that whoever has it waits for nobody who
waits for it; a thread that has it gets it again; and it ends with a thread's work (plumbing.parallel).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

NARROW = 8 << 20  # bytes that every decoder may have: zstd needs no more up to its level 19


class Turn:
    """Had by one thread at a time, and by that as often as it likes; any thread may let go of it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder, self._held = 0, set[object]()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the turn, and have it until the block ends, or `end` is called."""
        me, mine = threading.get_ident(), object()
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._holder == me)
            self._holder = me
            self._held.add(mine)
        try:
            yield
        finally:
            with self._changed:
                self._held.discard(mine)
                self._changed.notify_all()

    def end(self) -> None:
        """Let go of what this thread has: of layers that it left half read, and that are still known."""
        with self._changed:
            if self._holder == threading.get_ident():
                self._held.clear()
                self._changed.notify_all()


WIDE = Turn()


def in_turn(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what a decoder with a wide window gives."""
    with WIDE.taken():
        yield from pieces
