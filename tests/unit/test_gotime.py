from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InvalidDocument
from toolkit.gotime import go_time


# What Go 1.19 does with each was seen through docker 20.10.24 load (tests/data/rule_r).
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015-07-10T03:13:44.3530+00:00", "2015-07-10T03:13:44.353Z"),
        ("2015-07-10T03:13:44-00:00", "2015-07-10T03:13:44Z"),
        ("2015-07-10T03:13:44.000000000+05:30", "2015-07-10T03:13:44+05:30"),
        ("2015-07-10T03:13:44.1234567899Z", "2015-07-10T03:13:44.123456789Z"),
        ("2015-07-10T3:13:44,5Z", "2015-07-10T03:13:44.5Z"),
        ("2016-02-29T00:00:00+01:60", "2016-02-29T00:00:00+02:00"),
        ("0000-02-29T00:00:00Z", "0000-02-29T00:00:00Z"),
    ],
)
def test_a_time_comes_back_as_go_writes_it(text: str, expected: str) -> None:
    assert go_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2015-02-29T00:00:00Z",
        "2015-00-10T00:00:00Z",
        "2015-13-10T00:00:00Z",
        "2015-01-00T00:00:00Z",
        "2016-12-31T23:59:60Z",
        "2016-12-31T24:00:00Z",
        "2016-12-31T22:60:00Z",
        "2016-12-31T22:00:00",
        "2016-12-31T22:00:00Z\n",
        "\uff12016-12-31T22:00:00Z",
    ],
)
def test_what_go_reads_as_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidDocument, match="RFC 3339"):
        go_time(text)


@pytest.mark.property
@given(st.datetimes(timezones=st.just(dt.UTC)))
def test_writing_is_final(when: dt.datetime) -> None:
    once = go_time(when.isoformat())
    assert go_time(once) == once
    assert dt.datetime.fromisoformat(once) == when
