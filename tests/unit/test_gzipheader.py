"""Headers made by hand after RFC 1952, section 2.3."""

from __future__ import annotations

from zlib import crc32

import pytest

from toolkit.errors import CorruptContent, UnsafeArchive
from toolkit.plumbing.gzipheader import LIMIT, header_length

START = b"\x1f\x8b\x08"
REST = bytes(6)  # time, extra flags, system
TEXT, CRC, EXTRA, NAME, COMMENT = 1, 2, 4, 8, 16


def header(flags: int, fields: bytes = b"") -> bytes:
    whole = START + bytes([flags]) + REST + fields
    return whole + (crc32(whole) & 0xFFFF).to_bytes(2, "little") if flags & CRC else whole


HEADERS = {
    "bare": header(0),
    "text": header(TEXT),
    "extra": header(EXTRA, b"\x04\0\0a\0b"),
    "no-extra": header(EXTRA, b"\0\0"),
    "name": header(NAME, b"layer.tar\0"),
    "comment": header(COMMENT, b"\0"),
    "crc": header(CRC),
    "all": header(TEXT | CRC | EXTRA | NAME | COMMENT, b"\x02\0\0\0" + b"name\0" + b"comment\0"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_the_length_is_known_as_soon_as_the_header_is_whole(kind: str) -> None:
    whole = HEADERS[kind]
    assert [header_length(whole[:size], "x") for size in range(len(whole))] == [None] * len(whole)
    assert header_length(whole, "x") == header_length(whole + b"\0\xff" * 50, "x") == len(whole)


@pytest.mark.parametrize(
    "data", [b"\x1f\x8b\x07" + bytes(7), bytes(10), START + b"\x20" + REST, START + b"\x80" + REST]
)
def test_what_is_no_header_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptContent, match="x: has a broken gzip header"):
        header_length(data, "x")


def test_a_wrong_checksum_is_corrupt() -> None:
    whole = HEADERS["all"]
    for at in (4, 12, len(whole) - 1):
        damaged = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        with pytest.raises(CorruptContent, match="a wrong checksum"):
            header_length(damaged, "x")


@pytest.mark.parametrize("flag", [NAME, COMMENT])
def test_an_endless_name_is_refused(flag: int) -> None:
    assert header_length(header(flag, b"x" * (LIMIT - 10)), "x") is None
    with pytest.raises(UnsafeArchive, match="a gzip header of more than"):
        header_length(header(flag, b"x" * LIMIT), "x")
