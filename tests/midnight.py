"""The day that it is, for tests of what asks the clock by itself."""

from __future__ import annotations

import datetime as dt
import time

NEAR = 60.0  # seconds that a test may take


def this_day() -> dt.date:
    """Return the day in UTC; shortly before midnight the next one, having waited for it."""
    now = dt.datetime.now(dt.UTC)
    left = 86_400.0 - (now.hour * 3600 + now.minute * 60 + now.second)
    if left < NEAR:
        time.sleep(left + 1)
    return dt.datetime.now(dt.UTC).date()
