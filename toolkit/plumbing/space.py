"""Room on a disk: asked for before the work, and taken in one piece."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from toolkit.errors import NoRoom, StoreError

WORTH = 4 << 20  # bytes; a smaller file is not worth the call


def require_space(handle: int, size: int, place: str, advice: str = "make room") -> None:
    """Refuse at once, with figures, what cannot fit; raises NoRoom."""
    facts = os.fstatvfs(handle)
    free = facts.f_bavail * facts.f_frsize
    if free < size:
        raise NoRoom(place, f"needs {size} bytes and its file system has {free} free", advice)


def require_space_in(folder: str | Path, size: int, place: str, advice: str = "make room") -> None:
    """Refuse as `require_space` does, for a file system by a folder in it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        require_space(handle, size, place, advice)
    finally:
        os.close(handle)


def require_length(handle: int, size: int, place: str, advice: str) -> None:
    """Refuse at once a file that is longer than its file system takes, as FAT32 does above 4 GiB - 1.

    A file system lets nobody stand behind the end of its largest file: it is asked by that, and nothing is
    written. Raises StoreError.
    """
    try:
        os.lseek(handle, size, os.SEEK_SET)
    except OSError as error:
        raise StoreError(place, f"is on a file system that takes no file of {size} bytes", advice) from error
    os.lseek(handle, 0, os.SEEK_SET)


def reserve(handle: int, size: int) -> None:
    """Have the file system set `size` bytes aside for a file that will be exactly that long.

    A full disk then shows before the work, and the file lies in one piece. A file system that cannot
    reserve is none the worse: only a lack of room is an error, raised as OSError.
    """
    if size < WORTH:
        return
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
