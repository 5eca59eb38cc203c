"""Fuzz the readers of what nobody has vouched for.

    python -m fuzz.run --seconds N [--target T] [--corpus DIR] [--keep DIR]

Each target runs in processes of its own, and one line is printed of it: inputs, inputs a second, edges of
code that the seeds reached and how many more were found, the most memory it took above its beginning, and how
it ended. An input that crashes, hangs or takes too much memory is kept, and the script ends with 1.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HEAD = ("target", "runs", "per s", "edges", "new", "peak MiB", "slowest s", "ended")
STATS = re.compile(r"stat::(\w+):\s+(\d+)")
COVERED = re.compile(r"^#\d+\s+\w+\s+cov: (\d+)", re.MULTILINE)
ROUND = 120  # seconds of one process: with atheris one grows by up to 250 bytes an input, and without by none
LARGEST = 64 << 10  # bytes of a file of a corpus that is taken for a seed


@dataclass(frozen=True)
class Outcome:
    """What became of one target."""

    target: str
    runs: int
    seconds: int
    edges: tuple[int, int]  # before and after; 0 where nobody counts them
    peak: int  # bytes above the beginning
    slowest: float
    crash: str  # the last lines of a failure; empty where there is none
    how: str

    def row(self) -> tuple[str, ...]:
        """Return the line of the table."""
        before, after = self.edges
        edges = (str(before), str(after - before)) if after else ("-", "-")
        speed = f"{self.runs / max(1, self.seconds):.0f}"
        ended = f"CRASH: {self.crash.splitlines()[-1][:120]}" if self.crash else "fine"
        return (
            self.target,
            str(self.runs),
            speed,
            *edges,
            str(self.peak >> 20),
            f"{self.slowest:.1f}",
            ended,
        )


def fuzzed(name: str, seconds: int, corpus: list[Path], kept: Path | None) -> Outcome:
    """Run one target, in rounds that go on from what the last one found; a crash is put into `kept`."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as work:
        folder = Path(work)
        found = kept / "found" / name if kept else folder / "found"
        for each in (folder / "seeds", folder / "found", found):
            each.mkdir(parents=True, exist_ok=True)
        for seed in seeds_of(name, corpus):
            (folder / "seeds" / sha256(seed).hexdigest()).write_bytes(seed)
        for earlier in found.iterdir() if kept else ():
            shutil.copy(earlier, folder / "seeds")
        outcomes: list[Outcome] = []
        for begun in range(0, seconds, ROUND):
            outcomes.append(one_round(name, min(ROUND, seconds - begun), folder, len(outcomes)))
            if outcomes[-1].crash:
                break
        if kept:
            keep(folder, found, kept, name)
        return together(outcomes)


def one_round(name: str, seconds: int, folder: Path, number: int) -> Outcome:
    """Run one target in a process of its own."""
    command = [sys.executable, "-m", "fuzz.child", name, str(seconds), str(folder), str(number)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    return told(name, seconds, done)


def together(rounds: list[Outcome]) -> Outcome:
    """Return what came of several rounds."""
    return replace(
        rounds[-1],
        runs=sum(each.runs for each in rounds),
        seconds=sum(each.seconds for each in rounds),
        edges=(rounds[0].edges[0], rounds[-1].edges[1]),
        peak=max(each.peak for each in rounds),
        slowest=max(each.slowest for each in rounds),
    )


def seeds_of(name: str, corpus: list[Path]) -> Iterator[bytes]:
    """Yield what a target begins with."""
    from fuzz.targets import TARGETS

    yield from TARGETS[name].seeds()
    for folder in corpus:
        yield from (
            path.read_bytes()
            for path in sorted(folder.iterdir())
            if path.is_file() and path.stat().st_size <= LARGEST
        )


def told(name: str, seconds: int, done: subprocess.CompletedProcess[str]) -> Outcome:
    """Read what a child printed: our own figures, or libFuzzer's."""
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    figures: dict[str, Any] = json.loads(lines[-1]) if lines else {"base": 0, "how": "?"}
    if "runs" in figures:
        peak = figures["peak"] - figures["base"]
        return Outcome(
            name, figures["runs"], seconds, (0, 0), peak, figures["slowest"], figures["crash"], figures["how"]
        )
    stats = {key: int(value) for key, value in STATS.findall(done.stderr)}
    covered = [int(each) for each in COVERED.findall(done.stderr)] or [0]
    runs, peak = stats.get("number_of_executed_units", 0), stats.get("peak_rss_mb", 0) << 20
    crash = "" if done.returncode == 0 else crash_of(done.stdout + done.stderr)
    slowest = float(stats.get("slowest_unit_time_sec", 0))
    begun = int(next(iter(re.findall(r"INITED cov: (\d+)", done.stderr)), covered[0]))
    return Outcome(
        name, runs, seconds, (begun, covered[-1]), peak - figures["base"], slowest, crash, figures["how"]
    )


def crash_of(said: str) -> str:
    """Return the part of what a child said that tells how it failed; its last line says it in short."""
    start = said.find("Uncaught Python exception")
    lines = (
        [line for line in said[start:].splitlines() if line.strip()]
        if start >= 0
        else said.splitlines()[-60:]
    )
    lines = [line for line in lines if not line.startswith(("stat::", "{", "#"))][:40]
    short = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Hang)\b|.*ERROR: libFuzzer", line)]
    return "\n".join([*lines, (short or lines or ["ended without a word"])[0]])


def keep(folder: Path, found: Path, kept: Path, name: str) -> None:
    """Put away what a run has found."""
    for path in (folder / "found").iterdir():
        shutil.copy(path, found)
    for kind in ("crash", "timeout", "oom"):
        for path in folder.glob(f"{kind}-*"):
            shutil.copy(path, kept / f"{name}-{path.name}")


def main() -> None:
    """Run the targets one after the other."""
    from fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append", help="may be repeated (all)")
    parser.add_argument("--corpus", type=Path, action="append", default=[], metavar="DIR", help="more seeds")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="where crashes go, and what reaches new code"
    )
    asked = parser.parse_args()
    width = "{:12} {:>9} {:>6} {:>6} {:>5} {:>8} {:>9}  {}"
    print(width.format(*HEAD))
    crashed = []
    for name in asked.target or TARGETS:
        outcome = fuzzed(name, asked.seconds, asked.corpus, asked.keep)
        print(width.format(*outcome.row()), flush=True)
        if outcome.crash:
            crashed.append(f"== {name}\n{outcome.crash}")
    if crashed:
        sys.exit("\n".join(crashed))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
