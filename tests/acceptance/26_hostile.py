"""Every archive that was made to trip readers up: our verdict beside those of three engines, and why we differ.

`--measure` also asks the engines that are here, and fails where one of them has another verdict than it had.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.integration.engines import Containerd, Dockerd, Skopeo
from tests.integration.workplace import EngineRefused
from tests.verdicts import HOSTILE, NO, ONE_EACH, VECTORS, YES, Row, verdict, wrongs
from toolkit.cli.output import aligned

HEAD = ("FILE", "SKOPEO", "CONTAINERD", "DOCKERD", "HERE")


def judged(folder: Path, rows: tuple[Row, ...], work: Path) -> list[str]:
    """Print a table of one folder; return what is wrong in it."""
    if strangers := {path.name for path in folder.iterdir()} ^ {row.file for row in rows}:
        return [f"{name}: is in the folder or in the table, not in both" for name in sorted(strangers)]
    table, wrong = [HEAD], list[str]()
    notes: list[list[str]] = [[]]
    for number, row in enumerate(rows):
        found = verdict(folder / row.file, work / str(number))
        table.append((row.file, *row.engines, found.ours))
        notes.append(
            [f"says: {each[:180]}" for each in found.sentences] + ([f"why: {row.why}"] if row.why else [])
        )
        wrong += wrongs(row, found)
    for line, below in zip(aligned(table), notes, strict=True):
        print(line, *(f"    {note}" for note in below), sep="\n")
    return wrong


def measured(folder: Path, rows: tuple[Row, ...]) -> list[str]:
    """Return where the engines here have other verdicts than the table."""
    with Dockerd() as docker, Containerd() as containerd, Skopeo() as skopeo:
        found = {}
        for row in rows:
            path = folder / row.file
            docker.forget()
            containerd.forget()
            kinds = [f"{kind}:{path}" for kind in ("docker-archive", "oci-archive")]
            copies = [takes(skopeo, kind) for kind in kinds] + [takes(skopeo, f"{kinds[0]}:@1") and ONE_EACH]
            found[row] = "".join(
                (next(filter(None, copies), NO), takes(containerd, path) or NO, takes(docker, path) or NO)
            )
    return [
        f"{row.file}: the engines say {now}, and said {row.engines}"
        for row, now in found.items()
        if now != row.engines
    ]


def takes(engine: Dockerd | Containerd | Skopeo, what: Path | str) -> str:
    """Return a tick where an engine takes a file, or skopeo an image of it."""
    try:
        if isinstance(engine, Skopeo):
            engine.copy(str(what), f"oci:{tempfile.mkdtemp(dir=engine.home)}:x")
        else:
            engine.load(Path(what))
    except EngineRefused:
        return ""
    return YES


def main() -> None:
    """Both folders of the corpus."""
    corpus = os.environ.get("CORPUS")
    if not corpus:
        sys.exit(77)
    wrong = []
    with tempfile.TemporaryDirectory(prefix="accept-") as work:
        for name, rows in (("hostile", HOSTILE), ("vectors", VECTORS)):
            print(f"== {name}", flush=True)
            wrong += judged(Path(corpus, name), rows, Path(work, name))
            wrong += measured(Path(corpus, name), rows) if "--measure" in sys.argv else []
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(HOSTILE) + len(VECTORS)} files, each verdict as expected, each difference explained")


main()
