from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from toolkit.digest import Digest
from toolkit.mirror.baseline import Baseline
from toolkit.mirror.chain import Tip
from toolkit.mirror.increment import Increment
from toolkit.mirror.receipt import Receipt
from toolkit.mirror.setrecord import BUILDING, LOST, SENT, SetRecord
from toolkit.mirror.staleness import Staleness

NOW = datetime(2026, 11, 27, 2, tzinfo=UTC)


def made(number: int, when: date, status: str = SENT) -> SetRecord:
    return SetRecord(Increment.of("plant-7", number, when, [], Baseline.full()), status)


def receipt(when: datetime, *sets: int) -> Receipt:
    return Receipt("plant-7", when, "j.doe", sets, {"a:1": Digest.of(b"a")}, Tip())


def test_what_never_was_is_stale() -> None:
    assert Staleness.of([], None, NOW) == Staleness(None, None, ())
    assert Staleness.of([], None, NOW).is_stale(timedelta(days=1_000))


def test_ages_are_counted_in_days_and_what_was_not_received_is_named() -> None:
    sets = [
        made(1, date(2026, 11, 20)),
        made(2, date(2026, 11, 24)),
        made(3, date(2026, 11, 25), LOST),
        made(4, date(2026, 11, 26), BUILDING),
    ]
    found = Staleness.of(sets, receipt(datetime(2026, 11, 21, 23, tzinfo=UTC), 1), NOW)
    assert found == Staleness(set_days=3, receipt_days=6, unconfirmed=(2,))
    assert not found.is_stale(timedelta(days=6))
    assert found.is_stale(timedelta(days=5))


def test_a_clock_ahead_of_ours_makes_nothing_younger_than_today() -> None:
    found = Staleness.of([made(1, date(2027, 1, 1))], receipt(datetime(2027, 1, 1, tzinfo=UTC), 1), NOW)
    assert found == Staleness(0, 0, ())
