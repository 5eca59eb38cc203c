"""The hours in which a run may work, over midnight and over the changes of the clocks."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator

import pytest

from toolkit.mirror.jobs.window import Window

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"  # POSIX: so that no list of zones is needed
HOUR = 3600


@pytest.fixture(autouse=True)
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", BERLIN)
        time.tzset()
        yield
    time.tzset()


def utc(text: str) -> float:
    """`2026-11-27 21:00`, in UTC."""
    return float(calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M")))


@pytest.mark.parametrize(
    ("window", "now", "left", "opens"),
    [
        # in winter the clock on the wall is an hour ahead of UTC
        ("22:00-05:00", "2026-11-27 20:59", 0, "2026-11-27 21:00"),
        ("22:00-05:00", "2026-11-27 21:00", 7 * HOUR, "2026-11-27 21:00"),
        ("22:00-05:00", "2026-11-27 22:59", 5 * HOUR + 60, "2026-11-27 22:59"),
        ("22:00-05:00", "2026-11-27 23:00", 5 * HOUR, "2026-11-27 23:00"),  # midnight
        ("22:00-05:00", "2026-11-28 03:59", 60, "2026-11-28 03:59"),
        ("22:00-05:00", "2026-11-28 04:00", 0, "2026-11-28 21:00"),
        ("12:00-13:30", "2026-11-27 10:59", 0, "2026-11-27 11:00"),
        ("12:00-13:30", "2026-11-27 11:30", HOUR, "2026-11-27 11:30"),
        ("12:00-13:30", "2026-11-27 12:30", 0, "2026-11-28 11:00"),
        ("22:00-24:00", "2026-11-27 22:59", 60, "2026-11-27 22:59"),
        ("22:00-24:00", "2026-11-27 23:00", 0, "2026-11-28 21:00"),
        ("22:00-00:00", "2026-11-27 23:00", 0, "2026-11-28 21:00"),
        ("00:00-24:00", "2026-11-27 23:00", 24 * HOUR, "2026-11-27 23:00"),
        ("22:00-05:00", "2026-12-31 23:30", 4 * HOUR + HOUR // 2, "2026-12-31 23:30"),
        # on 2026-03-29 there is no 02:00 to 03:00: 01:00 UTC is 03:00 on the wall
        ("22:00-05:00", "2026-03-28 21:00", 6 * HOUR, "2026-03-28 21:00"),
        ("02:30-05:00", "2026-03-29 00:59", 0, "2026-03-29 01:00"),
        ("02:30-05:00", "2026-03-29 01:00", 2 * HOUR, "2026-03-29 01:00"),
        ("22:00-02:30", "2026-03-29 00:59", 60, "2026-03-29 00:59"),
        ("22:00-02:30", "2026-03-29 01:00", 0, "2026-03-29 20:00"),
        ("02:10-02:50", "2026-03-29 00:30", 0, "2026-03-30 00:10"),  # not in that night
        # on 2026-10-25 02:00 to 03:00 comes twice, from 00:00 and from 01:00 UTC on
        ("22:00-05:00", "2026-10-24 20:00", 8 * HOUR, "2026-10-24 20:00"),
        ("02:30-05:00", "2026-10-25 00:29", 0, "2026-10-25 00:30"),
        ("02:30-05:00", "2026-10-25 01:10", 2 * HOUR + 50 * 60, "2026-10-25 01:10"),
        ("22:00-02:30", "2026-10-25 00:29", 60, "2026-10-25 00:29"),
        ("22:00-02:30", "2026-10-25 01:10", 0, "2026-10-25 21:00"),  # it closed when it was 02:30 first
    ],
)
def test_a_window_opens_and_closes_by_the_clock_on_the_wall(
    window: str, now: str, left: int, opens: str
) -> None:
    parsed, moment = Window.parse(window), utc(now)
    assert parsed.seconds_left(moment) == left
    assert parsed.is_open(moment) == (left > 0)
    assert time.gmtime(parsed.opens(moment)) == time.gmtime(utc(opens))


@pytest.mark.parametrize("text", ["22:00-05:00", "00:00-24:00", "22:00-24:00", "12:05-13:30", "05:00-04:59"])
def test_a_window_is_written_as_it_is_read(text: str) -> None:
    assert str(Window.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "22-05", "22:00", "22:00-25:00", "24:00-05:00", "22:60-05:00", "22:00-24:30", "22:00 - 05:00", "٢٢:00-05:00", "22:00-05:00\n", "22:00-22:00"],
)  # fmt: skip
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="two times"):
        Window.parse(text)
