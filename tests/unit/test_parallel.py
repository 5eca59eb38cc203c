from __future__ import annotations

import threading

import pytest

from toolkit.errors import Mismatch
from toolkit.plumbing.parallel import default_jobs, in_parallel, jobs_for


def largest(item: int) -> int:
    return item


@pytest.mark.parametrize("jobs", [None, 0, 1, 2, 100])
def test_results_stand_in_the_order_of_the_items(jobs: int | None) -> None:
    items = [3, 1, 4, 1, 5, 9, 2, 6]
    assert in_parallel(lambda item: item * 10, items, largest, jobs) == [30, 10, 40, 10, 50, 90, 20, 60]
    assert in_parallel(str, [], largest, jobs) == []


def test_work_runs_at_once() -> None:
    meeting = threading.Barrier(2, timeout=30)  # broken, which raises, if one waits for the other
    in_parallel(lambda _: meeting.wait(), [1, 2], largest, 2)


def test_the_largest_begins_first() -> None:
    begun: list[int] = []
    gate = threading.Barrier(2, timeout=30)

    def work(item: int) -> None:
        begun.append(item)
        if item >= 8:
            gate.wait()

    in_parallel(work, [1, 9, 2, 8, 3], largest, 2)
    assert set(begun[:2]) == {8, 9}


def test_the_first_failure_is_raised_and_what_had_not_begun_never_does() -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        raise Mismatch("x", "size", "", item, 0)

    with pytest.raises(Mismatch, match="x: size is"):
        in_parallel(work, list(range(100)), largest, 2)
    assert 99 in begun
    assert len(begun) < 100


def test_long_work_is_told_when_another_fails() -> None:
    given_up = threading.Event()

    def work(item: int) -> bool:
        if item == 1:
            raise Mismatch("x", "size", "", item, 0)
        return given_up.wait(30)  # false, after half a minute, if nobody tells

    with pytest.raises(Mismatch):
        in_parallel(work, [1, 2], largest, 2, given_up.set)
    assert given_up.is_set()


def test_one_job_stops_at_the_first_failure() -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_parallel(work, [1, 2], largest, 1)
    assert begun == [1]


def test_without_a_thread_more_the_others_end(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    given_up = threading.Event()
    start = threading.Thread.start

    def work(item: int) -> bool:
        begun.append(item)
        return given_up.wait(30)

    def start_one(thread: threading.Thread) -> None:
        if threading.active_count() > before:
            raise RuntimeError("can't start new thread")
        start(thread)

    before = threading.active_count()
    monkeypatch.setattr(threading.Thread, "start", start_one)
    with pytest.raises(RuntimeError, match="can't start"):
        in_parallel(work, [1, 2, 3], largest, 3, given_up.set)
    assert len(begun) <= 1
    assert threading.active_count() == before


def test_no_thread_stays_behind() -> None:
    before = threading.active_count()
    in_parallel(str, [1, 2, 3], largest, 3)
    assert threading.active_count() == before


def test_there_are_as_many_jobs_as_processors_and_no_more_than_eight() -> None:
    assert 1 <= default_jobs() <= 8


def test_more_is_carried_at_once_between_places_that_are_far_apart() -> None:
    class Far:
        at_once = 100

    assert jobs_for(object(), object()) == default_jobs()
    assert jobs_for(object(), Far()) == jobs_for(Far(), object()) == 100
    assert [jobs_for(object(), Far(), asked=asked) for asked in (1, 64)] == [1, 64]
