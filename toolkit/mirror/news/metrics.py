"""Metrics: a textfile for Prometheus' node_exporter, written anew, whole, after each run.

The names and labels are stable. Times are told as moments, in seconds since 1970, so that Prometheus knows
at any time how long ago they are: `time() - lading_mirror_last_success_timestamp_seconds`.
Format: text exposition 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import InvalidSetting, NotFound
from toolkit.mirror.records.outcome import STALE, STATES, Outcome
from toolkit.plumbing.files import write_atomically
from toolkit.printable import printable

PREFIX, SUFFIX = "lading_mirror_", ".prom"
READABLE = 0o644  # node_exporter is another user
HELP = {
    "last_run_timestamp_seconds": "When the last run ended.",
    "last_success_timestamp_seconds": "When a run last left a whole set, with or without gaps.",
    "last_receipt_timestamp_seconds": "When the closed side made the last receipt that came back.",
    "run_duration_seconds": "How long the last run took.",
    "state": "1 for what the last run came to: done, gaps or failed; and for stale, beside it.",
    "set_number": "The number of the set that the last run made.",
    "images": "Images of the last run: wanted by the job, new in the set, there already.",
    "gaps": "Images that the last run left out.",
    "bytes": "Bytes of the last run: new in the set, shared by several images, there already.",
    "volumes": "Volumes of the set that the last run made.",
    "notices_failed": "Mails and webhooks that the last run could not deliver.",
}
Samples = Iterator[tuple[str, Mapping[str, str], float]]


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known from before the run; times in seconds since 1970, None where there is none."""

    succeeded: int | None = None  # when a run last left a whole set, this one included
    received: int | None = None  # when the last receipt was made
    is_stale: bool = False  # the closed side was not heard of for longer than the job has it


def textfile(path: str) -> Path:
    """Return the file that node_exporter is to read; raises InvalidSetting where it would not."""
    if not path.endswith(SUFFIX) or "\0" in path:
        raise InvalidSetting(
            "notify.textfile", f"{path!r} is no file that ends in {SUFFIX}", "node_exporter reads no other"
        )
    return Path(path)


def write_textfile(path: str, outcome: Outcome, memory: Memory, untold: int = 0) -> None:
    """Write the metrics of a run; `untold` notices failed. Raises ToolkitError where that cannot be done."""
    folder = textfile(path).parent
    if not folder.is_dir():
        raise NotFound(f"folder {folder}", "is not there", "make it, and have node_exporter read it")
    write_atomically(textfile(path), exposition(outcome, memory, untold).encode(), READABLE)


def exposition(outcome: Outcome, memory: Memory, untold: int = 0) -> str:
    """Return the metrics of a run as Prometheus reads them."""
    lines, told = [], ""
    for name, labels, value in _samples(outcome, memory, untold):
        if name != told:
            lines += [f"# HELP {PREFIX}{name} {HELP[name]}", f"# TYPE {PREFIX}{name} gauge"]
            told = name
        words = {"site": printable(outcome.site), **labels}
        text = ",".join(f'{label}="{_escaped(word)}"' for label, word in words.items())
        lines.append(f"{PREFIX}{name}{{{text}}} {value}")
    return "\n".join(lines) + "\n"


def _samples(outcome: Outcome, memory: Memory, untold: int) -> Samples:
    yield "last_run_timestamp_seconds", {}, outcome.ended
    if memory.succeeded is not None:
        yield "last_success_timestamp_seconds", {}, memory.succeeded
    if memory.received is not None:
        yield "last_receipt_timestamp_seconds", {}, memory.received
    yield "run_duration_seconds", {}, round(outcome.seconds, 3)
    for state in STATES:
        is_it = outcome.state == state or (state == STALE and memory.is_stale)
        yield "state", {"state": state}, int(is_it)
    if outcome.number is not None:
        yield "set_number", {}, outcome.number
    images = {"wanted": outcome.images, "new": outcome.images_new, "there": outcome.images_there}
    for kind, count in images.items():
        yield "images", {"kind": kind}, count
    yield "gaps", {}, len(outcome.gaps)
    sizes = {"new": outcome.bytes_new, "shared": outcome.bytes_shared, "there": outcome.bytes_there}
    for kind, size in sizes.items():
        yield "bytes", {"kind": kind}, size
    yield "volumes", {}, outcome.volumes
    yield "notices_failed", {}, untold


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
