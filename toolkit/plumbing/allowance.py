"""What a server tells of its rate limit, and how long it is to be waited for.

Docker Hub sends, with each manifest (docs.docker.com/docker-hub/usage/pulls):

    RateLimit-Limit: 100;w=21600        requests, and the seconds of the window they are counted in
    RateLimit-Remaining: 3;w=21600
    Docker-RateLimit-Source: 192.0.2.1  an address, or the ID of who has logged in

GitLab sends the first two as plain numbers. `RateLimit-Reset` is a time for one and a number of seconds for
another, so it is not read; nor is what GitHub sends, `X-RateLimit-…`, which nobody promises for its registry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.plumbing.patience import retry_after

NUMBER = re.compile(r"([0-9]{1,9})(?: *; *w=([0-9]{1,7}))?")
SOURCE = re.compile(r"[0-9A-Za-z.:_-]{1,64}")
LOW = 10  # a tenth of the limit, and less, is little
TOO_MANY = 429
SPANS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many requests are left."""

    remaining: int
    limit: int
    window: int = 0  # seconds; 0 where it is not told
    source: str = ""  # for whom they are counted

    @classmethod
    def told(cls, headers: Mapping[str, str]) -> Allowance | None:
        """Read what headers tell; None where they tell nothing, or nothing that can be."""
        limit = NUMBER.fullmatch(headers.get("RateLimit-Limit", "").strip())
        left = NUMBER.fullmatch(headers.get("RateLimit-Remaining", "").strip())
        if not limit or not left or int(left[1]) > int(limit[1]):
            return None
        source = SOURCE.fullmatch(headers.get("Docker-RateLimit-Source", "").strip())
        return cls(int(left[1]), int(limit[1]), int(left[2] or limit[2] or 0), source[0] if source else "")

    @property
    def is_low(self) -> bool:
        """Tell whether little is left, or nothing."""
        return self.remaining * LOW <= self.limit

    def __str__(self) -> str:
        within = f" in {_span(self.window)}" if self.window else ""
        counted = f", as counted for {self.source}" if self.source else ""
        return f"{self.remaining} of {self.limit} requests{within} are left{counted}"


def told_wait(status: int, headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait for before asking again, as far as a server tells; None if it does not.

    That is its Retry-After; else, where nothing of a limit is left, what the window lasts at most.
    """
    if (told := retry_after(headers.get("Retry-After"))) is not None:
        return told
    allowance = Allowance.told(headers) if status == TOO_MANY else None
    return float(allowance.window) if allowance and not allowance.remaining and allowance.window else None


def _span(seconds: int) -> str:
    """Return a time in the largest unit that it is a multiple of."""
    size, name = next((size, name) for size, name in SPANS if seconds % size == 0)
    return f"{seconds // size} {name}{'' if seconds == size else 's'}"
