"""The header of a gzip member (RFC 1952, section 2.3).

Read here because isal loses its place where a header with a checksum of its own comes in two blocks.
"""

from __future__ import annotations

from zlib import crc32

from toolkit.errors import CorruptContent, UnsafeArchive

FIXED = 10  # bytes before the optional fields
LIMIT = 128 << 10  # bytes; an extra field has 64 KiB at most, names are short
HEADER_CRC, EXTRA, NAME, COMMENT, RESERVED = 0x02, 0x04, 0x08, 0x10, 0xE0


def header_length(data: bytes, subject: str) -> int | None:
    """Return the bytes of the header at the start of `data`, or None if it goes on beyond them.

    Raises CorruptContent where it is none, UnsafeArchive where it is absurdly long.
    """
    length = _length(data, subject)
    if length is None:
        if len(data) > LIMIT:
            raise UnsafeArchive(subject, f"has a gzip header of more than {LIMIT} bytes")
        return None
    if data[3] & HEADER_CRC:
        stated = int.from_bytes(data[length - 2 : length], "little")
        if stated != crc32(data[: length - 2]) & 0xFFFF:
            raise CorruptContent(subject, "has a gzip header with a wrong checksum")
    return length


def _length(data: bytes, subject: str) -> int | None:
    if len(data) < FIXED:
        return None
    flags = data[3]
    if data[:3] != b"\x1f\x8b\x08" or flags & RESERVED:
        raise CorruptContent(subject, "has a broken gzip header")
    at = FIXED
    if flags & EXTRA:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (NAME, COMMENT):
        if flags & flag:
            at = data.find(b"\0", at) + 1
            if not at:
                return None
    at += 2 if flags & HEADER_CRC else 0
    return at if at <= len(data) else None
