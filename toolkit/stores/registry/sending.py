"""One request whose body is given block by block, by another thread than the one that sends it.

So a blob is read and hashed while it is sent. What breaks the request ends it, and whoever gives learns it
from `put`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from toolkit.plumbing.http import Answer

AHEAD = 4  # blocks that may wait to be sent
LOOK = 0.1  # seconds after which a full queue is looked at again


class Given(Exception):
    """The body was given up; ends the request from inside."""


class Sending:
    """A request in progress; `ask` makes it, of a body that is yielded; it returns None without an answer."""

    def __init__(self, ask: Callable[[Iterator[bytes]], Answer | None]) -> None:
        self._ask = ask
        self._queue: queue.Queue[bytes | None] = queue.Queue(AHEAD)
        self._ended, self._given_up = threading.Event(), False
        self._answer: Answer | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="upload")
        self._thread.start()

    def put(self, block: bytes | None) -> bool:
        """Give a block, or None for the end; False where the request has ended before it."""
        while not self._ended.is_set():
            try:
                self._queue.put(block, timeout=LOOK)
            except queue.Full:
                continue
            return True
        return False

    def answer(self) -> Answer | None:
        """End the body, wait for the answer and return it; raises what `ask` raises."""
        self.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._answer

    def give_up(self) -> None:
        """End the request in the middle of its body."""
        self._given_up = True
        self.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._answer = self._ask(self._blocks())
        except Given:
            pass
        except BaseException as error:  # noqa: BLE001 - raised where the answer is waited for
            self._error = error
        finally:
            self._ended.set()

    def _blocks(self) -> Iterator[bytes]:
        while (block := self._queue.get()) is not None:
            if self._given_up:
                break
            yield block
        if self._given_up:
            raise Given
