"""Bytes that nobody has to look at: a second name for a file, a copy made in the kernel, another place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from toolkit.errors import StoreError
from toolkit.plumbing.filelock import locked
from toolkit.plumbing.files import PART, fsync_folder, part_name, short_name, storing, write_at
from toolkit.plumbing.writebehind import WINDOW, start_writing

BLOCK = 1 << 20  # bytes


def link_atomically(handle: int, path: Path) -> bool:
    """Give an open file a second name, whole at once; False where the file system will not."""
    link = path.with_name(f".{short_name(path)}.link{PART}")
    with storing(path), locked(part_name(path)):
        try:
            link.unlink(missing_ok=True)
            # Only where it is given a folder, which an absolute path ignores, does Python follow the link.
            os.link(f"/proc/self/fd/{handle}", link, src_dir_fd=handle, follow_symlinks=True)
            os.replace(link, path)
            fsync_folder(path.parent)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}:
                raise
            return False
        finally:
            link.unlink(missing_ok=True)  # also where both names were one file already
            part_name(path).unlink(missing_ok=True)
    return True


def copy_range(source: int, handle: int, offset: int, size: int, start: int = 0) -> None:
    """Copy `size` bytes at `start` of one file to `offset` in another, in the kernel where it can."""
    done = 0
    while done < size:
        try:
            count = os.copy_file_range(source, handle, min(size - done, WINDOW), start + done, offset + done)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}:
                raise
            block = os.pread(source, min(size - done, BLOCK), start + done)
            count = write_at(handle, block, offset + done) - offset - done
        if not count:
            raise StoreError("a file", f"ends after {done} bytes, expected {size}", "it was cut short")
        start_writing(handle, offset + done, count)
        done += count


def move(handle: int, was: int, now: int, size: int) -> None:
    """Move bytes inside a file; from the front when they go down, from the back when up."""
    starts = list(range(0, size, BLOCK))
    for start in starts if now < was else reversed(starts):
        block = os.pread(handle, min(BLOCK, size - start), was + start)
        write_at(handle, block, now + start)
