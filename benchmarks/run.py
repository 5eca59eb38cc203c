"""Measure `lading` against the tools that people use today, and print the ratios.

    python benchmarks/run.py                    make inputs of 1,000 MB, measure everything
    python benchmarks/run.py --only verify      the rows whose name holds this word
    python benchmarks/run.py --dir /big/disk    inputs stay there for the next run

Ours and theirs take turns, each on a disk at rest and once before it counts; the ratio is the median
of the ratios of the pairs, and only ratios mean anything on another machine. "Peak" is the largest
resident set of our process or of any it waited for.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import Bench, name
from make_input import EIGHT, LARGE
from timing import PEAK_ALLOWED, Command, Measured, Row, measure, timed

from tests.integration.engines import Dockerd, Registry
from tests.integration.workplace import EngineMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def line(measured: Measured) -> str:
    """One line of the table, in Markdown."""
    limit = measured.row.limit
    ours, theirs = (statistics.median(t.seconds for t in side) for side in (measured.ours, measured.theirs))
    aim = f"{limit.aim:g} x" if limit.aim else ""
    verdict = "yes" if measured.good else "NO"
    cells = [
        measured.row.work,
        f"{ours:.2f} s",
        f"{measured.row.peer} {theirs:.2f} s",
        f"{measured.ratio:.2f} x",
        f"{limit.word} {limit.required:g} x" + (f" + {limit.grace:g} s" if limit.grace else ""),
        aim,
        f"{measured.peak / (1 << 20):.0f} MiB",
        verdict,
    ]
    return f"| {' | '.join(cells)} |"


def measure_inspect(command: Command, runs: int) -> tuple[str, bool]:
    """The one row with no peer: seconds, whatever the size."""
    timings = [timed(command) for _ in range(runs + 1)][1:]
    seconds = statistics.median(timing.seconds for timing in timings)
    peak = max(timing.peak for timing in timings)
    good = seconds < 0.5 and peak <= PEAK_ALLOWED  # noqa: PLR2004 - the promise itself
    verdict = "yes" if good else "NO"
    cells = f"inspect | {seconds:.2f} s | | | under 0.5 s | | {peak / (1 << 20):.0f} MiB | {verdict}"
    return f"| {cells} |", good


@contextlib.contextmanager
def workplace(chosen: Path | None) -> Iterator[Path]:
    """The folder that was named, which stays; else one that goes."""
    if chosen:
        chosen.mkdir(parents=True, exist_ok=True)
        yield chosen.resolve()
    else:
        with tempfile.TemporaryDirectory(prefix="lading-benchmark-") as folder:
            yield Path(folder)


def report(bench: Bench, runs: int, wanted: Callable[[str], bool]) -> bool:
    """Print the table as it grows; whether every promise is kept."""
    print("| work | lading | against | ratio | required | aim | peak | kept |")
    print("|---" * 8 + "|")
    kept = report_rows([row for row in bench.rows() if wanted(row.work)], runs, bench.memory)
    if wanted("docker"):
        kept &= report_engine(bench, runs)
    if wanted("registry"):
        kept &= report_registry(bench, runs)
    if wanted("inspect"):
        text, good = measure_inspect(bench.inspect(), runs)
        print(text, flush=True)
        kept &= good
    return kept


def report_rows(rows: list[Row], runs: int, memory: int) -> bool:
    """Measure and print each row; tell whether all keep what they promise."""
    kept = True
    for row in rows:
        measured = measure(row, runs, memory)
        print(line(measured), flush=True)
        kept &= measured.good
    return kept


def report_engine(bench: Bench, runs: int) -> bool:
    """Start an engine on a private root, and measure against it where that can be done."""
    try:
        with Dockerd("overlay2") as engine:
            engine.load(bench.bundle(LARGE))
            docker = ["docker", "-H", engine.host]
            return report_rows(bench.engine_rows(docker, engine.root), runs, bench.memory)
    except EngineMissing as missing:
        print(f"left out, against docker: {missing}", file=sys.stderr)
        return True


def report_registry(bench: Bench, runs: int) -> bool:
    """Start two registries, one with the images, and measure against them where that can be done."""
    try:
        with Registry() as full, Registry() as empty:
            for shape in (LARGE, EIGHT):
                place = f"docker://{full.host}/{name(shape)}"
                timed(["lading", "copy", str(bench.packed(shape)), name(shape), place])
            return report_rows(bench.registry_rows(full.host, empty.host, empty.root), runs, bench.memory)
    except EngineMissing as missing:
        print(f"left out, against a registry: {missing}", file=sys.stderr)
        return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dir", type=Path, help="keep the inputs here (default: nowhere)")
    parser.add_argument("--runs", type=int, default=5, help="pairs of timings per row")
    parser.add_argument("--megabytes", type=int, default=1000, help="size of each input")
    parser.add_argument("--only", default="", help="a word in the names of the rows to measure")
    chosen = parser.parse_args()
    # The lading of the Python that runs this comes first.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with workplace(chosen.dir) as folder:
        bench = Bench(folder, chosen.megabytes)
        bench.prepare()
        kept = report(bench, chosen.runs, lambda work: chosen.only in work or work in chosen.only)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
