"""How a stream of known size is cut into volumes, none of which is larger than the medium takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from toolkit.errors import UsageError
from toolkit.mirror.media.volume import (
    BLOCKS,
    MOST,
    SUM,
    BlobRange,
    Files,
    VolumeHeader,
    check_ranges,
    pieces_in,
    touching,
)
from toolkit.plumbing.tarheader import BLOCK
from toolkit.plumbing.tarwriter import header

NO_BOUND = 1 << 62  # bytes; the size of a volume where none is asked for


@dataclass(frozen=True, slots=True)
class Cargo:
    """What a set carries: a stream of `total` bytes, and where in it blobs and documents lie."""

    site: str
    name: str
    total: int
    blobs: tuple[BlobRange, ...] = field(repr=False)
    files: Files

    @classmethod
    def of(cls, site: str, name: str, total: int, blobs: Sequence[BlobRange], files: Files) -> Cargo:
        """Bring all into its order; raises UnsafeArchive or InvalidDocument where it cannot be true."""
        in_order = tuple(sorted(blobs, key=lambda blob: blob.offset))
        documents = dict(sorted(files.items(), key=lambda item: item[1]))
        check_ranges(in_order, documents, total, f"set {name}")
        cargo = cls(site, name, total, in_order, documents)
        cargo.header(1, 1, 0, total).check(f"set {name}")
        return cargo

    def header(self, number: int, of: int, offset: int, size: int) -> VolumeHeader:
        """Return the header of a volume that has this slice."""
        blobs = tuple(touching(self.blobs, offset, offset + size))
        files = self.files if number == 1 else {}
        return VolumeHeader(self.site, self.name, number, of, offset, size, self.total, blobs, files)

    def parity(self, sizes: Sequence[int]) -> VolumeHeader:
        """Return the header of the parity volume of slices of these sizes."""
        size = max(sizes)
        return VolumeHeader(
            self.site, self.name, 0, len(sizes), 0, size, self.total, self.blobs, self.files, tuple(sizes)
        )


def cut(cargo: Cargo, volume: int = 0, *, parity: bool = False) -> tuple[VolumeHeader, ...]:
    """Return the headers of all volumes, that of the parity volume last; no file is over `volume` bytes.

    0 is one volume of any size. Slices end at multiples of 512 bytes. Raises UsageError where volumes of
    this size have no room, or would be too many.
    """
    bound = volume or NO_BOUND
    sizes = _sizes_with_parity(cargo, bound) if parity else list(_sizes(cargo, bound, bound))
    headers, offset = [], 0
    for number, size in enumerate(sizes, 1):
        headers.append(cargo.header(number, len(sizes), offset, size))
        offset += size
    return (*headers, cargo.parity(sizes)) if parity else tuple(headers)


def _sizes_with_parity(cargo: Cargo, bound: int) -> list[int]:
    """Cut so that the parity volume fits too: the more slices there are, the less room is in it."""
    count = 1
    while True:
        sizes = list(_sizes(cargo, bound, bound - _around_parity(cargo, count)))
        if len(sizes) <= count:
            return sizes
        count = len(sizes)


def _around_parity(cargo: Cargo, count: int) -> int:
    """Return the most bytes that stand around the XOR of `count` slices."""
    widest = replace(cargo.parity([cargo.total]), of=count, sizes=(cargo.total,) * count)
    blocks = SUM * (pieces_in(cargo.total) + count + 1)
    member = len(header(BLOCKS, "file", blocks)) + blocks + BLOCK
    return len(widest.prefix) + len(widest.suffix()) + member + BLOCK


def _sizes(cargo: Cargo, bound: int, most: int) -> Iterator[int]:
    """Yield the sizes of slices of at most `most` bytes, in files of at most `bound`."""
    if cargo.total <= most and cargo.header(1, 1, 0, cargo.total).file_size <= bound:
        yield cargo.total
        return
    start = count = 0
    while start < cargo.total:
        left = cargo.total - start
        room = _room(cargo, start, min(left, most), bound)
        size = left if room >= left else room // BLOCK * BLOCK
        count += 1
        if size <= 0 or count > MOST:
            problem = f"is too small for the {cargo.total} bytes of set {cargo.name} and their headers"
            raise UsageError(f"a volume of {bound} bytes", problem, "choose larger volumes")
        yield size
        start += size


def _room(cargo: Cargo, start: int, size: int, bound: int) -> int:
    """Return how much of a slice of `size` bytes fits, with a header that is as long as it can become."""
    if size <= 0:
        return 0
    first = 1 if start == 0 else MOST
    widest = replace(
        cargo.header(first, MOST, start, size), number=MOST, offset=cargo.total, size=cargo.total
    )
    return min(size, bound - (widest.file_size - cargo.total) - BLOCK)
