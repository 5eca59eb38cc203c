"""A plain mutator, for where atheris is not: it knows no coverage, and finds what is near the seeds."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

TOKENS = (
    b"\0", b"\xff", b"\x7f", b"../", b"./", b"/", b".wh.", b".wh..wh..opq", b"-1", b"0", b"4294967296",
    b"9223372036854775807", b"18446744073709551616", b"null", b"true", b"[]", b"{}", b'""', b'"', b"\\u0000",
    b"\\ud800", b"sha256:", b"sha512:", b"NaN", b"1e3", b",", b":", b"{", b"}", b"[", b"]", b"\n", b" ",
    b"x" * 300, b"a/" * 40, b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"ustar\x0000", b"00000000000\0",
)  # fmt: skip
SPANS = (1, 2, 4, 8, 64, 512)  # bytes that are changed at once
Change = Callable[[bytearray, int, int, random.Random], None]  # of the input, where, how many bytes


def mutated(data: bytes, rng: random.Random, others: Sequence[bytes], longest: int) -> bytes:
    """Return an input that is a few changes away."""
    out = bytearray(data)
    for _ in range(1 << rng.randrange(5)):
        at, span = rng.randrange(len(out) + 1), rng.choice(SPANS)
        if others and not rng.randrange(8):
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            out[at : at + span] = other[start : start + span]
        else:
            rng.choice(CHANGES)(out, at, span, rng)
    return bytes(out[:longest])


def _flip(out: bytearray, at: int, span: int, rng: random.Random) -> None:
    if at < len(out):
        out[at] ^= 1 << rng.randrange(8) if span > 1 else rng.randrange(1, 256)


def _remove(out: bytearray, at: int, span: int, rng: random.Random) -> None:  # noqa: ARG001 - as the others
    del out[at : at + span]


def _repeat(out: bytearray, at: int, span: int, rng: random.Random) -> None:  # noqa: ARG001
    out[at:at] = out[at : at + span]


def _insert(out: bytearray, at: int, span: int, rng: random.Random) -> None:  # noqa: ARG001
    out[at:at] = rng.choice(TOKENS)


def _overwrite(out: bytearray, at: int, span: int, rng: random.Random) -> None:  # noqa: ARG001
    token = rng.choice(TOKENS)
    out[at : at + len(token)] = token


def _exchange(out: bytearray, at: int, span: int, rng: random.Random) -> None:
    start = rng.randrange(len(out) + 1)
    piece = bytes(out[start : start + span])
    out[start : start + span], out[at : at + span] = out[at : at + span], piece


CHANGES: tuple[Change, ...] = (_flip, _flip, _remove, _repeat, _insert, _overwrite, _exchange)
