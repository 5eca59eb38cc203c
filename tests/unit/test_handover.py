"""Blocks that go from one thread to another: all of them, or an end that nobody takes for one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from toolkit.errors import StoreError
from toolkit.plumbing.handover import handed_over
from toolkit.ports import Block


def drain(into: list[bytes], blocks: Iterator[Block]) -> None:
    into.extend(bytes(block) for block in blocks)


def test_all_blocks_arrive_in_their_order_before_the_end() -> None:
    taken: list[bytes] = []
    with handed_over(lambda blocks: drain(taken, blocks), "it") as give:
        for number in range(100):
            give(b"%d" % number)
        give(b"")
    assert taken == [b"%d" % number for number in range(100)]


def test_a_block_is_free_when_it_was_given() -> None:
    taken: list[bytes] = []
    room = bytearray(3)
    with handed_over(lambda blocks: drain(taken, blocks), "it") as give:
        for word in (b"one", b"two", b"six"):
            room[:] = word
            give(memoryview(room))
            room[:] = b"bad"
    assert taken == [b"one", b"two", b"six"]


def test_several_threads_may_give() -> None:
    taken: list[bytes] = []
    with handed_over(lambda blocks: drain(taken, blocks), "it") as give:
        threads = [threading.Thread(target=give, args=(bytes([number]) * 1000,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(taken) == [bytes([number]) * 1000 for number in range(20)]


def test_who_fails_while_it_gives_never_seems_to_have_ended() -> None:
    taken: list[bytes] = []
    ends: list[str] = []

    def take(blocks: Iterator[Block]) -> None:
        drain(taken, blocks)
        ends.append("well")

    with pytest.raises(KeyboardInterrupt), handed_over(take, "it") as give:  # noqa: PT012
        give(b"one")
        raise KeyboardInterrupt
    assert (taken, ends) == ([b"one"], [])


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_what_taking_raises_is_raised(taken: int) -> None:
    def take(blocks: Iterator[Block]) -> None:
        for _ in range(taken):
            next(blocks)
        raise StoreError("the engine", "is full")

    with pytest.raises(StoreError, match="the engine: is full"), handed_over(take, "it") as give:  # noqa: PT012
        for _ in range(3):
            give(b"block")


def test_who_takes_a_part_and_is_content_is_told_of() -> None:
    def give_two() -> None:
        with handed_over(next, "it") as give:
            give(b"one")
            give(b"two")

    with pytest.raises(StoreError, match="it: took only a part of what it was sent"):
        give_two()
