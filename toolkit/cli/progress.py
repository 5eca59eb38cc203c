"""How far a copy or verification has got: bars on a terminal, plain lines elsewhere, JSON lines, or nothing.

All four are one listener to the events of the work, and count them alike.
"""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType

from toolkit.cli.listener import Progress
from toolkit.cli.output import Output
from toolkit.event import BlobAt, BlobDone, BlobEvent, BlobProgress, BlobSkipped, Event
from toolkit.figures import short_id, size_text

LEAST, MOST = 1.0, 10.0  # seconds between two plain lines, if there is something to tell
PAUSE = 0.5  # seconds between two events of the progress of one blob


class Lines(Progress):
    """A line when a layer is finished, at most one a second; one in ten while a large layer passes."""

    def __init__(self) -> None:
        super().__init__()
        self._last = time.monotonic() - LEAST
        self._told = -1  # blobs that were finished when the last line was printed

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and 0 <= self._told < self.tally.over:
            self._tell("all done")

    def show(self, event: Event) -> None:
        """Print a line if it is time."""
        if isinstance(event, BlobDone):
            self._in_time(event, "done", LEAST)
        elif isinstance(event, BlobSkipped):
            self._in_time(event, "is there already", LEAST)
        elif isinstance(event, BlobProgress):
            self._in_time(event, "on its way", MOST)

    def _in_time(self, event: BlobEvent, what: str, pause: float) -> None:
        now = time.monotonic()
        if now - self._last >= pause:
            self._last = now
            self._tell(f"layer {short_id(event.layer.name)} {what}")

    def _tell(self, what: str) -> None:
        tally = self.tally
        self._told = tally.over
        amount = f"{size_text(tally.done)} of {size_text(tally.size - tally.skipped)}"
        there = f", {size_text(tally.skipped)} there already" if tally.skipped else ""
        told = f"{what}: {tally.over} of {tally.blobs} layers, {amount}{there}"
        print(told, file=sys.stderr, flush=True)


class JsonLines(Progress):
    """A line of JSON for every event; of a blob's progress two in a second at most."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self._last: dict[
            str, tuple[float, int]
        ] = {}  # a blob's key → when it was told of, and its bytes then

    def show(self, event: Event) -> None:
        """Print the event, unless it comes too soon."""
        facts = event.facts()
        if isinstance(event, BlobProgress):
            now, done = time.monotonic(), event.done
            then, before = self._last.setdefault(event.layer.key, (now, done))
            if now - then < PAUSE:
                return
            facts["rate"] = max(0, round((done - before) / (now - then)))
            self._last[event.layer.key] = now, done
        elif isinstance(event, BlobEvent):
            self._last[event.layer.key] = time.monotonic(), event.done if isinstance(event, BlobAt) else 0
        self._output.event(event.word, {**facts, "all": self.tally.facts()})


def progress_for(output: Output, what: str) -> Progress:
    """Return the kind that suits the place we print to."""
    if output.quiet:
        return Progress()
    if output.json:
        return JsonLines(output)
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from toolkit.cli.bars import Bars

        return Bars(what)
    return Lines()
