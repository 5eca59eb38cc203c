"""Sizes, times and IDs as `docker` prints them."""

from __future__ import annotations

import calendar
import re
import time

from toolkit.gotime import RFC3339

UNKNOWN = "N/A"
UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds
WEEK, MONTH, YEAR = 7 * DAY, 30 * DAY, 365 * DAY
AGES = (  # from so many seconds on, counted in, said as
    (2 * YEAR, YEAR, "{} years"),
    (2 * MONTH, MONTH, "{} months"),
    (2 * WEEK, WEEK, "{} weeks"),
    (2 * DAY, DAY, "{} days"),
    (2 * HOUR, HOUR, "{} hours"),
    (HOUR, HOUR, "About an hour"),
    (2 * MINUTE, MINUTE, "{} minutes"),
    (MINUTE, MINUTE, "About a minute"),
    (2, 1, "{} seconds"),
    (1, 1, "1 second"),
)
ID = re.compile(r"(?:[a-z0-9]+:)?([0-9a-f]{64,})(?:[#-][0-9]+)?")  # `#1`: of the second place


def size_text(size: int | None) -> str:
    """Return bytes with three digits and a decimal unit, `188MB`; `N/A` where none is recorded."""
    if size is None:
        return UNKNOWN
    number, unit = float(size), 0
    while float(f"{number:.3g}") >= 1000 and unit < len(UNITS) - 1:  # noqa: PLR2004 - decimal units
        number, unit = number / 1000, unit + 1
    return f"{number:.3g}{UNITS[unit]}" if number < 1000 else f"{number:.0f}{UNITS[unit]}"  # noqa: PLR2004


def day_text(created: str | None) -> str:
    """Return the day of an RFC 3339 time, as it stands; `N/A` where it says none."""
    return created[:10] if created and _seconds(created) is not None else UNKNOWN


def ago_text(created: str | None, now: float | None = None) -> str:
    """Return how long ago a time was in `docker history`'s words, `11 years ago`."""
    then = _seconds(created) if created else None
    if then is None:
        return UNKNOWN
    return f"{_age(int((time.time() if now is None else now) - then))} ago"


def short_id(text: str) -> str:
    """Return the twelve digits people read of a digest or v1 ID; other text as it stands."""
    found = ID.fullmatch(text)
    return found[1][:12] if found else text


def _age(seconds: int) -> str:
    whole = (seconds + HOUR // 2) // HOUR * HOUR if seconds >= HOUR else seconds
    for least, unit, text in AGES:
        if whole >= least:
            return text.format(whole // unit)
    return "Less than a second"


def _seconds(created: str) -> int | None:
    """Return seconds since 1970; None for Go's zero time and for what is no time."""
    if (found := RFC3339.fullmatch(created)) is None or found[1] in {"0000", "0001"}:
        return None
    year, month, day, hour, minute, second = (int(found[number]) for number in range(1, 7))
    offset = (int(found[9] or 0) * HOUR + int(found[10] or 0) * MINUTE) * (-1 if found[8] == "-" else 1)
    try:
        return calendar.timegm((year, month, day, hour, minute, second)) - offset
    except ValueError:
        return None
