"""Folders that come to be whole or not at all, in the manner of `atomic_file`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.plumbing.exchange import exchanged
from toolkit.plumbing.files import LOCK, OLD, fsync_folder, locked, part_name, remove_tree, storing, surely


@contextmanager
def staged_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its name when the block ends well.

    Files in it are made durable by whoever writes them. An existing `path` is replaced, in one step
    where the file system has it; where it has not, a run killed just then leaves none under the name,
    and the next run puts the old one back first.
    """
    part = part_name(path)
    lock, old = (part.with_name(part.name + suffix) for suffix in (LOCK, OLD))
    with storing(path), locked(lock):
        try:
            if os.path.lexists(old) and not os.path.lexists(path):
                os.replace(old, path)
            remove_tree(part)
            part.mkdir()
            yield part
            fsync_folder(part)
            _put_in_place(part, path, old)
            fsync_folder(path.parent)
        finally:
            surely(lambda: _clear(part, path, old))
            surely(lambda: lock.unlink(missing_ok=True))


def _put_in_place(part: Path, path: Path, old: Path) -> None:
    """Rename `part` to `path`; what had that name is `part` or `old` afterwards."""
    if os.path.lexists(path) and exchanged(part, path):
        return
    if os.path.lexists(path):
        remove_tree(old)
        os.replace(path, old)
    try:
        os.replace(part, path)
    except BaseException:
        if os.path.lexists(old) and not os.path.lexists(path):
            os.replace(old, path)
        raise


def _clear(part: Path, path: Path, old: Path) -> None:
    """Remove what is not under its name; the old folder only where there is one under it."""
    remove_tree(part)
    if os.path.lexists(path):
        remove_tree(old)
