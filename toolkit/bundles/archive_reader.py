"""A bundle file, opened once: its members by name, and each one's bytes from any thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from toolkit.bundles.landing import landed
from toolkit.bundles.modern import blob_name
from toolkit.bundles.opening import STANDARD_INPUT, Opened, opened, spooled
from toolkit.digest import Digest
from toolkit.errors import CorruptContent
from toolkit.image import Finding
from toolkit.plumbing.archive import TarIndex
from toolkit.plumbing.files import Stamp
from toolkit.plumbing.streams import Extent
from toolkit.ports import Block, Landing
from toolkit.printable import about
from toolkit.voucher import Voucher


@dataclass(frozen=True, slots=True)
class Arriving:
    """A bundle that comes from elsewhere, in blocks, once; `place` is what messages call it.

    Where there is a `land`, it gets the large members (toolkit.bundles.landing).
    """

    place: str
    blocks: Iterator[Block]
    land: Landing | None = None

    def spooled(self) -> int:
        """Return the descriptor of the file that it is kept in."""
        return landed(self.blocks, self.place, self.land) if self.land else spooled(self.blocks, self.place)


class Archive:
    """An open bundle; `close` it, or use it as a context manager."""

    def __init__(self, path: Path | None, arriving: Arriving | None = None) -> None:
        """Open and index the file: standard input where there is no path, or what arrives from elsewhere.

        Raises NotFound, Unsupported, CorruptContent or UnsafeArchive.
        """
        self.place = arriving.place if arriving else str(path) if path else STANDARD_INPUT
        self._tops: list[str] | None = None
        self.format = ""  # its row in the table of formats, once that is known
        self._opened = Opened(arriving.spooled()) if arriving else opened(path)
        self.outer = self._opened.compression
        try:
            self.index = TarIndex.scan(self._opened.handle, self.place)
        except BaseException:
            self.close()
            raise

    def __contains__(self, name: str) -> bool:
        return name in self.index

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Return what is odd about the file."""
        return tuple(Finding(self.place, problem, check="archive") for problem in self.index.findings)

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a small member, links followed; None where there is none."""
        return self.index.read(name, limit) if name in self.index else None

    def extent(self, name: str) -> Extent:
        """Return a member's bytes, links followed; raises MissingMember."""
        member = self.index.member(name)
        return Extent(self._opened.handle, member.offset, member.size, f"{about(self.place)} {name}")

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

    def file_stamp(self) -> Stamp | None:
        """Return how the file that is named stands, or stood when it was read last."""
        return self._opened.file_stamp()

    def close(self) -> None:
        """Let the file go."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ArchiveSource:
    """What every Source over an archive tells of its file; a subclass reads the images."""

    def __init__(self, archive: Archive) -> None:
        self.place, self._archive = archive.place, archive
        self.vouchers: tuple[Voucher, ...] = ()

    @property
    def format(self) -> str:
        """Return the name of the bundle's format."""
        return self._archive.format

    @property
    def outer(self) -> str:
        """Return how the file is compressed as a whole; empty where it is not."""
        return self._archive.outer

    def file_stamp(self) -> Stamp | None:
        """Return how the file stands, or stood when it was read last."""
        return self._archive.file_stamp()

    def close(self) -> None:
        """Let the file go."""
        self._archive.close()
