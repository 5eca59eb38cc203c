"""A lock that is a file: held by an open descriptor, and gone with the process that holds it (flock(2))."""

from __future__ import annotations

import fcntl
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import TryAgain

POLL = 0.05  # seconds


@contextmanager
def locked(path: Path, *, wait: float = math.inf) -> Iterator[int]:
    """Hold the lock file at `path`, creating it; yield its descriptor.

    The holder may rename or remove the file: whoever waited notices and takes the new one. Raises TryAgain
    after `wait` seconds.
    """
    until = time.monotonic() + wait
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            _lock(handle, until)
            if still_named(handle, path) and _is_ours_alone(handle, path):
                yield handle
                return
        except BlockingIOError as error:
            raise TryAgain(str(path), "is held by another run", "wait for it to end") from error
        finally:
            os.close(handle)


def _lock(handle: int, until: float) -> None:
    """Lock a file; raises BlockingIOError where somebody holds it until that moment (of time.monotonic)."""
    if until == math.inf:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
            time.sleep(POLL)
        else:
            return


def _is_ours_alone(handle: int, path: Path) -> bool:
    """Tell whether no other name leads to the file; one that is shared loses our name, never its bytes."""
    if os.fstat(handle).st_nlink == 1:
        return True
    path.unlink()
    return False


def still_named(handle: int, path: Path) -> bool:
    """Tell whether an open file still has this name: whoever waited for its lock must ask."""
    ours = os.fstat(handle)
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino)
