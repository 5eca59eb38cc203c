from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from toolkit.plumbing.http import Answer
from toolkit.stores.registry.sending import Sending

DONE = Answer(202, {}, b"", "")


def test_blocks_arrive_in_order_while_they_are_given() -> None:
    got: list[bytes] = []

    def ask(blocks: Iterator[bytes]) -> Answer:
        got.extend(blocks)
        return DONE

    sending = Sending(ask)
    assert all(sending.put(b"%d" % number) for number in range(100))
    assert sending.answer() is DONE
    assert got == [b"%d" % number for number in range(100)]


def test_a_request_that_ends_early_takes_no_more() -> None:
    def ask(blocks: Iterator[bytes]) -> None:
        next(blocks)

    sending = Sending(ask)
    assert not all(sending.put(b"x") for _ in range(100))
    assert sending.answer() is None


def test_a_failure_is_raised_where_the_answer_is_waited_for() -> None:
    def ask(blocks: Iterator[bytes]) -> Answer:
        raise ValueError(next(blocks))

    sending = Sending(ask)
    sending.put(b"x")
    with pytest.raises(ValueError, match="x"):
        sending.answer()


def test_what_is_given_up_ends_in_the_middle() -> None:
    ended: list[BaseException] = []
    waiting = threading.Event()

    def ask(blocks: Iterator[bytes]) -> Answer:
        try:
            for _ in blocks:
                waiting.wait()
        except BaseException as error:
            ended.append(error)
            raise
        return DONE

    sending = Sending(ask)
    sending.put(b"x")
    sending.put(b"y")
    waiting.set()
    sending.give_up()
    assert len(ended) == 1
    assert not any(thread.name == "upload" for thread in threading.enumerate())
