"""Large files on their way to the disk while they are still being written.

Without this the kernel keeps what is written until somebody asks for it, and fsync waits for the whole
file at once, after all the hashing, with the processors idle.
"""

from __future__ import annotations

import os

from toolkit.plumbing.files import write_at
from toolkit.ports import Block

WINDOW = 8 << 20  # bytes that are handed to the disk at a time


class WriteBehind:
    """Writes blocks one after the other from `offset` on; call it with each."""

    def __init__(self, handle: int, offset: int = 0) -> None:
        self._handle, self._offset, self._handed = handle, offset, offset

    def __call__(self, block: Block) -> None:
        """Write one block."""
        self._offset = write_at(self._handle, block, self._offset)
        if self._offset - self._handed >= WINDOW:
            start_writing(self._handle, self._handed, self._offset - self._handed)
            self._handed = self._offset


def start_writing(handle: int, offset: int, size: int) -> None:
    """Have the kernel begin to write a range of a file, without waiting for it.

    Linux starts the writing of dirty pages when it is told that nobody needs them (mm/fadvise.c); they
    are not dropped, since they are not clean yet. Only advice: a file system may pass over it.
    """
    os.posix_fadvise(handle, offset, size, os.POSIX_FADV_DONTNEED)
