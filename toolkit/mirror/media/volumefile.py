"""One file that is a volume, wherever it lies: read in place, from media that nobody vouches for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, UnsafeArchive
from toolkit.limits import above, limits
from toolkit.mirror.media.parity import read_exactly
from toolkit.mirror.media.volume import HEADER, VolumeHeader, header_limit
from toolkit.plumbing import tarheader
from toolkit.plumbing.compression import GRACE
from toolkit.plumbing.files import storing
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.tarheader import BLOCK

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FIRST = HEADER.encode() + b"\0"  # what a volume begins with
SIZE = slice(124, 136)  # of a member, in a tar header
SECTOR = 512  # bytes that stat(2) counts what is written in
HEADERS = 64 << 20  # bytes of all headers that are looked at in one search


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """A file with the header of a volume, but for its blobs; what it says is unproven."""

    path: str
    header: VolumeHeader
    prefix: Digest  # of all bytes before the slice, which are the header's
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
        """Open the file, all of it; raises Mismatch where it has not the size that its header tells.

        Raises UnsafeArchive for a file that is one hole: it takes a block of the medium, and hours to read.
        """
        with opened_file(self.path) as handle:
            facts = os.fstat(handle)
            if (size := facts.st_size) != self.expected:
                raise Mismatch(self.path, "size", "", size, self.expected)
            written = facts.st_blocks * SECTOR  # 0 where a file system does not tell
            if 0 < written < (size - GRACE) / limits().ratio:
                problem = f"is {size} bytes, of which {written} were ever written"
                raise UnsafeArchive(self.path, problem, "bring another copy")
            yield Extent(handle, 0, size, self.path)


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
    """Return the header of a volume, all of it, as it stands there now: nobody vouches for it.

    It has to stand there as we write it, to the byte: no two readers see two things in it. Raises
    InvalidDocument, CorruptContent, UnsafeArchive, Unsupported or StoreError.
    """
    with opened_file(path) as handle:
        front = _front(handle, path)
        return _header(front, _document(front))


def parsed_prefix(prefix: bytes, subject: str) -> VolumeHeader:
    """Return the header that a file begins with; raises as `read_header`."""
    size = tarheader.number(prefix[SIZE])
    return VolumeHeader.parse(prefix[BLOCK : BLOCK + size], f"{subject}: {HEADER}")


class HeaderReader:
    """Reads the headers of many files, of so many bytes together; the same one counts once."""

    def __init__(self) -> None:
        self._most = max(HEADERS, 2 * header_limit())  # a set has its blobs in its volumes, and in parity
        self._left = self._most
        self._known: dict[Digest, VolumeFile] = {}

    def read(self, path: str) -> VolumeFile:
        """Return a file that is a volume; raises as `read_header`."""
        with opened_file(path) as handle:
            front, size = _front(handle, path), os.fstat(handle).st_size
            document = _document(front)
            known = self._known.get(digest := Digest.of(document))
            if known and Digest.of(read_exactly(front, 0, known.start)) == known.prefix:
                return replace(known, path=path, size=size)
            self._left -= len(document)
            if self._left < 0:
                problem = f"and the files before it have more than {self._most} bytes of headers"
                raise UnsafeArchive(path, problem, "receive fewer sets at a time")
            found = known_file(path, _header(front, document), size)
        self._known[digest] = found
        return found


def known_file(path: str, header: VolumeHeader, size: int) -> VolumeFile:
    """Return a file of `size` bytes whose header is, or was, this one."""
    prefix = header.prefix
    expected = len(prefix) + header.rest_size
    return VolumeFile(path, replace(header, blobs=()), Digest.of(prefix), len(prefix), expected, size)


def _front(handle: int, path: str) -> Extent:
    return Extent(handle, 0, os.fstat(handle).st_size, path)


def _document(front: Extent) -> bytes:
    """Return the bytes that should be a header."""
    limit = header_limit()
    if not front.size:
        raise CorruptContent(front.subject, "is empty", "it was not copied to its end")
    size = tarheader.number(read_exactly(front, 0, BLOCK)[SIZE])
    if not 0 < size <= limit:
        raise above(f"{front.subject}: {HEADER}", f"is {size} bytes", limit)
    return read_exactly(front, BLOCK, size)


def _header(front: Extent, document: bytes) -> VolumeHeader:
    header = VolumeHeader.parse(document, f"{front.subject}: {HEADER}")
    prefix = header.prefix
    if read_exactly(front, 0, len(prefix)) != prefix:
        problem = "is not as it was written"
        raise CorruptContent(f"{front.subject}: {HEADER}", problem, "it was damaged, or changed")
    return header
