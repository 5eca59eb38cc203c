"""Records in the folder of a site: each is whole or not there, and read by its own parser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from toolkit.errors import NotFound
from toolkit.mirror.records import papers
from toolkit.plumbing.files import make_folder, read_bounded, storing, write_atomically

T = TypeVar("T")
SENT_SETS, RECEIVED_SETS = "sets", "received"  # folders of records: of the connected side, of the closed one
NUMBERED = re.compile(r"(\d{4,9})\.json")


def record(path: Path, parse: Callable[[bytes, str], T]) -> T | None:
    """Return what a file says; None where there is none. Raises InvalidDocument."""
    try:
        raw = read_bounded(path, papers.LIMIT)
    except NotFound:
        return None
    return parse(raw, str(path))


def keep(path: Path, document: object) -> None:
    """Put a document in its place, durable when this returns."""
    make_folder(path.parent)
    write_atomically(path, bytes(document))  # type: ignore[call-overload]


def numbered(folder: Path, number: int) -> Path:
    """Return where the record of a number lies."""
    return folder / f"{number:0{papers.NUMBER_DIGITS}}.json"


def numbers(folder: Path) -> list[int]:
    """Return the numbers that have a record, in order."""
    with storing(folder):
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(found[1]) for name in names if (found := NUMBERED.fullmatch(name)))
