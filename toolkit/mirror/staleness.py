"""Staleness: how old the last set and the last receipt are, in whole days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Self

from toolkit.mirror.receipt import Receipt
from toolkit.mirror.setrecord import SENT, SetRecord

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Staleness:
    """Ages; None of what never was."""

    set_days: int | None  # since the date of the last set that was sent
    receipt_days: int | None  # since the last receipt was made
    unconfirmed: tuple[int, ...]  # sets that were sent, and are not in the last receipt

    @classmethod
    def of(cls, sets: Iterable[SetRecord], receipt: Receipt | None, now: datetime) -> Self:
        """Reckon the ages; what is dated later than now, by a wrong clock, is of today."""
        sent = [each for each in sets if each.status == SENT]
        received = set(receipt.sets if receipt else ())
        last = max((each.increment.date for each in sent), default=None)
        return cls(
            days_since(last, now) if last else None,
            days_since(receipt.made.astimezone(UTC).date(), now) if receipt else None,
            tuple(sorted(each.number for each in sent if each.number not in received)),
        )

    def is_stale(self, limit: timedelta) -> bool:
        """Tell whether the last set or the last receipt is older than the limit, or never was."""
        ages = (self.set_days, self.receipt_days)
        return any(age is None or timedelta(days=age) > limit for age in ages)


def days_since(when: date, now: datetime) -> int:
    """Return the age of a day in whole days; 0 for one that is yet to come, by a wrong clock."""
    return max(0, (now.astimezone(UTC).date() - when) // DAY)
