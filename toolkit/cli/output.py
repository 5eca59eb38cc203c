"""What a command says: results on stdout, everything else on stderr, all of it safe to show."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.errors import StoreError
from toolkit.printable import about, printable

if TYPE_CHECKING:  # a version or a help says nothing of images
    from toolkit.image import Finding

GAP = "   "


@dataclass
class Output:
    """How this run was asked to speak."""

    json: bool = False  # one JSON document on stdout, and nothing else there; events on stderr
    quiet: bool = False  # no progress, no notes, no events
    debug: bool = False
    has_spoken: bool = False  # something stands on stdout already
    aside: bool = False  # stdout carries a bundle: all that is said goes to stderr

    def say(self, *lines: str) -> None:
        """Print lines of the result, each of them one line on a terminal: whatever they quote is escaped."""
        self._print(*(printable(line, len(line)) for line in lines))

    def _print(self, *texts: str) -> None:
        self.has_spoken = True
        with _standard_output():
            for text in texts:
                print(text, file=sys.stderr if self.aside else sys.stdout)

    def document(self, value: Any) -> None:  # noqa: ANN401 - JSON is anything
        """Print the result for machines; ASCII, so that no terminal can be fooled by it."""
        import json

        from toolkit.report import SCHEMA

        if isinstance(value, dict):
            value = {"schema": SCHEMA, **value}
        self._print(json.dumps(value, indent=None if self.aside else 2))  # among events, a line of its own

    def event(self, word: str, facts: Mapping[str, Any]) -> None:
        """Print what happened, for machines: a line of ASCII on stderr, which may be full or have gone."""
        import json

        from toolkit.report import SCHEMA

        line = json.dumps({"schema": SCHEMA, "event": word, "time": _now(), **facts})
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)

    def long_document(self, value: Mapping[str, Any], member: str, items: Iterable[Any]) -> None:
        """Print a document whose last member is a list that may be too long for memory, an item a line."""
        import json

        head = json.dumps({**value, member: []}, indent=2).removesuffix("]\n}")
        end = ""
        with _standard_output():
            self.has_spoken = True
            print(head, end="")
            for item in items:
                print(end, json.dumps(item), sep="\n    ", end="")
                end = ","
            print("\n  ]\n}" if end else "]\n}")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print rows under a head, columns aligned, untrusted text escaped."""
        self.say(*aligned([head, *rows]))

    def facts(self, rows: Iterable[Sequence[str]]) -> None:
        """Print titles and facts, columns aligned, untrusted text escaped."""
        self.say(*aligned(list(rows)))

    def findings(self, findings: Iterable[Finding]) -> None:
        """Tell people what was noticed; the document for machines has it in itself."""
        for each in self._shown(findings):
            self._aside("; ".join(filter(None, (_sentence(each), each.advice))))

    def explain(self, findings: Iterable[Finding], place: str) -> None:
        """Tell what was noticed in a place, the gravest first, each with what engines do and what to do."""
        from toolkit.report import SEVERITIES

        graver = sorted(self._shown(findings), key=lambda each: SEVERITIES.index(each.severity))
        for line in _explained(graver, place):
            self._aside(line)

    def _shown(self, findings: Iterable[Finding]) -> list[Finding]:
        from toolkit.report import NOTE

        once = dict.fromkeys(findings)
        return [each for each in once if not self.json and not (self.quiet and each.severity == NOTE)]

    def _aside(self, line: str) -> None:
        print(printable(line), file=sys.stderr)

    def flush(self) -> None:
        """Hand everything over; raises StoreError where stdout cannot take it."""
        with _standard_output():
            sys.stdout.flush()


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line for each row, every column as wide as its widest cell."""
    safe = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*safe, strict=True)]
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in safe
    ]


def _sentence(finding: Finding) -> str:
    return f"{finding.severity}: {about(finding.subject)} {finding.problem}"


def _explained(findings: Iterable[Finding], place: str) -> Iterator[str]:
    """Yield a line for each finding, and one beside it; what engines do is said once."""
    from toolkit.checks import effect

    told = set[str]()
    for finding in findings:
        yield _sentence(finding)
        effects = [] if finding.check in told else [effect(finding.check, place)]
        told.add(finding.check)
        if beside := "; ".join(filter(None, (finding.whose, *effects, finding.advice))):
            yield f"  {beside}"


def _now() -> str:
    """Return the time as RFC 3339 has it, in UTC, to the millisecond."""
    seconds, thousandths = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{thousandths:03}Z"


@contextmanager
def _standard_output() -> Iterator[None]:
    """Name stdout in the error of a full disk; a reader that went away passes as BrokenPipeError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StoreError("standard output", os.strerror(error.errno or errno.EIO).lower()) from error
