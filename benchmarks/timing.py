"""Two commands that do the same work, timed in turn, and the ratio they have to keep to."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Command = list[str]

PEAK_ALLOWED = 128 << 20
ZEROS = bytes(1 << 20)
PATIENCE, PAUSE, AT_REST = 10.0, 0.05, 0.3  # seconds: in all, between looks, and without any I/O


@dataclass(frozen=True, slots=True)
class Limit:
    """What the ratio must keep to: `at most` (our time / theirs) or `at least` (how much faster)."""

    word: str
    required: float
    aim: float | None = None
    grace: float = 0.0  # seconds of ours that do not count

    def ratio(self, ours: float, theirs: float) -> float:
        """How many times theirs, or how many times faster."""
        ours = max(0.0, ours - self.grace)
        return ours / theirs if self.word == "at most" else theirs / ours

    def holds(self, ratio: float) -> bool:
        """Whether the ratio is within the requirement."""
        return ratio <= self.required if self.word == "at most" else ratio >= self.required


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: two commands that do the same work, and what each leaves behind."""

    work: str
    ours: Command
    theirs: Command
    peer: str
    limit: Limit
    leaves: tuple[Path, ...] = ()
    before_theirs: Command = field(default_factory=list)  # not timed: what makes theirs start from nothing


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds by the clock, and the peak resident set in bytes."""

    seconds: float
    peak: int


@dataclass(slots=True)
class Measured:
    """A row's pairs of timings."""

    row: Row
    ours: list[Timing] = field(default_factory=list)
    theirs: list[Timing] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median over the pairs."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return statistics.median(self.row.limit.ratio(ours.seconds, theirs.seconds) for ours, theirs in pairs)

    @property
    def peak(self) -> int:
        """Our largest resident set, in bytes."""
        return max(timing.peak for timing in self.ours)

    @property
    def good(self) -> bool:
        """Whether time and memory keep the promise."""
        return self.row.limit.holds(self.ratio) and self.peak <= PEAK_ALLOWED


def timed(command: Command) -> Timing:
    """Run a program to its end; one that fails ends the benchmark with what it said."""
    with tempfile.TemporaryFile() as said:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(
                f"{' '.join(command)}: exit {process.returncode}\n{said.read().decode(errors='replace')}"
            )
    return Timing(seconds, usage.ru_maxrss << 10)


def settle() -> None:
    """Write everything out, and wait until the disks are at rest, at most `PATIENCE` seconds.

    What was deleted before is discarded only after the sync, which would count against who comes next.
    """
    os.sync()
    before, quiet = "", 0
    for _ in range(int(PATIENCE / PAUSE)):
        with open("/proc/diskstats", encoding="ascii") as stats:
            now = stats.read()
        quiet = quiet + 1 if now == before else 0
        if quiet * PAUSE >= AT_REST:
            return
        before = now
        time.sleep(PAUSE)


def touch_memory(size: int) -> None:
    """Have as many bytes of memory at hand as one run fills with page cache.

    A virtual machine's host takes back what is free for a while, and brings it again page by page: that
    costs more than most of what is measured here, and would count against who comes next.
    """
    with tempfile.TemporaryFile(buffering=0) as file:  # gone before any of it is on a disk
        for _ in range(size // len(ZEROS)):
            file.write(ZEROS)


def measure(row: Row, runs: int, memory: int) -> Measured:
    """Pairs in turn; the first pair only warms caches. One run fills `memory` bytes of page cache."""
    measured = Measured(row)
    for number in range(runs + 1):
        for command, timings in ((row.ours, measured.ours), (row.theirs, measured.theirs)):
            remove(row.leaves)
            if row.before_theirs and command is row.theirs:
                timed(row.before_theirs)
            settle()
            touch_memory(memory)
            timing = timed(command)
            if number:
                timings.append(timing)
    remove(row.leaves)
    return measured


def remove(paths: tuple[Path, ...]) -> None:
    for path in paths:
        for leftover in path.parent.glob(f"{path.name}*"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
