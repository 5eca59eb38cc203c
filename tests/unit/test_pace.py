from __future__ import annotations

import threading

import pytest

from toolkit.plumbing.pace import Pace, shared_pace


class Clock:
    """A time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pace(self, rate: int) -> Pace:
        return Pace(rate, lambda: self.now, self.sleep)


def test_bytes_take_the_time_that_they_are_given() -> None:
    clock = Clock()
    pace = clock.pace(1000)
    for _ in range(40):
        pace.wait(250)
    assert clock.now == pytest.approx(110)
    assert clock.slept == pytest.approx([0.25] * 40)
    assert pace.passed == 10_000


def test_a_pause_is_made_up_for_only_a_little() -> None:
    clock = Clock()
    pace = clock.pace(1000)
    clock.now += 3600
    pace.wait(250)
    assert clock.slept == []
    pace.wait(1000)
    assert clock.slept == [1.0]


def test_several_share_it() -> None:
    clock = Clock()
    lock, slept = threading.Lock(), list[float]()

    def sleep(seconds: float) -> None:
        with lock:
            slept.append(seconds)

    pace = Pace(1000, lambda: clock.now, sleep)
    threads = [threading.Thread(target=pace.wait, args=(500,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slept) == pytest.approx([0.5 * number for number in range(1, 9)])


@pytest.mark.parametrize(("rate", "piece"), [(1, 1), (1000, 250), (500 << 10, 125 << 10), (1 << 30, 1 << 20)])
def test_pieces_are_small_enough_that_nobody_waits_long(rate: int, piece: int) -> None:
    assert Pace(rate).piece == piece


def test_blocks_pass_in_pieces_and_are_the_same_bytes() -> None:
    clock = Clock()
    pieces = list(clock.pace(40).paced([b"a" * 25, memoryview(b"bcd"), b""]))
    assert [len(piece) for piece in pieces] == [10, 10, 5, 3]
    assert b"".join(pieces) == b"a" * 25 + b"bcd"
    assert clock.now == pytest.approx(100 + 28 / 40)


def test_one_rate_is_one_pace_in_a_process() -> None:
    assert shared_pace(0) is None
    assert shared_pace(77) is shared_pace(77)
    assert shared_pace(77) is not shared_pace(78)
