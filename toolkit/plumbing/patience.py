"""Patience: how often, and how long, a request is made again (RFC 9110 10.2.3, RFC 6585 4)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

LONGEST_NUMBER = 9  # digits of a Retry-After that is read
LONGEST_WAIT = 32 * 86_400  # seconds; whoever names a later time means nothing that we can tell


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds of trying again; times are in seconds.

    The wait doubles each time, and a random part of it is left out, so that many clients that were sent
    away together do not come back together.
    """

    tries: int = 6
    total: float = 120.0  # from the first request of a series to the last
    first: float = 0.5
    sleep: Callable[[float], object] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def series(self) -> Series:
        """Begin a series of tries of one request."""
        return Series(self, self.clock() + self.total)


@dataclass(slots=True)
class Series:
    """The tries of one request."""

    patience: Patience
    deadline: float
    failed: int = 0

    def again(self, asked: float | None = None) -> bool:
        """Wait, and tell whether to try again; `asked` is how long the other side told us to wait.

        It is False at once where that is longer than there is time.
        """
        self.failed += 1
        longest = self.patience.first * 2 ** (self.failed - 1)
        wait = longest * random.uniform(0.5, 1)  # noqa: S311 - no secret depends on it
        if asked is not None:
            wait += asked
        if self.failed >= self.patience.tries or self.patience.clock() + wait > self.deadline:
            return False
        self.patience.sleep(wait)
        return True

    def went_on(self) -> None:
        """Begin anew: what failed before has led somewhere since."""
        self.failed, self.deadline = 0, self.patience.clock() + self.patience.total


def retry_after(text: str | None, now: Callable[[], float] = time.time) -> float | None:
    """Return the seconds that a Retry-After tells, as a number or as a date; None for anything else."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:LONGEST_NUMBER])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now())
    except (ValueError, OverflowError, TypeError):
        return None


def not_before(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> str:
    """Say until when a Retry-After sends us away, as the end of a sentence; nothing where there is none."""
    wait = retry_after(headers.get("Retry-After"), now)
    if wait is None or wait > LONGEST_WAIT:
        return ""
    return ", and none is taken before " + time.strftime(
        "%Y-%m-%d %H:%M:%S UTC", time.gmtime(round(now() + wait))
    )
