"""A lock that many hold together, or one alone (flock(2)); it ends with the process that holds it.

The file is empty and stays: nobody renames or removes it, and a copy of it by hard link is the same lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from toolkit.errors import TryAgain
from toolkit.plumbing.filelock import still_named
from toolkit.plumbing.files import storing
from toolkit.plumbing.locks import flock_holders

MOST_TOLD = 3  # processes


@contextmanager
def together(path: Path) -> Iterator[None]:
    """Hold the lock beside others; wait for one who holds it alone. The folder must be there."""
    with ExitStack() as stack:
        with storing(path):
            _held(stack, path, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(path: Path, subject: str, what: str) -> Iterator[None]:
    """Hold the lock alone; raises TryAgain that tells who does `what` with `subject` now."""
    with ExitStack() as stack:
        with storing(path):
            try:
                _held(stack, path, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise TryAgain(subject, f"{what} by {_holders(path)}", "wait for it to end") from error
        yield


def _held(stack: ExitStack, path: Path, kind: int) -> None:
    """Lock the file that has the name once the lock is ours: it may have been removed while we waited."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(handle, kind)
            if still_named(handle, path):
                stack.callback(_let_go, handle)
                return
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _let_go(handle: int) -> None:
    """End the lock, also where a process that was forked meanwhile has the same file open."""
    try:
        fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)


def _holders(path: Path) -> str:
    """Name the processes that hold the lock, as far as they can be seen."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return "another process"
        raise
    try:
        found = [str(pid) for pid in flock_holders(handle) if pid > 0]
    finally:
        os.close(handle)
    if not found:
        return "another process"
    more = f" and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    return f"process {', '.join(found[:MOST_TOLD])}{more}"
