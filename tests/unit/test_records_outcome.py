"""What a run came to, in words and in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date

import pytest

from toolkit.mirror.records.outcome import DONE, FAILED, GAPS, STALE, Outcome, duration_text

DAY = date(2026, 11, 27)


@dataclass(frozen=True)
class AGap:
    name: str
    problem: str
    since: date = date(2026, 11, 20)


FULL = Outcome(
    "plant-7", DAY, DONE, 1_700_000_000, 125.25, 7, 40, 3, 37, (), 1_200_000_000, 300_000_000, 9_000_000_000, 2
)  # fmt: skip
GAPPY = replace(FULL, state=GAPS, images_there=36, gaps=(AGap("quay.io/x:1", "GET https://quay.io: 404"),))
LOST = Outcome("plant-7", DAY, FAILED, 1_700_000_000, 3.2, images=40, problem="disk: is full; free some")


def test_a_line_says_what_it_came_to() -> None:
    assert FULL.line() == "plant-7: set 7 of 2026-11-27 is done: 3 of 40 new, 1.2GB in 2 volumes"
    assert (
        GAPPY.line()
        == "plant-7: set 7 of 2026-11-27 is done with gaps: 1 image missing, 3 of 40 new, 1.2GB in 2 volumes"
    )
    assert LOST.line() == "plant-7: the run of 2026-11-27 failed: disk: is full; free some"
    stale = replace(LOST, state=STALE, problem="no receipt came back for 9 days")
    assert stale.line() == "plant-7: stale on 2026-11-27: no receipt came back for 9 days"


def test_a_title_is_short() -> None:
    assert FULL.title() == "plant-7: done, set 7"
    assert GAPPY.title() == "plant-7: done with 1 gap, set 7"
    assert LOST.title() == "plant-7: failed"
    assert replace(GAPPY, gaps=(AGap("a", "b"),) * 5).title() == "plant-7: done with 5 gaps, set 7"
    assert len(replace(GAPPY, site="x" * 10_000).title()) < 69


def test_a_text_names_the_gaps() -> None:
    assert GAPPY.text().splitlines()[2:] == [
        "set      plant-7_0007",
        "images   40 wanted, 3 new, 36 there, 1 missing",
        "bytes    1.2GB new, 300MB shared, 9GB there",
        "volumes  2",
        "took     2 min 5 s",
        "",
        "missing:",
        "  quay.io/x:1: GET https://quay.io: 404 (since 2026-11-20)",
    ]
    assert "missing:" not in FULL.text()
    assert "set " not in LOST.text()


def test_a_text_of_thousands_of_gaps_stays_short() -> None:
    lines = (
        replace(GAPPY, gaps=tuple(AGap(f"x:{number}", "gone") for number in range(5000))).text().splitlines()
    )
    assert lines[-2:] == ["  x:19: gone (since 2026-11-20)", "  and 4980 more"]
    long = replace(GAPPY, gaps=(AGap("x" * 10_000, "y" * 10_000),)).text()
    assert len(long) < 2000


def test_the_json_is_stable() -> None:
    assert json.loads(GAPPY.raw()) == {
        "schema": 1,
        "text": GAPPY.line(),
        "site": "plant-7",
        "set": "plant-7_0007",
        "number": 7,
        "date": "2026-11-27",
        "state": "gaps",
        "ended": "2023-11-14T22:13:20Z",
        "seconds": 125.25,
        "images": {"wanted": 40, "new": 3, "there": 36},
        "bytes": {"new": 1_200_000_000, "shared": 300_000_000, "there": 9_000_000_000},
        "volumes": 2,
        "gaps": [{"name": "quay.io/x:1", "problem": "GET https://quay.io: 404", "since": "2026-11-20"}],
        "problem": "",
    }
    lost = json.loads(LOST.raw())
    assert (lost["set"], lost["number"], lost["problem"]) == (None, None, "disk: is full; free some")


def test_no_name_can_add_a_line() -> None:
    bad = "a\r\nBcc: x@y\x1b[2J\u202e\udc80"
    outcome = replace(GAPPY, site=bad, problem=bad, gaps=(AGap(bad, bad),))
    escaped = r"a\r\nBcc: x@y\x1b[2J\u202e\udc80"
    assert outcome.line().startswith(f"{escaped}: set 7")
    assert len(outcome.text().splitlines()) == len(GAPPY.text().splitlines())
    assert f"  {escaped}: {escaped} (since" in outcome.text()
    assert json.loads(outcome.raw())["gaps"][0]["name"] == escaped
    assert outcome.raw().isascii()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (42, "42 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"), (9999, "2 h 46 min")],
)  # fmt: skip
def test_a_duration_is_told_as_people_say_it(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
