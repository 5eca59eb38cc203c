"""Window: the hours of a day in which a run may work, in local time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import Self

FORM = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class Window:
    """From `opens` on, and until `closes`, which may be on the next day."""

    opens: time
    closes: time

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `22:00-05:00`; raises ValueError."""
        found = FORM.fullmatch(text.strip())
        if found is None:
            raise ValueError("two times of the day, as 22:00-05:00")
        opens, closes = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
        if opens == closes:
            raise ValueError("two times that differ; without a window it is all day")
        return cls(opens, closes)

    def __contains__(self, now: time) -> bool:
        """Tell whether a local time is in the window."""
        if self.opens < self.closes:
            return self.opens <= now < self.closes
        return now >= self.opens or now < self.closes

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}"
