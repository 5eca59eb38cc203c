"""Two names change places in one step, so that at no moment one of them is missing (Linux 3.15)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

HERE = -100  # AT_FDCWD: relative paths begin in the working folder
EXCHANGE = 2  # RENAME_EXCHANGE
CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


def exchanged(one: Path, other: Path) -> bool:
    """Exchange what two names lead to; False where the C library or the file system cannot."""
    import ctypes

    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(other))
