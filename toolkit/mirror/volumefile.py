"""One file that is a volume, wherever it lies: read in place, from media that nobody vouches for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, UnsafeArchive
from toolkit.limits import above
from toolkit.mirror.parity import read_exactly
from toolkit.mirror.volume import HEADER, VolumeHeader, header_limit
from toolkit.plumbing import tarheader
from toolkit.plumbing.files import storing
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.tarheader import BLOCK

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FIRST = HEADER.encode() + b"\0"  # what a volume begins with
SIZE = slice(124, 136)  # of a member, in a tar header
HEADERS = 512 << 20  # bytes of all headers that are looked at in one search


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """A file with the header of a volume, but for its documents and blobs: these are read when needed."""

    path: str
    header: VolumeHeader
    header_digest: Digest
    start: int  # where its slice begins
    expected: int  # bytes that the file should have
    size: int  # bytes that it has

    @contextmanager
    def slice(self) -> Iterator[Extent]:
        """Open the slice; raises NotFound, StoreError or UnsafeArchive."""
        with opened_file(self.path) as handle:
            yield Extent(handle, self.start, self.header.size, self.path)

    @contextmanager
    def whole(self) -> Iterator[Extent]:
        """Open the file, all of it."""
        with opened_file(self.path) as handle:
            yield Extent(handle, 0, os.fstat(handle).st_size, self.path)


@contextmanager
def opened_file(path: str) -> Iterator[int]:
    """Yield a descriptor of a regular file, its last name no link; raises NotFound, UnsafeArchive."""
    with storing(path):
        handle = os.open(path, READ)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UnsafeArchive(path, "is no regular file")
        yield handle
    finally:
        os.close(handle)


def is_volume(path: str) -> bool:
    """Tell whether a file begins as a volume does."""
    with opened_file(path) as handle, storing(path):
        return os.pread(handle, len(FIRST), 0) == FIRST


def read_header(path: str) -> VolumeHeader:
    """Return the header of a volume, all of it.

    It has to stand there as we write it, to the byte: no two readers see two things in it. Raises
    InvalidDocument, CorruptContent, UnsafeArchive, Unsupported or StoreError.
    """
    limit = header_limit()
    with opened_file(path) as handle:
        front = Extent(handle, 0, os.fstat(handle).st_size, path)
        if not front.size:
            raise CorruptContent(path, "is empty", "it was not copied to its end")
        size = tarheader.number(read_exactly(front, 0, BLOCK)[SIZE])
        if not 0 < size <= limit:
            raise above(f"{path}: {HEADER}", f"is {size} bytes", limit)
        header = VolumeHeader.parse(read_exactly(front, BLOCK, size), f"{path}: {HEADER}")
        prefix = header.prefix
        if read_exactly(front, 0, len(prefix)) != prefix:
            raise CorruptContent(
                f"{path}: {HEADER}", "is not as it was written", "it was damaged, or changed"
            )
        return header


class HeaderReader:
    """Reads the headers of many files, of so many bytes together."""

    def __init__(self) -> None:
        self._left = HEADERS

    def read(self, path: str) -> VolumeFile:
        """Return a file that is a volume; raises as `read_header`."""
        header = read_header(path)
        document = header.to_json()
        self._left -= len(document)
        if self._left < 0:
            raise UnsafeArchive(path, f"and the files before it have more than {HEADERS} bytes of headers")
        with opened_file(path) as handle:
            size = os.fstat(handle).st_size
        return known_file(path, header, size)


def known_file(path: str, header: VolumeHeader, size: int) -> VolumeFile:
    """Return a file of `size` bytes whose header is, or was, this one."""
    light = replace(header, blobs=(), files={})
    start = len(header.prefix)
    return VolumeFile(path, light, Digest.of(header.to_json()), start, header.file_size, size)
