"""A bundle file, opened once: its members by name, and each one's bytes from any thread.

A bundle that is compressed as a whole is unpacked to a nameless temporary file first (TMPDIR), since its
members are read in any order.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from toolkit.bundles.modern import blob_name
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, ToolkitError, Unsupported
from toolkit.image import Finding
from toolkit.plumbing.archive import TarIndex
from toolkit.plumbing.compression import decompressed, sniff
from toolkit.plumbing.files import storing, write_all
from toolkit.plumbing.streams import SNIFF, Extent
from toolkit.plumbing.tarheader import BLOCK, is_whole


class Archive:
    """An open bundle; `close` it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open and index the file; raises NotFound, Unsupported, CorruptContent or UnsafeArchive."""
        self.place = str(path)
        self._tops: list[str] | None = None
        self.format = ""  # its row in the table of formats, once that is known
        self._handle = _opened(path)
        try:
            self.index = TarIndex.scan(self._handle, self.place)
        except BaseException:
            self.close()
            raise

    def __contains__(self, name: str) -> bool:
        return name in self.index

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what is odd about the file."""
        return tuple(Finding(self.place, problem) for problem in self.index.findings)

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a small member, links followed; None where there is none."""
        return self.index.read(name, limit) if name in self.index else None

    def extent(self, name: str) -> Extent:
        """Return a member's bytes, links followed; raises MissingMember."""
        member = self.index.member(name)
        return Extent(self._handle, member.offset, member.size, f"{self.place}: {name}")

    def size(self, digest: Digest) -> int | None:
        """Return the size of a blob of the layout in here."""
        name = blob_name(digest)
        return self.index.member(name).size if name in self.index else None

    @contextmanager
    def open(self, digest: Digest, size: int) -> Iterator[Extent]:
        """Open a blob of the layout in here; raises CorruptContent where it is not `size` bytes."""
        extent = self.extent(blob_name(digest))
        if extent.size != size:
            raise CorruptContent(extent.subject, f"is {extent.size} bytes, expected {size}")
        yield extent

    def top_folders(self) -> list[str]:
        """Return the folders at the top of the archive, sorted."""
        if self._tops is None:
            self._tops = [name for name in self.index.directories() if "/" not in name]
        return self._tops

    def close(self) -> None:
        """Let the file go."""
        handle, self._handle = self._handle, -1
        with suppress(OSError):
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def not_a_bundle(place: str, phrase: str = "") -> ToolkitError:
    """Return the error that says what a file is instead of a bundle."""
    from toolkit.plumbing.filetype import describe_file

    phrase = phrase or describe_file(place)
    if "tar archive" in phrase and "POSIX" in phrase:  # libmagic looks at less than the checksum
        return CorruptContent(place, "begins with a damaged tar header", "the file was changed on its way")
    return Unsupported(place, f"is {phrase}, not an image bundle", _hint(place))


def _hint(place: str) -> str:
    """Return what to write instead for a folder that is a store."""
    path = Path(place)
    if (path / "oci-layout").is_file():
        return f"it is an OCI layout: oci:{place}"
    return f"it is a legacy Docker root: graph:{place}" if (path / "graph").is_dir() else ""


def _opened(path: Path) -> int:
    """Open a tar file, unpacked where it is compressed; the caller closes it."""
    with storing(path):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        first = _first_block(handle, str(path))
        if not (compression := sniff(first[:SNIFF])):
            _must_be_tar(first, str(path))
            return handle
        unpacked = _unpacked(Extent(handle, 0, os.fstat(handle).st_size, str(path)), compression)
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return unpacked


def _first_block(handle: int, place: str) -> bytes:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise not_a_bundle(place)
    with storing(place):
        return os.pread(handle, BLOCK, 0)


def _unpacked(packed: Extent, compression: str) -> int:
    with storing(f"temporary file for {packed.subject}"), tempfile.TemporaryFile(buffering=0) as spool:
        for number, block in enumerate(decompressed(packed.blocks(), compression, packed.subject)):
            if number == 0 and len(block) >= BLOCK:
                _must_be_tar(block, packed.subject, f"{compression}-compressed data that is no tar")
            write_all(spool.fileno(), block)
        return os.dup(spool.fileno())


def _must_be_tar(first: bytes, place: str, phrase: str = "") -> None:
    """Raise Unsupported for what does not begin as a tar does; a cut or empty one is for the scan."""
    if len(first) >= BLOCK and (is_whole(first[:BLOCK]) or not any(first[:BLOCK])):
        return
    raise not_a_bundle(place, phrase)
