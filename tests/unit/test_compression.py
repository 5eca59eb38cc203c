"""Compressed streams: what the reference encoders write, damaged in every way, in pieces of every size."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
import zlib
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import CorruptContent, ToolkitError, UnsafeArchive, Unsupported
from toolkit.limits import Limits, hold
from toolkit.plumbing.compression import STEP, Decompression, decompressed, sniff
from toolkit.ports import Block

ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
CONTENT = random.Random(1).randbytes(3000) + b"lading" * 5000
SKIPPABLE = struct.pack("<II", 0x184D2A57, 5) + b"table"


def pieces(content: bytes, size: int) -> Iterator[Block]:
    for at in range(0, len(content), size):
        yield memoryview(content)[at : at + size]


def unpacked(content: bytes, compression: str, size: int = 1 << 20, *, strict: bool = True) -> Decompression:
    return decompressed(pieces(content, size), compression, "layer 1", strict=strict)


def outcome(content: bytes, compression: str, size: int, *, strict: bool = True) -> object:
    stream = unpacked(content, compression, size, strict=strict)
    try:
        return b"".join(stream), stream.notes
    except ToolkitError as error:
        return type(error)


@pytest.mark.parametrize("compression", ENCODE)
def test_content_is_recognised_and_comes_back(compression: str) -> None:
    packed = ENCODE[compression](CONTENT)
    assert sniff(packed[:18]) == sniff(packed[:10]) == compression
    for size in (1, 100, 1 << 20):
        assert outcome(packed, compression, size) == (CONTENT, [])


@pytest.mark.parametrize("compression", ENCODE)
def test_several_streams_are_one_content(compression: str) -> None:
    encode = ENCODE[compression]
    packed = encode(b"") + encode(CONTENT) + encode(b"end") + encode(b"")
    assert sniff(packed[:18]) == compression
    for size in (1, 100, 1 << 20):
        assert outcome(packed, compression, size) == (CONTENT + b"end", [])


def test_zstd_passes_over_skippable_frames() -> None:
    packed = SKIPPABLE + ENCODE["zstd"](CONTENT) + SKIPPABLE + ENCODE["zstd"](b"end") + SKIPPABLE
    assert sniff(packed[:8]) == "zstd"
    for size in (1, 100, 1 << 20):
        assert outcome(packed, "zstd", size) == (CONTENT + b"end", [])


@pytest.mark.parametrize("first", [b"", b"\x1f", b"\x1f\x8b", b"BZhello, a name in a tar", b"PK\x03\x04"])
def test_what_is_not_compressed_is_said_to_be_plain(first: bytes) -> None:
    assert sniff(first) == ""


def test_plain_content_passes_through() -> None:
    assert outcome(CONTENT, "", 100) == (CONTENT, [])


@pytest.mark.parametrize("compression", ["gzip", "xz", "bzip2"])
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_zero_padding_is_noted(compression: str, size: int) -> None:
    note = "512 zero bytes follow the compressed data; some readers refuse them"
    assert outcome(ENCODE[compression](CONTENT) + bytes(512), compression, size) == (CONTENT, [note])


@pytest.mark.parametrize("compression", ["gzip", "xz", "bzip2"])
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
@pytest.mark.parametrize("junk", [b"x" * 10, bytes(10) + b"x"])
def test_other_bytes_behind_are_refused_or_noted(compression: str, size: int, junk: bytes) -> None:
    packed = ENCODE[compression](CONTENT) + junk
    assert outcome(packed, compression, size) is CorruptContent
    note = f"{len(junk)} bytes follow the compressed data; some readers refuse them"
    assert outcome(packed, compression, size, strict=False) == (CONTENT, [note])
    with pytest.raises(CorruptContent, match="after the end of its compressed data"):
        list(unpacked(packed, compression))


@pytest.mark.parametrize("junk", [b"x" * 10, bytes(4), b"\x28\xb5\x2f\xfe"])
def test_nothing_but_frames_may_follow_a_zstd_frame(junk: bytes) -> None:
    for size in (1, 100, 1 << 20):
        assert outcome(ENCODE["zstd"](CONTENT) + junk, "zstd", size) is CorruptContent


@pytest.mark.parametrize("compression", ENCODE)
def test_every_cut_is_noticed(compression: str) -> None:
    packed = ENCODE[compression](b"some content, some content")
    for end in range(len(packed)):
        for size in (1, 1 << 20):
            assert outcome(packed[:end], compression, size) is CorruptContent, end


@pytest.mark.parametrize("compression", ENCODE)
@given(at=st.integers(0, 10_000), value=st.integers(1, 255), size=st.integers(1, 400))
def test_a_changed_byte_never_gives_other_content(compression: str, at: int, value: int, size: int) -> None:
    packed = bytearray(ENCODE[compression](CONTENT[:2000]))
    packed[at % len(packed)] ^= value
    whole = outcome(bytes(packed), compression, 1 << 20)
    assert whole == outcome(bytes(packed), compression, size)
    assert whole in (CorruptContent, UnsafeArchive, (CONTENT[:2000], []))


@given(
    compression=st.sampled_from([*ENCODE, ""]),
    begin=st.binary(max_size=12),
    garbage=st.binary(max_size=300),
    size=st.integers(1, 20),
)
def test_garbage_raises_nothing_but_our_errors(
    compression: str, begin: bytes, garbage: bytes, size: int
) -> None:
    magic = ENCODE[compression](b"x")[:10] if compression else b""
    for content in (begin + garbage, magic + garbage):
        found = outcome(content, compression, size)
        assert isinstance(found, tuple) or issubclass(found, CorruptContent)  # type: ignore[arg-type]


def gzip_member(flags: int, content: bytes) -> bytes:
    header = b"\x1f\x8b\x08" + bytes([flags]) + bytes(5) + b"\xff"
    header += struct.pack("<H", 4) + b"AB\0\0" if flags & 4 else b""
    header += b"a name\0" if flags & 8 else b""
    header += b"a comment\0" if flags & 16 else b""
    header += struct.pack("<H", zlib.crc32(header) & 0xFFFF) if flags & 2 else b""
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(content) + deflate.flush()
    return header + body + struct.pack("<II", zlib.crc32(content), len(content))


@pytest.mark.parametrize("flags", range(32))
def test_every_kind_of_gzip_header_is_read_in_pieces_of_any_size(flags: int) -> None:
    packed = gzip_member(flags, b"content") * 2
    assert gzip.decompress(packed) == b"content" * 2
    for size in range(1, len(packed) + 1):
        assert outcome(packed, "gzip", size) == (b"content" * 2, [])


def test_broken_gzip_headers_are_refused() -> None:
    good = gzip_member(2, b"content")
    for bad in (good[:10] + b"xx" + good[12:], good[:3] + b"\x22" + good[4:], good[:2] + b"\x07" + good[3:]):
        assert outcome(bad, "gzip", 100) is CorruptContent
    endless = b"\x1f\x8b\x08\x08" + bytes(5) + b"\xff" + b"n" * (1 << 20)
    assert outcome(endless, "gzip", 1 << 16) is UnsafeArchive


@pytest.mark.parametrize("compression", ENCODE)
def test_a_bomb_is_stopped_once_it_is_large(compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.plumbing.compression.GRACE", 64 << 20)
    hold(Limits(ratio=500))
    one = ENCODE[compression](bytes(1 << 24))
    stream = decompressed(pieces(one * 6, 1 << 20), compression, "layer 1")
    with pytest.raises(UnsafeArchive, match="layer 1: unpacks to more than 500 times its size"):
        assert max(map(len, stream)) <= STEP
    assert 64 << 20 < stream.produced <= (64 << 20) + STEP


def test_content_below_the_grace_may_shrink_as_it_likes() -> None:
    stream = decompressed(pieces(ENCODE["zstd"](bytes(32 << 20)), 100), "zstd")
    assert sum(map(len, stream)) == stream.produced == 32 << 20
    assert stream.consumed < 2000


def test_the_limit_of_output_is_held() -> None:
    stream = decompressed(pieces(ENCODE["gzip"](CONTENT), 100), "gzip", "layer 1", limit=len(CONTENT) - 1)
    with pytest.raises(UnsafeArchive, match=rf"more than {len(CONTENT) - 1} bytes"):
        list(stream)
    assert list(decompressed(pieces(b"12", 1), "", limit=2)) == [b"1", b"2"]
    with pytest.raises(UnsafeArchive):
        list(decompressed(pieces(b"123", 1), "", limit=2))


def test_decoders_that_want_too_much_memory_are_refused() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=28)
    packed = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    with pytest.raises(UnsafeArchive, match="window"):
        list(unpacked(packed.compress(b"x") + packed.flush(), "zstd"))
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 256 << 20}]
    with pytest.raises(UnsafeArchive, match="memory"):
        list(unpacked(lzma.compress(b"x", filters=filters), "xz"))
    assert outcome(lzma.compress(CONTENT, preset=9), "xz", 100) == (CONTENT, [])


@pytest.mark.parametrize(
    ("compression", "empty"), [("gzip", gzip.compress(b"")), ("zstd", struct.pack("<II", 0x184D2A50, 0))]
)
def test_endless_empty_streams_are_refused(compression: str, empty: bytes) -> None:
    with pytest.raises(UnsafeArchive, match="more than 100000"):
        list(unpacked(empty * 100_001, compression))


def test_an_unknown_compression_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="'lz4'"):
        decompressed(iter([b"x"]), "lz4")


@pytest.mark.parametrize("compression", ENCODE)
def test_an_error_of_the_blocks_keeps_its_own_words(compression: str) -> None:
    def broken() -> Iterator[Block]:
        yield ENCODE[compression](CONTENT)[:20]
        raise CorruptContent("blob 7", "ends early")

    with pytest.raises(CorruptContent, match=r"^blob 7: ends early$"):
        list(decompressed(broken(), compression))


@pytest.mark.parametrize("compression", [*ENCODE, ""])
def test_a_block_that_is_used_again_by_its_maker_is_read_right(compression: str) -> None:
    packed = ENCODE[compression](CONTENT) if compression else CONTENT

    def reused() -> Iterator[Block]:
        buffer = bytearray(700)
        for at in range(0, len(packed), 700):
            piece = packed[at : at + 700]
            buffer[: len(piece)] = piece
            yield memoryview(buffer)[: len(piece)]
            buffer[:] = b"\xaa" * 700

    assert b"".join(decompressed(reused(), compression)) == CONTENT


@pytest.mark.parametrize("size", [1, 3, 9])
def test_a_gzip_header_that_comes_in_blocks_of_one_room_is_read_right(size: int) -> None:
    """Found by fuzzing: the beginning of a header was looked at again in a room that held the next block."""
    content, room = gzip.compress(b"content", mtime=0) * 2, bytearray(size)

    def reused() -> Iterator[Block]:
        for piece in pieces(content, size):
            room[: len(piece)] = piece
            yield memoryview(room)[: len(piece)]

    assert b"".join(decompressed(reused(), "gzip")) == b"contentcontent"
