"""Chain: the lines of a log, each of which holds the sha256 of the line before.

    {"n":1,"time":"2026-11-27T02:00:00Z","event":"sent","facts":{"set":"plant-7_0007"},"before":"sha256:…"}

So a line cannot be changed, left out or put in without another one saying so; only the end can be cut
off, and that shows against a Tip that was noted elsewhere: in a receipt, or in the log of the other side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from toolkit import gojson
from toolkit.digest import Digest
from toolkit.document import Node, load
from toolkit.errors import CorruptContent, ToolkitError
from toolkit.mirror.records import papers

LINE_LIMIT = 16 << 10  # bytes of a line
NOTHING = Digest("sha256", "0" * 64)  # before the first line
ADVICE = "keep it as it is, and ask who could write to it"


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a log stands: how many lines it has, and the sha256 of the last one, its line end included."""

    lines: int = 0
    last: Digest = NOTHING

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read one; raises InvalidDocument."""
        return cls(papers.count(node, "lines"), node.parsed("last", Digest.parse))

    def to_json(self) -> dict[str, Any]:
        """Return the object."""
        return {"lines": self.lines, "last": str(self.last)}

    def after(self, line: bytes) -> Tip:
        """Return the tip once this line is written."""
        return Tip(self.lines + 1, Digest.of(line))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    number: int  # from 1
    time: datetime
    event: str
    before: Digest
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, raw: bytes, subject: str) -> Self:
        """Read a line; raises InvalidDocument."""
        node = load(raw, subject, LINE_LIMIT)
        number, time = papers.count(node, "n"), papers.moment(node, "time")
        event, before = papers.text(node, "event", 100), node.parsed("before", Digest.parse)
        return cls(number, time, event, before, node.text_map("facts"))

    def __bytes__(self) -> bytes:
        body = {
            "n": self.number,
            "time": papers.as_moment(self.time),
            "event": self.event,
            "facts": dict(self.facts),
            "before": str(self.before),
        }
        return gojson.encode(body) + b"\n"


def proven(lines: Iterable[bytes], subject: str, tip: Tip | None = None) -> Tip:
    """Go through a whole log and return where it stands; `tip` is what is known of it from elsewhere.

    Raises CorruptContent that says which line was changed, is missing, or does not belong there.
    """
    here, waiting = Tip(), None  # a line that does not fit, until the next one tells whose fault it is
    for raw in lines:
        line = _read(raw, here.lines + 1, subject)
        if waiting:
            raise _changed(waiting - (line.before == here.last), subject)
        if line.before != here.last:
            waiting = line.number
        if waiting == 1:
            raise _changed(1, subject)
        here = here.after(raw)
        if tip and here.lines == tip.lines and here.last != tip.last:
            raise CorruptContent(subject, f"line {here.lines} is not the one that was vouched for", ADVICE)
    if waiting:
        is_vouched_for = tip is not None and here == tip
        raise _changed(waiting - 1 if is_vouched_for else f"{waiting - 1} or {waiting}", subject)
    if tip and here.lines < tip.lines:
        problem = f"ends after line {here.lines}, and line {tip.lines} was vouched for"
        raise CorruptContent(subject, problem, ADVICE)
    return here


def merged(known: bytes, came: bytes, subject: str) -> bytes:
    """Return the longer of two copies of one log, whose lines are proven; raises where they part."""
    shorter, longer = sorted((known, came), key=len)
    if longer.startswith(shorter):
        return longer
    pairs = zip(known.splitlines(), came.splitlines(), strict=False)
    number = next(number for number, (one, other) in enumerate(pairs, 1) if one != other)
    problem = f"line {number} is not the one that came before"
    raise CorruptContent(subject, problem, ADVICE)


def _read(raw: bytes, number: int, subject: str) -> Line:
    """Read the line that must have this number."""
    try:
        line = Line.parse(raw, f"line {number} of {subject}")
    except ToolkitError as error:
        raise CorruptContent(subject, f"line {number} was changed ({error})", ADVICE) from error
    if not raw.endswith(b"\n"):
        raise CorruptContent(subject, f"line {number} was cut short", ADVICE)
    if line.number != number:
        problem = f"line {number} is missing: line {line.number} stands there"
        raise CorruptContent(subject, problem, ADVICE)
    return line


def _changed(number: int | str, subject: str) -> CorruptContent:
    return CorruptContent(subject, f"line {number} was changed", ADVICE)
