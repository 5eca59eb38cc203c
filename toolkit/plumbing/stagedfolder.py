"""Folders that come to be whole or not at all, in the manner of `atomic_file`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from toolkit.errors import TryAgain
from toolkit.plumbing.exchange import exchanged
from toolkit.plumbing.filelock import locked
from toolkit.plumbing.files import LOCK, OLD, fsync_folder, part_name, storing, surely
from toolkit.plumbing.removal import remove_path


@contextmanager
def staged_folder(path: Path, *, replaces: bool = True) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its name when the block ends well.

    Files in it are made durable by whoever writes them. An existing `path` is replaced, in one step
    where the file system has it; where it has not, a run killed just then leaves none under the name,
    and the next run puts the old one back first. With `replaces` false only an empty folder gives way;
    anything else under the name then is a StoreError.
    """
    part = part_name(path)
    lock, old = (part.with_name(part.name + suffix) for suffix in (LOCK, OLD))
    with storing(path), locked(lock):
        try:
            if os.path.lexists(old) and not os.path.lexists(path):
                os.replace(old, path)
            remove_path(part)
            part.mkdir()
            yield part
            fsync_folder(part)
            if replaces:
                _put_in_place(part, path, old)
            else:
                os.rename(part, path)
            fsync_folder(path.parent)
        finally:
            surely(lambda: _clear(part, path, old))
            surely(lambda: lock.unlink(missing_ok=True))


def clear_left(path: Path) -> None:
    """Remove what a run left beside `path` that was killed when that was whole; nothing of one at work."""
    part = part_name(path)
    lock = part.with_name(part.name + LOCK)
    if os.path.lexists(lock):
        with suppress(TryAgain, OSError), locked(lock, wait=0):
            remove_path(part)
            lock.unlink(missing_ok=True)


def _put_in_place(part: Path, path: Path, old: Path) -> None:
    """Rename `part` to `path`; what had that name is `part` or `old` afterwards."""
    if os.path.lexists(path) and exchanged(part, path):
        return
    if os.path.lexists(path):
        remove_path(old)
        os.replace(path, old)
    try:
        os.replace(part, path)
    except BaseException:
        if os.path.lexists(old) and not os.path.lexists(path):
            os.replace(old, path)
        raise


def _clear(part: Path, path: Path, old: Path) -> None:
    """Remove what is not under its name; the old folder only where there is one under it."""
    remove_path(part)
    if os.path.lexists(path):
        remove_path(old)
