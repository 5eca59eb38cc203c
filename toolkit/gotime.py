"""Go's time: read as `time.Time` reads JSON, written as RFC 3339 with nanoseconds (formats 0.3)."""

from __future__ import annotations

import calendar
import re

from toolkit.errors import InvalidDocument

ZERO = "0001-01-01T00:00:00Z"  # a time.Time that was never set
EPOCH = "1970-01-01T00:00:00Z"
# Go 1.19 is this lenient: a one-digit hour, a comma, an offset beyond a day.
RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d++))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
NANOSECONDS = 9  # digits; Go drops further ones
DECEMBER = 12


def go_time(text: str) -> str:
    """Return the time as Go writes back what it read; raises InvalidDocument where Go reads none."""
    if (found := RFC3339.fullmatch(text)) is None or not _exists(found):
        raise InvalidDocument(repr(text[:100]), "is not a time as RFC 3339 has it")
    year, month, day, hour, minute, second = found.groups()[:6]
    fraction = (found[7] or "")[:NANOSECONDS].rstrip("0")
    point = "." if fraction else ""
    return f"{year}-{month}-{day}T{hour:0>2}:{minute}:{second}{point}{fraction}{_zone(found)}"


def _exists(found: re.Match[str]) -> bool:
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    if not 1 <= month <= DECEMBER:
        return False
    days = calendar.monthrange(year, month)[1]
    return 1 <= day <= days and hour < 24 and minute < 60 and second < 60  # noqa: PLR2004 - the clock


def _zone(found: re.Match[str]) -> str:
    minutes = int(found[9] or 0) * 60 + int(found[10] or 0)
    return f"{found[8]}{minutes // 60:02}:{minutes % 60:02}" if minutes else "Z"


def seconds(text: str | None) -> int:
    """Return the time in whole seconds since 1970, rounded down; 0 where there is none or it is none."""
    if text is None or (found := RFC3339.fullmatch(text)) is None or not _exists(found):
        return 0
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    offset = (int(found[9] or 0) * 60 + int(found[10] or 0)) * 60 * (-1 if found[8] == "-" else 1)
    return calendar.timegm((year, month, day, hour, minute, second)) - offset
