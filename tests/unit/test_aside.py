"""Work that a thread of its own does, in order, all of it or with its failure raised."""

from __future__ import annotations

import threading

import pytest

from toolkit.plumbing.aside import IN_USE, aside


def test_all_is_done_in_order_when_the_block_ends() -> None:
    done: list[int] = []
    with aside(done.append) as give:
        for number in range(1000):
            give(number)
    assert done == list(range(1000))


def test_it_is_done_by_another_thread() -> None:
    threads: list[threading.Thread] = []
    with aside(lambda _: threads.append(threading.current_thread())) as give:
        give(None)
    assert threads[0] is not threading.current_thread()


def test_so_many_buffers_in_turn_are_enough() -> None:
    done: list[int] = []
    with aside(done.append) as give:
        for number in range(2000):
            give(number)
            assert len(done) >= number - (IN_USE - 2)  # the buffer that is filled next is free


def test_what_fails_is_raised_at_the_end_and_nothing_more_is_done() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        done.append(number)
        if number == 3:
            raise ValueError(number)

    def all_given() -> None:
        with aside(work) as give:
            for number in range(100):
                give(number)

    with pytest.raises(ValueError, match="3"):
        all_given()
    assert done == [0, 1, 2, 3]


def test_a_failure_of_ours_is_not_hidden() -> None:
    def failing() -> None:
        with aside(lambda _: None) as give:
            give(1)
            raise KeyError

    with pytest.raises(KeyError):
        failing()
