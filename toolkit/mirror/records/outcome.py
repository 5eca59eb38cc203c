"""Outcome: what a run of the mirror came to, for people and for machines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from toolkit.figures import size_text
from toolkit.printable import printable

SCHEMA = 1  # of the JSON; raised when a member changes its meaning
DONE, GAPS, FAILED, STALE = STATES = "done", "gaps", "failed", "stale"
SENT = frozenset({DONE, GAPS})  # the states of a run that left a whole set
SHOWN = 20  # gaps that people are told by name
LONGEST = 300  # characters of a name or a problem in a text
SHORT = 40  # characters of a site in a title
MINUTE, HOUR = 60, 3600  # seconds


class Gap(Protocol):
    """An image that is left out."""

    @property
    def name(self) -> str:
        """As the closed side would call it."""

    @property
    def problem(self) -> str:
        """Why, in one sentence."""

    @property
    def since(self) -> date:
        """The day on which it failed first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `stale` is what the closed side is called that has not been heard of for too long.

    Sizes are in bytes: `new` goes, `shared` goes once though several images have it, `there` need not go.
    """

    site: str
    date: date  # of the run
    state: str  # one of STATES
    ended: int  # seconds since 1970
    seconds: float = 0.0  # that it took
    number: int | None = None  # of the set, where there is one
    images: int = 0  # that the job asks for
    images_new: int = 0  # in the set: new or changed
    images_there: int = 0  # as they were
    gaps: tuple[Gap, ...] = ()
    bytes_new: int = 0
    bytes_shared: int = 0
    bytes_there: int = 0
    volumes: int = 0
    problem: str = ""  # one sentence: why it failed, or what is stale

    @property
    def set_name(self) -> str:
        """Return what the set is called, `plant-7_0007`; empty where there is none."""
        return "" if self.number is None else f"{printable(self.site)}_{self.number:04}"

    def to_json(self) -> dict[str, Any]:
        """Return the stable form, with `text` for whoever only shows a line, as chats do."""
        return {
            "schema": SCHEMA,
            "text": self.line(),
            "site": printable(self.site),
            "set": self.set_name or None,
            "number": self.number,
            "date": self.date.isoformat(),
            "state": self.state,
            "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.ended)),
            "seconds": round(self.seconds, 3),
            "images": {"wanted": self.images, "new": self.images_new, "there": self.images_there},
            "bytes": {"new": self.bytes_new, "shared": self.bytes_shared, "there": self.bytes_there},
            "volumes": self.volumes,
            "gaps": [
                {
                    "name": printable(gap.name),
                    "problem": printable(gap.problem),
                    "since": gap.since.isoformat(),
                }
                for gap in self.gaps
            ],
            "problem": printable(self.problem),
        }

    def raw(self) -> bytes:
        """Return the JSON as it is sent: ASCII, in one line."""
        return json.dumps(self.to_json(), separators=(",", ":")).encode("ascii")

    def title(self) -> str:
        """Say in a few words what it came to, short enough for a subject."""
        number = "" if self.number is None else f", set {self.number}"
        state = f"done with {_counted(len(self.gaps), 'gap')}" if self.state == GAPS else self.state
        return f"{printable(self.site, SHORT)}: {state}{number}"

    def line(self) -> str:
        """Say in one line what it came to."""
        site, problem = _short(self.site), _short(self.problem)
        if self.state == FAILED:
            return f"{site}: the run of {self.date} failed: {problem}"
        if self.state == STALE:
            return f"{site}: stale on {self.date}: {problem}"
        gaps = f"with gaps: {_counted(len(self.gaps), 'image')} missing, " if self.gaps else ": "
        end = f"is done{' ' if self.gaps else ''}{gaps}{self.images_new} of {self.images} new"
        volumes = _counted(self.volumes, "volume")
        return f"{site}: set {self.number} of {self.date} {end}, {size_text(self.bytes_new)} in {volumes}"

    def text(self) -> str:
        """Say it in a few lines, the gaps by name."""
        return "\n".join([self.line(), "", *self._facts(), *self._gaps(), ""])

    def _facts(self) -> Iterator[str]:
        if self.set_name:
            yield f"set      {_short(self.set_name)}"
        wanted = f"{self.images} wanted, {self.images_new} new, {self.images_there} there"
        yield f"images   {wanted}, {len(self.gaps)} missing"
        sizes = (self.bytes_new, "new"), (self.bytes_shared, "shared"), (self.bytes_there, "there")
        yield "bytes    " + ", ".join(f"{size_text(size)} {word}" for size, word in sizes)
        yield f"volumes  {self.volumes}"
        yield f"took     {duration_text(self.seconds)}"

    def _gaps(self) -> Iterator[str]:
        if self.gaps:
            yield from ("", "missing:")
        for gap in self.gaps[:SHOWN]:
            yield f"  {_short(gap.name)}: {_short(gap.problem)} (since {gap.since})"
        if len(self.gaps) > SHOWN:
            yield f"  and {len(self.gaps) - SHOWN} more"


def duration_text(seconds: float) -> str:
    """Return a duration as people say it: `42 s`, `3 min 5 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _short(text: str) -> str:
    return printable(text, LONGEST)
