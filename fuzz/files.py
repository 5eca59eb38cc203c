"""Files that lie in memory: what the targets give to readers that want a path or a handle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def handle_of(data: bytes) -> Iterator[int]:
    """Open bytes as a file, and let it go afterwards."""
    handle = os.memfd_create("input")
    try:
        os.write(handle, data)
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


@contextmanager
def path_of(data: bytes) -> Iterator[Path]:
    """Give bytes a path."""
    with handle_of(data) as handle:
        yield Path(f"/proc/self/fd/{handle}")
