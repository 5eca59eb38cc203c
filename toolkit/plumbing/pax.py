"""PAX records (POSIX.1-2001 pax, "pax Header Block"), read as strictly as Go does, and written.

Errors carry no subject: whoever has the stream adds it.
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.errors import CorruptContent, UnsafeArchive

LARGEST = 2**63 - 1
LENGTH_DIGITS = 7  # of a record; an extension header holds 1 MiB at most
SECOND = 10**9  # nanoseconds
TEXT_KEYS = frozenset((b"path", b"linkpath", b"uname", b"gname"))
NEVER_EMPTY = frozenset((b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", b"atime", b"ctime"))


def parse_records(body: bytes) -> dict[bytes, bytes]:
    """Read the records of one PAX header; raises CorruptContent, or UnsafeArchive for a NUL in a name."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(body):
        space = body.find(b" ", position, position + LENGTH_DIGITS + 1)
        digits = body[position:space] if space > position else b""
        end = position + int(digits) if digits.isdigit() else 0
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if not position < space < end <= len(body) or body[end - 1] != ord("\n") or not key or not equals:
            raise CorruptContent("", f"has a malformed PAX record, {body[position : position + 40]!r}")
        if b"\0" in key or (key in TEXT_KEYS and b"\0" in value):
            raise UnsafeArchive("", f"has a NUL in its PAX {shown(key)}")
        if not value and key in NEVER_EMPTY:
            raise CorruptContent("", f"has an empty PAX {shown(key)}")
        records[key] = value
        position = end
    return records


def format_records(records: Mapping[bytes, bytes]) -> bytes:
    """Write records with sorted keys (formats F.6)."""
    return b"".join(_record(key, records[key]) for key in sorted(records))


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" %b=%b\n" % (key, value)
    length = len(rest) + len(str(len(rest)))
    length = len(rest) + len(str(length))  # the number counts its own digits
    return str(length).encode() + rest


def whole_number(value: bytes, key: str) -> int:
    """Read a decimal number of 64 bits; raises CorruptContent."""
    digits = value.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 19 or int(digits) > LARGEST:  # noqa: PLR2004 - 2**63
        raise CorruptContent("", f"has a PAX {key} of {value[:40]!r}, which is no number")
    return int(value)


def parse_time(value: bytes, key: str) -> tuple[int, int]:
    """Read a time as (seconds rounded down, nanoseconds); digits beyond the ninth are dropped."""
    text, _, fraction = value.partition(b".")
    seconds = whole_number(text, key)
    if fraction and not fraction.isdigit():
        raise CorruptContent("", f"has a PAX {key} of {value[:40]!r}, which is no time")
    nanoseconds = int(fraction[:9].ljust(9, b"0"))
    if text.startswith(b"-") and nanoseconds:
        return seconds - 1, SECOND - nanoseconds
    return seconds, nanoseconds


def format_time(seconds: int, nanoseconds: int) -> bytes:
    """Write a time as Go does: no trailing zeros."""
    sign = ""
    if seconds < 0:
        total = -(seconds * SECOND + nanoseconds)
        sign, (seconds, nanoseconds) = "-", divmod(total, SECOND)
    return f"{sign}{seconds}.{nanoseconds:09d}".rstrip("0").rstrip(".").encode()


def shown(key: bytes) -> str:
    """Return a key as text for a message."""
    return key[:80].decode(errors="backslashreplace")
