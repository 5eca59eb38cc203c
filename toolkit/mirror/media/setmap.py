"""SetMap: which slices, blobs and documents a set has, put together from headers that nobody vouches for.

The parity volume knows all of it; without one each volume knows its own, and together they do.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, MissingMember, UnsafeArchive
from toolkit.limits import above, limits
from toolkit.mirror.media.volume import BlobRange, Files, VolumeHeader, check_ranges, touching

NAMED = 3  # blobs that are named where many are meant


@dataclass(frozen=True, slots=True)
class Span:
    """A part of one volume's slice."""

    number: int
    start: int  # in the slice
    size: int


@dataclass(frozen=True, slots=True)
class SetMap:
    """What is known of a set. `headers` are without their blobs and documents, and may have gaps."""

    subject: str
    of: int
    total: int
    headers: Mapping[int, VolumeHeader]
    blobs: Mapping[Digest, BlobRange] = field(repr=False)
    files: Files

    @classmethod
    def of_parity(cls, header: VolumeHeader, subject: str) -> SetMap:
        """Return all that the parity volume knows."""
        headers, offset = {}, 0
        for number, size in enumerate(header.sizes, 1):
            headers[number] = replace(
                header, number=number, offset=offset, size=size, sizes=(), blobs=(), files={}
            )
            offset += size
        blobs = {blob.digest: blob for blob in header.blobs}
        return cls(subject, header.of, header.total, headers, blobs, header.files)

    @classmethod
    def of_volumes(cls, headers: Iterable[VolumeHeader], subject: str) -> SetMap:
        """Join what volumes know; raises CorruptContent or UnsafeArchive where they contradict each other."""
        known: dict[int, VolumeHeader] = {}
        blobs: dict[Digest, BlobRange] = {}
        files: Files = {}
        for header in headers:
            for blob in header.blobs:
                if blobs.setdefault(blob.digest, blob) != blob:
                    raise CorruptContent(subject, f"has blob {blob.digest} at two places, by two volumes")
            if len(blobs) > limits().member:
                raise above(subject, f"lists {len(blobs)} blobs", limits().member)
            files = header.files or files
            known[header.number] = replace(header, blobs=(), files={})
        first = next(iter(known.values()))
        if len({(one.site, one.of, one.total) for one in known.values()}) > 1:
            raise CorruptContent(subject, "has volumes that speak of different sets")
        _check_chain(sorted(known.values(), key=lambda one: one.number), subject)
        in_order = sorted(blobs.values(), key=lambda blob: blob.offset)
        check_ranges(in_order, files, first.total, subject)
        ordered = {blob.digest: blob for blob in in_order}
        return cls(subject, first.of, first.total, known, ordered, files)

    def spans(self, offset: int, size: int) -> list[Span]:
        """Return where a range of the stream lies; raises MissingMember where that is not known."""
        if offset < 0 or size < 0 or offset + size > self.total:
            raise CorruptContent(self.subject, f"has no bytes {offset} to {offset + size}, of {self.total}")
        ordered = sorted(self.headers.values(), key=lambda header: header.offset)
        at = max(0, bisect_right(ordered, offset, key=lambda header: header.offset) - 1)
        spans, end = [], offset + size
        for header in ordered[at:]:
            if offset >= end or header.offset > offset:
                break
            if (count := min(end, header.end) - offset) > 0:
                spans.append(Span(header.number, offset - header.offset, count))
                offset += count
        if offset < end:
            raise MissingMember(self.subject, f"has bytes {offset} to {end} in a volume that is missing")
        return spans

    def placed(self, offset: int, size: int) -> Iterator[tuple[int, int, int]]:
        """Yield the parts of a range, each by its volume, from and to in the stream; raises as `spans`."""
        for span in self.spans(offset, size):
            begin = self.headers[span.number].offset + span.start
            yield span.number, begin, begin + span.size

    def must_be_whole(self) -> None:
        """Raise MissingMember where bytes lie in no volume that is known."""
        self.spans(0, self.total)

    def touched(self, number: int, start: int, end: int) -> list[Digest]:
        """Return the blobs of which a byte is in this range of a volume's slice."""
        if (header := self.headers.get(number)) is None:
            return []
        found = touching(list(self.blobs.values()), header.offset + start, header.offset + end)
        return [blob.digest for blob in found]


def named(digests: Sequence[Digest]) -> str:
    """Return a few digests, and how many more there are."""
    if not digests:
        return "no blob"
    more = len(digests) - NAMED
    return "blobs " + ", ".join(map(str, digests[:NAMED])) + (f" and {more} more" if more > 0 else "")


def _check_chain(headers: Sequence[VolumeHeader], subject: str) -> None:
    """Raise UnsafeArchive where slices overlap, or leave a gap that no missing volume explains."""
    for before, after in pairwise(headers):
        follows = after.number == before.number + 1
        if after.offset < before.end or (follows and after.offset != before.end):
            problem = (
                f"has volume {after.number} at byte {after.offset}, after volume {before.number}, which ends"
            )
            raise UnsafeArchive(subject, f"{problem} at {before.end}")
