"""Removing whatever has a name in an open folder, by handle, no link followed.

However deep a folder is and however much is in it, few handles are open and few names in memory.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from toolkit.errors import StoreError
from toolkit.plumbing.tree import FOLDER

BATCH = 1000  # names in memory, of each folder on the way down
CLOSED = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(parent: int, name: bytes) -> None:
    """Remove a file, a link, or a folder with all it holds; nothing where there is nothing."""
    try:
        facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(facts.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    _empty(parent, name)
    os.rmdir(name, dir_fd=parent)


def remove_path(path: Path) -> None:
    """Remove what lies at a path, as `remove` does; the folders that lead there are taken as they are."""
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove(parent, os.fsencode(path.name))
    finally:
        os.close(parent)


@dataclass(slots=True)
class _Level:
    """A folder that is being emptied: its name, what it is known by, and folders seen in it."""

    name: bytes
    inode: tuple[int, int]
    below: list[bytes]


def _empty(parent: int, name: bytes) -> None:
    """Remove everything in a folder; only the one at hand is open."""
    here = _opened(parent, name)
    try:
        levels = [_Level(name, _inode(here), [])]
        while levels:
            level = levels[-1]
            level.below = level.below or _clear(here)
            if level.below:
                below = _opened(here, level.below[-1])
                os.close(here)
                here = below
                levels.append(_Level(level.below.pop(), _inode(here), []))
                continue
            levels.pop()
            if levels:
                above = os.open(b"..", FOLDER, dir_fd=here)
                os.close(here)
                here = above
                if _inode(here) != levels[-1].inode:
                    raise StoreError(os.fsdecode(name), "was moved while it was being removed", "run again")
                os.rmdir(level.name, dir_fd=here)
    finally:
        os.close(here)


def _clear(handle: int) -> list[bytes]:
    """Remove files in an open folder until some folders are met; return those, none where it is empty."""
    while True:
        with os.scandir(handle) as found:
            items = list(islice(found, BATCH))
        folders = []
        for item in items:
            if item.is_dir(follow_symlinks=False):
                folders.append(os.fsencode(item.name))
            else:
                os.unlink(item.name, dir_fd=handle)
        if folders or not items:
            return folders


def _opened(parent: int, name: bytes) -> int:
    """Open a folder to empty it; one that is closed to its owner is opened up."""
    handle = os.open(name, CLOSED, dir_fd=parent)
    try:
        if os.fstat(handle).st_mode & stat.S_IRWXU != stat.S_IRWXU:
            with suppress(PermissionError):  # whoever is no owner may be allowed to all the same
                os.chmod(b"/proc/self/fd/%d" % handle, stat.S_IRWXU)
        return os.open(b".", FOLDER, dir_fd=handle)
    finally:
        os.close(handle)


def _inode(handle: int) -> tuple[int, int]:
    facts = os.fstat(handle)
    return facts.st_dev, facts.st_ino
