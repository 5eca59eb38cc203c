"""Turns: of several processes about to do the same work on one target, one does it, the others wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.plumbing.filelock import locked
from toolkit.plumbing.files import part_name, storing, surely


def turn_name(path: Path) -> Path:
    """Return the lock beside `path` that whoever works on it holds; a killed one leaves it behind."""
    return part_name(path.with_name(f"turn.{path.name}"))


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Work on `path` alone. Whoever had to wait looks first whether the work is done by now."""
    lock = turn_name(path)
    with storing(path), locked(lock):
        try:
            yield
        finally:
            surely(lambda: lock.unlink(missing_ok=True))
