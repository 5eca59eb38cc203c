from __future__ import annotations

import pytest

from toolkit.plumbing.patience import Patience, not_before, retry_after


class Clock:
    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, tries: int = 6, total: float = 120.0) -> Patience:
        return Patience(tries, total, 0.5, self.sleep, lambda: self.now)


def test_a_series_ends_after_so_many_tries_each_waited_for_longer() -> None:
    clock = Clock()
    series = clock.patience(tries=4).series()
    assert [series.again() for _ in range(4)] == [True, True, True, False]
    assert all(
        low <= slept <= high
        for slept, low, high in zip(clock.slept, [0.25, 0.5, 1], [0.5, 1, 2], strict=True)
    )


def test_a_series_ends_when_its_time_is_over() -> None:
    clock = Clock()
    series = clock.patience(tries=1000, total=10).series()
    while series.again():
        pass
    assert clock.now <= 10


def test_what_the_other_side_asks_is_waited_for_and_not_more_than_there_is_time() -> None:
    clock = Clock()
    series = clock.patience().series()
    assert series.again(7)
    assert 7.25 <= clock.slept[0] <= 7.5
    assert not series.again(1000)
    assert len(clock.slept) == 1


def test_a_series_that_went_on_begins_anew() -> None:
    clock = Clock()
    series = clock.patience(tries=2).series()
    for _ in range(10):
        assert series.again()
        series.went_on()
    assert series.again()
    assert not series.again()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None), ("", None), ("soon", None), ("-1", None), ("1.5", None), ("٣", None),
        ("0", 0), (" 12 ", 12), ("9" * 5000, 999_999_999),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, lambda: 40.0) == seconds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("86400", ", and none is taken before 1970-01-02 00:00:40 UTC"),
        ("Thu, 01 Jan 1970 00:01:40 GMT", ", and none is taken before 1970-01-01 00:01:40 UTC"),
        ("soon", ""), ("-5", ""), ("9" * 5000, ""), ("Fri, 31 Dec 9999 23:59:59 GMT", ""),
    ],
)  # fmt: skip
def test_until_when_we_are_sent_away_is_told(text: str, told: str) -> None:
    assert not_before({"Retry-After": text}, lambda: 40.0) == told
    assert not_before({}, lambda: 40.0) == ""
