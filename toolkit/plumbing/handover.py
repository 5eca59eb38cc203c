"""Blocks that one thread has and another wants: handed over one by one, none of them copied or kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from toolkit.errors import StoreError
from toolkit.ports import Block

Give = Callable[[Block], object]
PATIENCE = 10.0  # seconds for whoever takes to notice that there will be no more


@contextmanager
def handed_over(take: Callable[[Iterator[Block]], object], subject: str) -> Iterator[Give]:
    """Yield how to give blocks to `take`, which runs in a thread of its own; any thread may give.

    A block is free again when `give` returns. At the end `take` is waited for; what it raises is raised
    there, or by `give`, which raises StoreError about `subject` where it has ended without all blocks. Where
    ours ends in an exception, so do the blocks that `take` gets: it never takes what it has for the whole.
    """
    handover = _Handover(subject)
    thread = threading.Thread(target=handover.run, args=(take,), name="handover", daemon=True)
    thread.start()
    try:
        yield handover.give
    except BaseException:
        handover.end(failed=True)
        thread.join(PATIENCE)
        raise
    handover.end()
    thread.join()
    handover.must_be_taken()


class _Handover:
    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._changed = threading.Condition()
        self._giving = threading.Lock()
        self._block: Block | None = None
        self._is_ended = self._has_failed = self._is_gone = False
        self._failure: BaseException | None = None

    def give(self, block: Block) -> None:
        """Give a block; return when it was taken and is not needed any more."""
        if not len(block):
            return
        with self._giving, self._changed:
            self._block = block
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._block is None or self._is_gone)
            if self._is_gone:
                self.must_be_taken()
                problem = "took only a part of what it was sent"
                raise StoreError(self._subject, problem, "see its log, and run again")

    def end(self, *, failed: bool = False) -> None:
        """Say that there is no more."""
        with self._changed:
            self._is_ended, self._has_failed = True, failed
            self._changed.notify_all()

    def run(self, take: Callable[[Iterator[Block]], object]) -> None:
        """Let `take` take all."""
        try:
            take(self._blocks())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._failure = error
        finally:
            with self._changed:
                self._is_gone = True
                self._changed.notify_all()

    def must_be_taken(self) -> None:
        """Raise what `take` raised, if it did."""
        if self._failure is not None:
            raise self._failure

    def _blocks(self) -> Iterator[Block]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._block is not None or self._is_ended)
                if self._has_failed:
                    raise Abandoned
                if (block := self._block) is None:
                    return
            yield block
            with self._changed:
                self._block = None
                self._changed.notify_all()


class Abandoned(Exception):
    """Whoever gave the blocks has failed."""
