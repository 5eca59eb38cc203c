"""Frames of the reference encoder, in every form it writes, cut at every byte."""

from __future__ import annotations

import random
import struct

import pytest
import zstandard

from toolkit.errors import CorruptContent, UnsafeArchive
from toolkit.plumbing.zstdframes import Frames

MAX_FRAMES = 100_000
CONTENT = random.Random(1).randbytes(300) + b"a" * 300
SKIPPABLE = struct.pack("<II", 0x184D2A5F, 5) + b"table"


def packed(content: bytes = CONTENT, *, checksum: bool = False, size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=size).compress(content)


def streamed(content: bytes, flushes: int) -> bytes:
    """A frame of several blocks and of unknown content size."""
    encoder = zstandard.ZstdCompressor().compressobj()
    out = b""
    for _ in range(flushes):
        out += encoder.compress(content) + encoder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return out + encoder.flush()


FRAMES = {
    "bare": packed(),
    "checksum": packed(checksum=True),
    "no-size": packed(size=False),
    "empty": packed(b""),
    "one-byte-repeated": packed(b"a" * 200_000),
    "random": packed(random.Random(2).randbytes(300)),
    "large": packed(random.Random(3).randbytes(70_000)),
    "blocks": streamed(CONTENT, 4),
    "skippable": SKIPPABLE,
}


def follow(data: bytes, size: int = 1 << 20) -> int:
    frames = Frames("x")
    for at in range(0, len(data), size):
        frames.feed(memoryview(data)[at : at + size])
    frames.finish()
    return frames.count


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_ends_where_the_encoder_ended_it(kind: str, size: int) -> None:
    assert follow(FRAMES[kind], size) == 1
    assert follow(FRAMES[kind] + SKIPPABLE + FRAMES["bare"], size) == 3


@pytest.mark.parametrize("kind", [kind for kind, frame in FRAMES.items() if len(frame) < 2000])
def test_a_frame_that_was_cut_anywhere_is_corrupt(kind: str) -> None:
    for end in range(len(FRAMES[kind])):
        with pytest.raises(CorruptContent, match="x: ends amid its compressed data; it was cut short"):
            follow(FRAMES[kind][:end])


@pytest.mark.parametrize(
    ("data", "what"), [(b"\x1f\x8b\x08\0", "no zstd data"), (FRAMES["bare"] + bytes(4), "after its first")]
)
def test_what_is_no_frame_is_corrupt(data: bytes, what: str) -> None:
    with pytest.raises(CorruptContent, match=f"x: has bytes that are .*{what}"):
        follow(data)


def test_there_may_not_be_endless_frames() -> None:
    none = struct.pack("<II", 0x184D2A50, 0)
    assert follow(none * 100) == 100
    with pytest.raises(UnsafeArchive, match=f"more than {MAX_FRAMES} zstd frames"):
        follow(none * (MAX_FRAMES + 1))


@pytest.mark.parametrize("window_log", [0, 10, 20, 23, 24, 27])
@pytest.mark.parametrize("size", [True, False])
def test_a_frame_tells_the_window_that_libzstd_finds(window_log: int, size: bool) -> None:  # noqa: FBT001
    facts = zstandard.ZstdCompressionParameters.from_level(1, window_log=window_log, write_content_size=size)
    frame = zstandard.ZstdCompressor(compression_params=facts).compress(CONTENT * 100)
    frames = Frames("x")
    frames.feed(frame + FRAMES["bare"])
    assert frames.window == zstandard.get_frame_parameters(frame).window_size
