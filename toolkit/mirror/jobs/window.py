"""Window: the hours in which a run may work, `22:00-05:00`, by this machine's clock on the wall."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

TEXT = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", re.ASCII)
DAY = 24 * 60  # minutes


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` up to `end`, each day; in minutes behind midnight, `end` perhaps on the next day.

    Where the clocks are changed, a time that comes twice means the first one, and a time that never comes
    means the moment at which it is passed over. Moments are in seconds since 1970.
    """

    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `HH:MM-HH:MM`; raises ValueError, which says what is expected."""
        if (found := TEXT.fullmatch(text)) is None:
            raise ValueError("two times of the day, as 22:00-05:00")
        start = int(found[1]) * 60 + int(found[2])
        end = int(found[3]) * 60 + int(found[4]) if found[3] else DAY
        if start == end:
            raise ValueError("two times that differ; without a window it is all day")
        return cls(start, end if end > start else end + DAY)

    def __str__(self) -> str:
        end = self.end if self.end == DAY else self.end % DAY
        return f"{self.start // 60:02}:{self.start % 60:02}-{end // 60:02}:{end % 60:02}"

    def is_open(self, now: float) -> bool:
        """Tell whether work may go on."""
        return self.seconds_left(now) > 0

    def seconds_left(self, now: float) -> float:
        """Return for how long work may go on; 0 while it may not."""
        today = _day(now)
        days = (today - timedelta(days=1), today)
        return max(0.0, *(_moment(day, self.end) - now for day in days if _moment(day, self.start) <= now))

    def opens(self, now: float) -> float:
        """Return when work may begin: `now`, where it may."""
        if self.is_open(now):
            return now
        days = [_day(now) + timedelta(days=days) for days in range(3)]  # one may have no such hour
        spans = ((_moment(day, self.start), _moment(day, self.end)) for day in days)
        return min(start for start, end in spans if now < start < end)


def _day(now: float) -> date:
    return datetime.fromtimestamp(now).date()  # noqa: DTZ006 - this machine's own time is what is meant


def _moment(day: date, minutes: int) -> float:
    """Return when the clock on the wall first shows so many minutes behind midnight of `day`, or more."""
    day += timedelta(days=minutes // DAY)
    wall = datetime(day.year, day.month, day.day, minutes % DAY // 60, minutes % 60)  # noqa: DTZ001 - as above
    moment = wall.timestamp()
    if datetime.fromtimestamp(moment) == wall:  # noqa: DTZ006
        return moment
    before, after = int(wall.replace(fold=1).timestamp()), int(moment)  # the clocks go forward in between
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle) < wall:  # noqa: DTZ006
            before = middle
        else:
            after = middle
    return float(after)
