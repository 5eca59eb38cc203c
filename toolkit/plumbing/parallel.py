"""Several layers at once: a few threads, the largest work first, and the first failure ends all."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from toolkit.plumbing.windows import WIDE
from toolkit.ports import Distant, TakesOneByOne

T = TypeVar("T")
R = TypeVar("R")


def default_jobs() -> int:
    """Return how many layers to work on at once: the processors we may use, at most eight."""
    return min(8, len(os.sched_getaffinity(0)))


def jobs_for(*places: object, asked: int = 0) -> int:
    """Return how many layers to carry at once between places: what is asked for, if anything is.

    Else more where one of them is far away; one where none but that can be taken.
    """
    if any(isinstance(place, TakesOneByOne) and place.one_by_one for place in places):
        return 1
    return asked or max([default_jobs(), *(place.at_once for place in places if isinstance(place, Distant))])


def in_parallel(
    work: Callable[[T], R],
    items: Sequence[T],
    size: Callable[[T], int],
    jobs: int | None = None,
    give_up: Callable[[], object] | None = None,
) -> list[R]:
    """Return `work(item)` for every item, in their order, having begun with the largest.

    The first exception is raised, after the work in hand has ended; what had not begun is dropped.
    `give_up` is called when it comes, so that long work can end before it is done.
    """
    jobs = min(jobs or default_jobs(), len(items))
    if jobs <= 1:
        return [work(item) for item in items]
    order = iter(sorted(range(len(items)), key=lambda number: -size(items[number])))
    lock, failed = threading.Lock(), threading.Event()
    results: dict[int, R] = {}
    failures: list[BaseException] = []

    def fail() -> None:
        failed.set()
        if give_up:
            give_up()

    def run() -> None:
        while not failed.is_set():
            with lock:
                number = next(order, None)
            if number is None:
                return
            try:
                results[number] = work(items[number])
            except BaseException as error:  # noqa: BLE001 - raised where the results are waited for
                failures.append(error)
                fail()
            finally:
                WIDE.end()

    _run_threads([threading.Thread(target=run, name=f"layer_{number}") for number in range(jobs)], fail)
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(items))]


def _run_threads(threads: Sequence[threading.Thread], fail: Callable[[], None]) -> None:
    """Run threads to their end; `fail` is called where that is not to be.

    An executor would do the same, but importing one takes as long as a small copy.
    """
    begun: list[threading.Thread] = []
    try:
        for thread in threads:
            thread.start()
            begun.append(thread)
        for thread in threads:
            thread.join()
    except BaseException:  # Ctrl-C, or no more threads to be had: what has not begun never does
        fail()
        raise
    finally:
        for thread in begun:
            thread.join()
