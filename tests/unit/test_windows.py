"""Decoders that need wide windows: one thread's at a time, and nobody waits for ever."""

from __future__ import annotations

import lzma
import threading
import time
from collections.abc import Callable, Iterator
from itertools import zip_longest

import pytest
import zstandard

from toolkit.errors import CorruptContent
from toolkit.plumbing.compressing import CHUNK, Compressor
from toolkit.plumbing.compression import Decompression, decompressed
from toolkit.plumbing.parallel import in_parallel
from toolkit.plumbing.windows import NARROW, Turn
from toolkit.ports import Block

SOON, LATE = 0.2, 30.0  # seconds: to see that somebody waits; to give up on somebody
CONTENT = bytes(4 << 20)


def zstd(content: bytes = CONTENT, window_log: int = 24) -> bytes:
    facts = zstandard.ZstdCompressionParameters.from_level(1, window_log=window_log)
    encoder = zstandard.ZstdCompressor(compression_params=facts).compressobj()
    return encoder.compress(content) + encoder.flush()


def xz(content: bytes = CONTENT) -> bytes:
    return lzma.compress(content, preset=0)


WIDE = {"zstd": zstd(), "zstd at its second frame": zstd(window_log=20) + zstd(), "xz": xz()}
every_wide = pytest.mark.parametrize("packed", WIDE.values(), ids=WIDE.keys())


def unpacked(packed: bytes) -> Decompression:
    return decompressed(iter([packed]), "xz" if packed[:1] == b"\xfd" else "zstd", "layer 1")


def begun(work: Callable[[], object]) -> threading.Event:
    """Run something in a thread; the event tells that it is done."""
    done = threading.Event()

    def run() -> None:
        work()
        done.set()

    threading.Thread(target=run, daemon=True).start()
    return done


@every_wide
def test_two_threads_never_have_wide_windows_at_once(packed: bytes) -> None:
    first = unpacked(zstd())
    next(first)
    second = begun(lambda: list(unpacked(packed)))
    assert not second.wait(SOON)
    assert b"".join(first) == CONTENT[1 << 20 :]
    assert second.wait(LATE)


def test_narrow_windows_wait_for_nobody() -> None:
    assert NARROW == 8 << 20  # what zstd -19 needs
    first = unpacked(zstd())
    next(first)
    assert begun(lambda: list(unpacked(zstd(window_log=23)))).wait(LATE)
    del first


@every_wide
def test_one_thread_reads_two_wide_layers_at_once(packed: bytes) -> None:
    assert begun(lambda: list(zip_longest(unpacked(packed), unpacked(zstd())))).wait(LATE)
    assert begun(lambda: list(unpacked(packed))).wait(LATE)  # and leaves none behind


@every_wide
def test_a_layer_that_is_left_half_read_lets_others_go_on(packed: bytes) -> None:
    left = unpacked(packed)
    next(left)
    del left
    assert begun(lambda: list(unpacked(packed))).wait(LATE)


@every_wide
def test_a_layer_that_is_damaged_lets_others_go_on(packed: bytes) -> None:
    with pytest.raises(CorruptContent):
        list(unpacked(packed[:-20]))
    assert begun(lambda: list(unpacked(packed))).wait(LATE)


@every_wide
def test_work_that_fails_amid_a_wide_layer_does_not_hold_up_the_rest(packed: bytes) -> None:
    """Its traceback, which is kept until all threads have ended, knows the layer."""
    both = threading.Barrier(2, timeout=LATE)

    def work(number: int) -> int:
        if number:
            both.wait()
            return sum(map(len, unpacked(packed)))
        layer = unpacked(packed)
        length = len(next(layer))
        both.wait()
        raise CorruptContent("layer 1", f"is no tar of {length} bytes")

    def all_work() -> None:
        with pytest.raises(CorruptContent, match="layer 1: is no tar of"):
            in_parallel(work, [0, 1], int, 2)

    assert begun(all_work).wait(LATE)


class FairSemaphore(threading.Semaphore):
    """One that whoever waits gets before the one who lets go of it."""

    def release(self, n: int = 1) -> None:
        super().release(n)
        time.sleep(SOON)


def test_layers_packed_anew_do_not_wait_for_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """One has the turn and needs room for a chunk; the others have all the room, and need the turn."""
    monkeypatch.setattr(threading, "Semaphore", FairSemaphore)
    turn, taken, has_room = Turn(), threading.Event(), threading.Event()

    def first() -> Iterator[Block]:
        with turn.taken():
            taken.set()
            has_room.wait(LATE)
            for _ in range(3):
                yield bytes(CHUNK)

    def after() -> Iterator[Block]:
        taken.wait(LATE)
        has_room.set()
        with turn.taken():
            yield bytes(CHUNK)

    with Compressor("zstd", 1, 1) as compressor:
        every = [begun(lambda: list(compressor.compressed(first())))]
        taken.wait(LATE)
        every += [begun(lambda: list(compressor.compressed(after()))) for _ in range(2)]
        assert all(each.wait(LATE) for each in every)


def test_any_thread_may_let_go_of_a_turn() -> None:
    turn = Turn()
    had = turn.taken()
    had.__enter__()
    waits = begun(turn.taken().__enter__)
    assert not waits.wait(SOON)
    assert begun(lambda: had.__exit__(None, None, None)).wait(LATE)
    assert waits.wait(LATE)


def test_a_turn_that_was_ended_takes_nobody_else_s_with_it() -> None:
    turn, may_end = Turn(), threading.Event()

    def other() -> None:
        with turn.taken():
            may_end.wait(LATE)

    with turn.taken():
        turn.end()
        ends = begun(other)
    turn.end()
    waits = begun(turn.taken().__enter__)
    assert not waits.wait(SOON)
    may_end.set()
    assert ends.wait(LATE)
    assert waits.wait(LATE)
