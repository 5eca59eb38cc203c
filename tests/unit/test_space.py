from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.errors import StoreError
from toolkit.plumbing.space import WORTH, require_length, require_space, reserve


@pytest.fixture
def handle(tmp_path: Path) -> Iterator[int]:
    handle = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield handle
    os.close(handle)


def test_what_fits_is_allowed_and_what_cannot_is_refused_with_figures(handle: int) -> None:
    require_space(handle, 1, "x")
    with pytest.raises(
        StoreError, match=rf"^x: needs {1 << 62} bytes and its file system has \d+ free; make room$"
    ):
        require_space(handle, 1 << 62, "x")


def test_what_is_longer_than_the_largest_file_is_refused_and_nothing_is_written(
    handle: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux says so by EINVAL (vfs_setpos); here it does for FAT32, whose lengths have 32 bits."""
    seek = os.lseek

    def fat32(handle: int, offset: int, whence: int) -> int:
        if offset > 0xFFFF_FFFF:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return seek(handle, offset, whence)

    monkeypatch.setattr(os, "lseek", fat32)
    require_length(handle, 4_294_967_295, "x", "cut it")
    with pytest.raises(
        StoreError, match=r"^x: is on a file system that takes no file of 4294967296 bytes; cut it$"
    ):
        require_length(handle, 4_294_967_296, "x", "cut it")
    assert (os.fstat(handle).st_size, seek(handle, 0, os.SEEK_CUR)) == (0, 0)


def test_a_large_file_gets_its_length_at_once(handle: int) -> None:
    reserve(handle, WORTH)
    assert os.fstat(handle).st_size == WORTH


def test_a_small_file_is_left_alone(handle: int) -> None:
    reserve(handle, WORTH - 1)
    assert os.fstat(handle).st_size == 0


def test_where_nothing_can_be_reserved_nothing_happens() -> None:
    read, write = os.pipe()
    reserve(write, WORTH)
    os.close(read)
    os.close(write)


def test_a_lack_of_room_is_an_error_before_the_work(handle: int) -> None:
    """A limit on the size of files stands for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (WORTH // 2, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            reserve(handle, WORTH)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, was)
