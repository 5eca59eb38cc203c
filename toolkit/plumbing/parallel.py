"""Several layers at once: a few threads, the largest work first, and the first failure ends all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def default_jobs() -> int:
    """Return how many layers to work on at once: the processors we may use, at most eight."""
    return min(8, len(os.sched_getaffinity(0)))


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
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="layer")
    try:
        order = sorted(range(len(items)), key=lambda number: -size(items[number]))
        futures = {number: pool.submit(work, items[number]) for number in order}
        done, _ = wait(futures.values(), return_when=FIRST_EXCEPTION)
        _raise_a_failure(done)
        return [futures[number].result() for number in range(len(items))]
    except BaseException:
        if give_up:
            give_up()
        raise
    finally:  # also on Ctrl-C: what has not begun never does
        pool.shutdown(wait=True, cancel_futures=True)


def _raise_a_failure(done: Iterable[Future[R]]) -> None:
    for failed in (future.exception() for future in done):
        if failed:
            raise failed
