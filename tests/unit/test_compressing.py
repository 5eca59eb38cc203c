"""Compressed content, read back by Python's own readers and by ours; the same bytes whatever the threads."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import CorruptContent, Unsupported, UsageError
from toolkit.plumbing.compressing import (
    BUDGET,
    CHUNK,
    LEVELS,
    XZ_CHUNK,
    Compressor,
    _bzip2,
    _gzip,
    _xz,
    _zstd,
    compressed,
    level_for,
)
from toolkit.plumbing.compression import decompressed, sniff
from toolkit.ports import Block


def zstd_reads(packed: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed), read_across_frames=True) as reader:
        return reader.read()


READ: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "zstd": zstd_reads,
    "xz": lzma.decompress,
    "bzip2": bz2.decompress,
}
every_compression = pytest.mark.parametrize("compression", READ)
RANDOM = random.Random(1)
TEXT = b"".join(b"%d lading\n" % RANDOM.randrange(1 << 20) for _ in range(150_000))  # 2 MB
LONG = (TEXT * 5)[: 2 * CHUNK + 12345]


def pieces(content: bytes, size: int) -> Iterator[Block]:
    """Yield the content through one buffer, as files are read."""
    buffer = bytearray(size)
    for at in range(0, len(content), size):
        count = min(size, len(content) - at)
        buffer[:count] = content[at : at + count]
        yield memoryview(buffer)[:count]
    buffer[:] = b"\xaa" * size


def packed(content: bytes, compression: str, size: int = 1 << 20, **options: int) -> bytes:
    return b"".join(compressed(pieces(content, size), compression, **options))


@every_compression
@pytest.mark.parametrize("length", [0, 1, 1000, XZ_CHUNK, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_every_length_is_read_back(compression: str, length: int) -> None:
    content = LONG[:length]
    found = packed(content, compression, level=1)
    assert READ[compression](found) == content
    assert sniff(found[:18]) == compression
    assert b"".join(decompressed(pieces(found, 1 << 20), compression)) == content


@every_compression
def test_the_bytes_depend_on_neither_blocks_nor_threads(compression: str) -> None:
    content = LONG[: CHUNK + 9999]
    options = [(1 << 20, 1), (1 << 20, 2), (1 << 20, 7), (99_991, 3), (CHUNK + 9999, 2)]
    found = {packed(content, compression, size, level=1, jobs=jobs) for size, jobs in options}
    assert len(found) == 1


@every_compression
@given(lengths=st.lists(st.integers(0, 300), max_size=20))
def test_blocks_of_any_length_are_joined(compression: str, lengths: list[int]) -> None:
    blocks = [TEXT[:length] for length in lengths]
    assert READ[compression](b"".join(compressed(iter(blocks), compression, 1, 1))) == b"".join(blocks)


@every_compression
def test_each_chunk_is_a_stream_of_its_own(compression: str) -> None:
    size = XZ_CHUNK if compression == "xz" else CHUNK
    one, two = LONG[:size], LONG[size : size + 100]
    assert packed(one + two, compression) == packed(one, compression) + packed(two, compression)


@every_compression
def test_levels_are_those_of_the_format_and_are_heeded(compression: str) -> None:
    least, most, usual = LEVELS[compression]
    content = LONG[: 1 << 20]
    fast, best = (len(packed(content, compression, level=level)) for level in (least, most))
    assert packed(content, compression) == packed(content, compression, level=usual)
    assert best < fast
    for level in (least - 1, most + 1, -5, 100):
        with pytest.raises(
            UsageError, match=f"level {level}: is none of {compression}, expected {least} to {most}"
        ):
            compressed(iter([]), compression, level)


def test_an_unknown_compression_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="'lz4': is not written, expected one of gzip, zstd, xz, bzip2"):
        level_for("lz4")


def test_a_gzip_member_tells_no_time_no_name_and_no_system() -> None:
    headers = {level: packed(b"x", "gzip", level=level)[:10].hex() for level in (1, 6, 9)}
    assert headers == {1: "1f8b08000000000004ff", 6: "1f8b08000000000000ff", 9: "1f8b08000000000002ff"}


def test_a_zstd_frame_tells_its_size_and_a_checksum() -> None:
    facts = zstandard.get_frame_parameters(packed(TEXT, "zstd"))
    assert (facts.content_size, facts.has_checksum) == (len(TEXT), True)
    broken = bytearray(packed(b"some content", "zstd"))
    broken[-1] ^= 1
    with pytest.raises(CorruptContent):
        list(decompressed(iter([bytes(broken)]), "zstd"))


def test_an_xz_stream_has_a_checksum() -> None:
    reader = lzma.LZMADecompressor()
    reader.decompress(packed(TEXT, "xz", level=1))
    assert reader.check == lzma.CHECK_CRC64


def test_no_more_encoders_work_at_once_than_the_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64))
    encoders = {"gzip": _gzip(6), "zstd": _zstd(3), "zstd 19": _zstd(19), "xz": _xz(6), "bzip2": _bzip2(9)}
    for name, encoder in encoders.items():
        chunks = 2 * encoder.chunk * (encoder.jobs() + 1)
        assert chunks + encoder.memory * encoder.jobs() <= BUDGET or encoder.jobs() == 1, name
    assert {name: encoders[name].jobs() for name in ("gzip", "xz", "bzip2")} == {
        "gzip": 5,
        "xz": 2,
        "bzip2": 3,
    }
    assert encoders["zstd"].jobs() >= 3
    assert BUDGET <= 64 << 20


def test_several_contents_share_the_threads() -> None:
    contents = [LONG[:length] for length in (CHUNK * 2, 0, 100, CHUNK + 1, CHUNK * 2, 7, CHUNK)]
    with Compressor("zstd", jobs=2) as compressor, ThreadPoolExecutor(len(contents)) as pool:

        def pack(content: bytes) -> bytes:
            return b"".join(compressor.compressed(pieces(content, 1 << 20)))

        found = list(pool.map(pack, contents))
    assert found == [packed(content, "zstd", jobs=1) for content in contents]


def test_no_more_is_read_than_there_is_room_for() -> None:
    read = 0

    def blocks() -> Iterator[Block]:
        nonlocal read
        for _ in range(20):
            read += 1
            yield bytes(CHUNK)

    found = compressed(blocks(), "zstd", 1, 2)
    next(found)
    assert read <= 3
    found.close()


def test_what_the_blocks_raise_comes_out_and_no_thread_stays() -> None:
    before = threading.active_count()

    def broken() -> Iterator[Block]:
        yield bytes(3 * CHUNK)
        raise CorruptContent("blob 7", "ends early")

    with pytest.raises(CorruptContent, match="blob 7: ends early"):
        list(compressed(broken(), "gzip", 1, 2))
    left = compressed(pieces(LONG, 1 << 20), "gzip", 1, 2)
    next(left)
    left.close()
    assert threading.active_count() == before


def test_a_content_that_failed_leaves_its_room_to_the_others() -> None:
    def broken() -> Iterator[Block]:
        yield bytes(CHUNK)
        raise CorruptContent("blob 7", "ends early")

    with Compressor("gzip", 1, 1) as compressor:
        for _ in range(5):
            with pytest.raises(CorruptContent):
                list(compressor.compressed(broken()))
        assert gzip.decompress(b"".join(compressor.compressed(iter([TEXT])))) == TEXT


def test_no_compression_gives_the_content_itself() -> None:
    with Compressor("") as compressor:
        assert b"".join(compressor.compressed(pieces(TEXT, 999))) == TEXT
