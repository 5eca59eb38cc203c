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
import json
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from make_input import EIGHT, LARGE, SMALL, Shape
from timing import PEAK_ALLOWED, Command, Limit, Measured, Row, measure, timed

from tests.integration.engines import Dockerd, Registry
from tests.integration.workplace import EngineMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with the inputs, and the rows that work on them."""

    folder: Path

    def store(self, shape: Shape) -> Path:
        """The legacy store with files of this shape."""
        return self.folder / f"graph-{shape.name}"

    def bundle(self, shape: Shape) -> Path:
        """A bundle of the image in it."""
        return self.folder / f"{shape.name}.tar"

    @property
    def layout(self) -> Path:
        """An embedded store that holds the image of large files."""
        return self.folder / "layout"

    def packed(self, shape: Shape) -> Path:
        """A bundle of the same image, its layers compressed."""
        return self.folder / f"packed-{shape.name}.tar"

    @property
    def one_layer(self) -> Path:
        """A bundle of an image whose one layer has the same files."""
        return self.folder / "one.tar"

    def prepare(self, megabytes: int) -> None:
        """Make what is not there yet: legacy stores, a bundle of each, one embedded store."""
        for shape in (LARGE, SMALL, EIGHT):
            if not (self.store(shape) / "expected.json").exists():
                shutil.rmtree(self.store(shape), ignore_errors=True)
                make_input(self.store(shape), shape, megabytes)
            if not self.bundle(shape).exists():
                timed(self.export(shape, self.bundle(shape)))
        if not self.layout.exists():
            timed(["lading", "import", str(self.bundle(LARGE)), "--into", f"oci:{self.layout}"])
        for shape in (LARGE, EIGHT):
            if not self.packed(shape).exists():
                packed = ["--format", "oci", "--compression", "gzip"]
                timed(["lading", "copy", str(self.bundle(shape)), str(self.packed(shape)), *packed])
        if not self.one_layer.exists():
            tar = self.folder / "rootfs.tar"
            timed(["tar", "-C", str(self.store(LARGE) / "aufs"), "-cf", str(tar), "diff"])
            words = ["--tag", "one:1", "--platform", "linux/amd64", "--into", str(self.one_layer)]
            timed(["lading", "import", "--rootfs", str(tar), *words])
            tar.unlink()

    def export(self, shape: Shape, out: Path) -> Command:
        """Legacy store to bundle."""
        return ["lading", "export", name(shape), "--from", f"graph:{self.store(shape)}", "-o", str(out)]

    def rows(self) -> list[Row]:
        """What is measured against a peer, in the order of the table."""
        return [
            self.legacy("legacy graph -> bundle, large files", LARGE, Limit("at most", 1.5)),
            self.legacy("legacy graph -> bundle, small files", SMALL, Limit("at most", 4, aim=2)),
            self.into_store(),
            self.out_of_store(),
            self.copied(),
            self.verify("verify in full", self.bundle(LARGE), Limit("at most", 1.0, aim=0.7)),
            self.verify("verify, one large layer", self.one_layer, Limit("at most", 1.0, grace=0.3)),
            self.verify_packed(),
        ]

    def engine_rows(self, docker: Command, root: Path) -> list[Row]:
        """What is measured against a running engine that has the image of large files in `root`."""
        bundle, out, saved = self.bundle(LARGE), self.folder / "out.tar", self.folder / "saved.tar"
        store = self.folder / "loaded"
        return [
            Row(
                "embedded store -> bundle, and docker save",
                ["lading", "export", name(LARGE), "--from", f"oci:{self.layout}", "-o", str(out)],
                [*docker, "save", "-o", str(saved), name(LARGE)],
                "docker",
                Limit("at least", 8),
                (out, saved),
            ),
            Row(
                "docker's own root -> bundle, and docker save",
                ["lading", "export", name(LARGE), "--from", f"docker-root:{root}", "--live", "-o", str(out)],
                [*docker, "save", "-o", str(saved), name(LARGE)],
                "docker",
                Limit("at least", 8),
                (out, saved),
            ),
            Row(
                "bundle -> embedded store, and docker load",
                ["lading", "import", str(bundle), "--into", f"oci:{store}"],
                [*docker, "load", "-i", str(bundle)],
                "docker",
                Limit("at least", 6),
                (store,),
                [*docker, "rmi", "--force", name(LARGE)],
            ),
        ]

    def legacy(self, work: str, shape: Shape, limit: Limit) -> Row:
        """Against tar and openssl over the same layer folders."""
        out = self.folder / "exported.tar"
        layers = json.loads((self.store(shape) / "expected.json").read_text())["layers"]
        tar = f"tar -C {self.store(shape)}/aufs/diff -c {' '.join(layers)} | openssl dgst -sha256"
        return Row(work, self.export(shape, out), ["sh", "-c", tar], "tar, openssl", limit, (out,))

    def into_store(self) -> Row:
        """Against skopeo, into an empty layout."""
        bundle, ours, theirs = self.bundle(LARGE), self.folder / "in-ours", self.folder / "in-theirs"
        return Row(
            "bundle -> embedded store",
            ["lading", "import", str(bundle), "--into", f"oci:{ours}"],
            skopeo_copy(f"docker-archive:{bundle}:{name(LARGE)}", f"oci:{theirs}:{name(LARGE)}"),
            "skopeo",
            Limit("at least", 2, aim=3),
            (ours, theirs),
        )

    def out_of_store(self) -> Row:
        """Against skopeo, out of the same layout."""
        ours, theirs = self.folder / "out-ours.tar", self.folder / "out-theirs.tar"
        return Row(
            "embedded store -> bundle",
            ["lading", "export", name(LARGE), "--from", f"oci:{self.layout}", "-o", str(ours)],
            skopeo_copy(f"oci:{self.layout}:{name(LARGE)}", f"docker-archive:{theirs}:{name(LARGE)}"),
            "skopeo",
            Limit("at least", 3, aim=5),
            (ours, theirs),
        )

    def copied(self) -> Row:
        """Against skopeo, from one docker archive to another."""
        bundle, ours, theirs = (
            self.bundle(LARGE),
            self.folder / "copy-ours.tar",
            self.folder / "copy-theirs.tar",
        )
        archives = [f"docker-archive:{path}:{name(LARGE)}" for path in (bundle, theirs)]
        return Row(
            "bundle -> bundle",
            ["lading", "copy", str(bundle), str(ours), "--format", "docker-v1.2"],
            skopeo_copy(*archives),
            "skopeo",
            Limit("at least", 3, aim=5),
            (ours, theirs),
        )

    def verify(self, work: str, bundle: Path, limit: Limit) -> Row:
        """Against one digest over the whole file."""
        theirs = ["openssl", "dgst", "-sha256", str(bundle)]
        return Row(work, ["lading", "verify", str(bundle)], theirs, "openssl", limit)

    def registry_rows(self, full: str, empty: str, root: Path) -> list[Row]:
        """What is measured against a registry that has the images, and one that is empty, its disk `root`."""
        rows = []
        for shape, factor in ((LARGE, 1.0), (EIGHT, 1.5)):
            # What Docker loads; and what no other tool looks into, where we prove the diffIDs as well.
            rows.append(self.pulled(shape, full, "universal", "docker-archive", factor))
            rows.append(self.pulled(shape, full, "oci", "oci-archive", 1.0))
            rows.append(self.pushed(shape, empty, root, factor))
        return rows

    def pulled(self, shape: Shape, host: str, format_: str, transport: str, factor: float) -> Row:
        """Registry to bundle."""
        ours, theirs = self.folder / "pulled-ours.tar", self.folder / "pulled-theirs.tar"
        there = f"docker://{host}/{name(shape)}"
        return Row(
            f"registry -> {transport}, {shape.layers} layers",
            ["lading", "copy", there, name(shape), str(ours), "--format", format_],
            [*skopeo_copy(there, f"{transport}:{theirs}:{name(shape)}"), "--src-tls-verify=false"],
            "skopeo",
            Limit("at least", factor),
            (ours, theirs),
        )

    def pushed(self, shape: Shape, host: str, root: Path, factor: float) -> Row:
        """Bundle to registry, which has nothing of it."""
        bundle, there = str(self.packed(shape)), f"docker://{host}/{name(shape)}"
        return Row(
            f"oci-archive -> registry, {shape.layers} layers",
            ["lading", "copy", bundle, name(shape), there],
            [*skopeo_copy(f"oci-archive:{bundle}:{name(shape)}", there), "--dest-tls-verify=false"],
            "skopeo",
            Limit("at least", factor),
            (root / "docker",),
        )

    def verify_packed(self) -> Row:
        """Against one process that decompresses each layer and hashes it twice."""
        peer, bundle = Path(__file__).with_name("peer_gzip.py"), str(self.packed(LARGE))
        theirs = [sys.executable, str(peer), bundle]
        limit = Limit("at most", 1.2)
        return Row("verify, gzip layers", ["lading", "verify", bundle], theirs, "zlib, hashlib", limit)

    def inspect(self) -> Command:
        """No peer: it has to be quick whatever the size."""
        return ["lading", "inspect", str(self.bundle(LARGE))]


def make_input(store: Path, shape: Shape, megabytes: int) -> None:
    """In a process of its own: a new process starts with its parent's peak, so ours stays small."""
    script = Path(__file__).with_name("make_input.py")
    timed([sys.executable, str(script), str(store), f"--{shape.name}", f"--megabytes={megabytes}"])


def name(shape: Shape) -> str:
    return f"benchmark:{shape.name}"


def skopeo_copy(source: str, destination: str) -> Command:
    return ["skopeo", "--insecure-policy", "copy", "--quiet", source, destination]


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
    kept = report_rows([row for row in bench.rows() if wanted(row.work)], runs)
    if wanted("docker"):
        kept &= report_engine(bench, runs)
    if wanted("registry"):
        kept &= report_registry(bench, runs)
    if wanted("inspect"):
        text, good = measure_inspect(bench.inspect(), runs)
        print(text, flush=True)
        kept &= good
    return kept


def report_rows(rows: list[Row], runs: int) -> bool:
    """Measure and print each row; tell whether all keep what they promise."""
    kept = True
    for row in rows:
        measured = measure(row, runs)
        print(line(measured), flush=True)
        kept &= measured.good
    return kept


def report_engine(bench: Bench, runs: int) -> bool:
    """Start an engine on a private root, and measure against it where that can be done."""
    try:
        with Dockerd("overlay2") as engine:
            engine.load(bench.bundle(LARGE))
            docker = ["docker", "-H", engine.host]
            return report_rows(bench.engine_rows(docker, engine.root), runs)
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
            return report_rows(bench.registry_rows(full.host, empty.host, empty.root), runs)
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
        bench = Bench(folder)
        bench.prepare(chosen.megabytes)
        kept = report(bench, chosen.runs, lambda work: chosen.only in work or work in chosen.only)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
