from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from toolkit.digest import Digest
from toolkit.mirror.records.baseline import Baseline
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.setrecord import BUILDING, LOST, SENT, SetRecord
from toolkit.mirror.records.staleness import Staleness, Waiting

NOW = datetime(2026, 11, 27, 2, tzinfo=UTC)


def made(number: int, when: date, status: str = SENT) -> SetRecord:
    return SetRecord(Increment.of("plant-7", number, when, [], Baseline.full()), status)


def receipt(when: datetime, *sets: int) -> Receipt:
    return Receipt("plant-7", when, "j.doe", sets, {"a:1": Digest.of(b"a")}, Tip())


def test_where_nothing_was_ever_sent_nothing_is_late() -> None:
    begun = [made(1, date(2025, 1, 1), BUILDING), made(2, date(2025, 1, 2), LOST)]
    for sets in ([], begun):
        assert Staleness.of(sets, None, NOW) == Staleness(None, None, ())
        assert not Staleness.of(sets, None, NOW).why_stale(timedelta(0))


def test_a_receipt_that_never_came_is_as_late_as_the_first_set_waits() -> None:
    sets = [made(1, date(2026, 11, 13)), made(2, date(2026, 11, 27))]
    found = Staleness.of(sets, None, NOW)
    assert found == Staleness(0, None, (1, 2), Waiting("plant-7_0001", 14))
    assert not found.why_stale(timedelta(days=14))
    why = "nothing was heard of set plant-7_0001 for 14 days, nor of any since"
    assert found.why_stale(timedelta(days=13)) == why
    assert not Staleness.of(sets[1:], None, NOW).why_stale(timedelta(0))  # the first day


def test_a_set_that_a_later_one_overtook_waits_for_no_word() -> None:
    sets = [made(1, date(2026, 11, 1)), made(2, date(2026, 11, 26)), made(3, date(2026, 11, 27))]
    found = Staleness.of(sets, receipt(datetime(2026, 11, 26, 12, tzinfo=UTC), 2), NOW)
    assert (found.unconfirmed, found.waiting) == ((1, 3), Waiting("plant-7_0003", 0))
    assert not found.why_stale(timedelta(0))


def test_where_nothing_is_sent_any_more_the_last_set_is_late() -> None:
    sets = [made(1, date(2026, 11, 21))]
    found = Staleness.of(sets, receipt(datetime(2026, 11, 22, tzinfo=UTC), 1), NOW)
    assert not found.why_stale(timedelta(days=6))
    assert found.why_stale(timedelta(days=5)) == "the last set is of 6 days ago"


def test_ages_are_counted_in_days_and_what_was_not_received_is_named() -> None:
    sets = [
        made(1, date(2026, 11, 20)),
        made(2, date(2026, 11, 24)),
        made(3, date(2026, 11, 25), LOST),
        made(4, date(2026, 11, 26), BUILDING),
    ]
    found = Staleness.of(sets, receipt(datetime(2026, 11, 21, 23, tzinfo=UTC), 1), NOW)
    assert found == Staleness(3, 6, unconfirmed=(2,), waiting=Waiting("plant-7_0002", 3))
    assert not found.why_stale(timedelta(days=3))
    assert found.why_stale(timedelta(days=2))


def test_a_clock_ahead_of_ours_makes_nothing_younger_than_today() -> None:
    found = Staleness.of([made(1, date(2027, 1, 1))], receipt(datetime(2027, 1, 1, tzinfo=UTC), 1), NOW)
    assert found == Staleness(0, 0, ())
