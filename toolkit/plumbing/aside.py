"""Work on blocks that a thread of its own does, while whoever has them goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import TypeVar

T = TypeVar("T")

WAITING = 2  # things that may wait
IN_USE = WAITING + 2  # and that may be in use at once: those, one that is worked on, one being made


@contextmanager
def aside(work: Callable[[T], object]) -> Iterator[Callable[[T], None]]:
    """Yield how to give things to `work`, which a thread calls with each, in order; all are done at the end.

    When the call that gives one returns, all but the last `IN_USE - 1` are done: so many buffers, used in
    turn, are enough. What `work` raises is raised at the end; it gets nothing more then.
    """
    queue: Queue[tuple[T] | None] = Queue(WAITING)
    failures: list[BaseException] = []

    def run() -> None:
        while (item := queue.get()) is not None:
            try:
                if not failures:
                    work(item[0])
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                failures.append(error)

    thread = threading.Thread(target=run, name="aside", daemon=True)
    thread.start()
    try:
        yield lambda item: queue.put((item,))
    finally:
        queue.put(None)
        thread.join()
    if failures:
        raise failures[0]
