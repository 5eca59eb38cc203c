"""Whether somebody else holds a lock on a file that is open for reading (flock(2), fcntl(2)).

Asked without leaving a trace: nothing is written, and it works on a file system mounted read-only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import suppress

HOLDERS = "/proc/locks"
UNSEEN = 0  # somebody whom we cannot see: of another pid namespace, or a lock that is nobody's own
FLOCK = struct.Struct("hhqqi0q")  # struct flock of Linux: type, whence, start, length in bytes, pid


def flock_holder(handle: int) -> int | None:
    """Return the pid of another process that holds an exclusive flock; None where nobody does.

    /proc/locks tells without a lock of our own. It does not tell of processes in another pid namespace,
    and on btrfs its device numbers are others than stat's: where it knows of nobody, a shared lock is
    tried and let go at once. bbolt, which asks without waiting and again every 50 ms for a second or
    more, does not fail for it.
    """
    if (pid := _listed_holder(handle)) is not None:
        return None if pid == os.getpid() else pid
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return UNSEEN if error.errno == errno.EWOULDBLOCK else None
    fcntl.flock(handle, fcntl.LOCK_UN)
    return None


def flock_holders(handle: int) -> list[int]:
    """Return the pids of all who hold a flock of any kind; none whom /proc/locks does not tell of."""
    return sorted({pid for pid, _ in _listed(handle)})


def write_lock_holder(handle: int) -> int | None:
    """Return the pid of another process that holds an fcntl lock to write; None where nobody does.

    Locks to read stand in nobody's way. The kernel is only asked who would be (F_GETLK).
    """
    with suppress(OSError):
        asked = FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = FLOCK.unpack(fcntl.fcntl(handle, fcntl.F_GETLK, asked))
        return None if kind == fcntl.F_UNLCK else max(pid, UNSEEN)
    return None


def _listed_holder(handle: int) -> int | None:
    """Find the exclusive flock on a file."""
    return next((pid for pid, kind in _listed(handle) if kind == "WRITE"), None)


def _listed(handle: int) -> Iterator[tuple[int, str]]:
    """Yield pid and kind of flocks in lines like `1: FLOCK  ADVISORY  WRITE 512 fe:00:1234 0 EOF` (proc(5)).

    One who waits has an arrow behind the number of the line.
    """
    facts = os.fstat(handle)
    file = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    with suppress(OSError), open(HOLDERS, encoding="ascii", errors="replace") as lines:
        for words in map(str.split, lines):
            if words[1:2] == ["FLOCK"] and words[5:6] == [file]:
                yield max(int(words[4]), UNSEEN), words[3]
