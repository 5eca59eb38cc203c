from __future__ import annotations

import pytest

from toolkit.figures import ago_text, day_text, short_id, size_text

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z
MINUTE, HOUR, DAY = 60, 3600, 86_400


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "N/A"),
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (1655, "1.66kB"),  # this and the next two: `docker history` of the golden image
        (1001115, "1MB"),
        (2303448, "2.3MB"),
        (187_700_000, "188MB"),
        (999_999, "1MB"),  # where docker prints 1e+03kB
        (5_368_709_120, "5.37GB"),
        (10**18, "1000PB"),
    ],
)
def test_a_size_has_three_digits_and_a_decimal_unit(size: int | None, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "Less than a second ago"),
        (0, "Less than a second ago"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (MINUTE, "About a minute ago"),
        (2 * MINUTE, "2 minutes ago"),
        (59 * MINUTE, "59 minutes ago"),
        (HOUR, "About an hour ago"),
        (89 * MINUTE, "About an hour ago"),
        (90 * MINUTE, "2 hours ago"),
        (47 * HOUR, "47 hours ago"),
        (2 * DAY, "2 days ago"),
        (13 * DAY, "13 days ago"),
        (14 * DAY, "2 weeks ago"),
        (59 * DAY, "8 weeks ago"),
        (60 * DAY, "2 months ago"),
        (729 * DAY, "24 months ago"),
        (730 * DAY, "2 years ago"),
        (4026 * DAY, "11 years ago"),
    ],
)
def test_an_age_is_told_in_dockers_words(seconds: int, text: str) -> None:
    assert ago_text("2023-11-14T22:13:20Z", NOW + seconds) == text


def test_an_age_heeds_zone_and_fraction() -> None:
    assert ago_text("2023-11-15T00:13:20.123456789+02:00", NOW + 3) == "3 seconds ago"
    assert ago_text("2023-11-14T20:13:20-02:00", NOW + 3) == "3 seconds ago"


@pytest.mark.parametrize(
    "created", [None, "", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "yesterday", "2023-13-01T00:00:00Z"]
)
def test_what_is_no_time_is_told_as_such(created: str | None) -> None:
    assert ago_text(created, NOW) == "N/A"
    assert day_text(created) == "N/A"


def test_a_day_stands_as_it_was_written() -> None:
    assert day_text("2015-07-10T03:13:44.353Z") == "2015-07-10"


def test_ids_are_shortened_and_other_text_is_not() -> None:
    assert short_id("sha256:" + "ab" * 32) == "abababababab"
    assert short_id("cd" * 32) == "cdcdcdcdcdcd"
    assert short_id("<missing>") == "<missing>"
    assert short_id("") == ""
