"""Staleness: how old the last set and the last receipt are, in whole days, and whether that is too old.

A site is stale where a set has waited too long for a receipt, or where the last set is too old. A receipt
that never came is as late as the oldest set that waits for it; where nothing was ever sent, nothing is late.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, Self

from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.setrecord import SENT, SetRecord

DAY = timedelta(days=1)


class Waiting(NamedTuple):
    """A set that was sent after those that the closed side has told of."""

    name: str
    days: int  # since its date


@dataclass(frozen=True, slots=True)
class Staleness:
    """Ages; None of what never was."""

    set_days: int | None  # since the date of the last set that was sent
    receipt_days: int | None  # since the last receipt was made
    unconfirmed: tuple[int, ...]  # sets that were sent, and are not in the last receipt
    waiting: Waiting | None = None  # the oldest set after the last receipt; None where none waits for word

    @classmethod
    def of(cls, sets: Iterable[SetRecord], receipt: Receipt | None, now: datetime) -> Self:
        """Reckon the ages; what is dated later than now, by a wrong clock, is of today."""
        sent = [each for each in sets if each.status == SENT]
        received = set(receipt.sets if receipt else ())
        after = receipt.highest if receipt else 0
        last = max((each.increment.date for each in sent), default=None)
        first = min(
            (each for each in sent if each.number > after), key=lambda each: each.number, default=None
        )
        return cls(
            days_since(last, now) if last else None,
            days_since(receipt.made.astimezone(UTC).date(), now) if receipt else None,
            tuple(sorted(each.number for each in sent if each.number not in received)),
            Waiting(first.increment.name, days_since(first.increment.date, now)) if first else None,
        )

    def why_stale(self, limit: timedelta) -> str:
        """Return what has been late for longer than the limit; empty where nothing is."""
        if self.waiting and timedelta(days=self.waiting.days) > limit:
            return (
                f"nothing was heard of set {self.waiting.name} for {self.waiting.days} days, nor of any since"
            )
        return why_old(self.set_days, limit)


def why_old(days: int | None, limit: timedelta) -> str:
    """Return that the last set is older than the limit; empty where it is not, or there is none."""
    return f"the last set is of {days} days ago" if days and timedelta(days=days) > limit else ""


def days_since(when: date, now: datetime) -> int:
    """Return the age of a day in whole days; 0 for one that is yet to come, by a wrong clock."""
    return max(0, (now.astimezone(UTC).date() - when) // DAY)
