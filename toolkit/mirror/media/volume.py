"""VolumeHeader: what a volume says of itself, and what stands around its slice of the stream.

    plant-7_0007.2of3.tar          plant-7_0007.parity.tar
      volume.json                    volume.json           of the whole set
      plant-7_0007.part              plant-7_0007.part     the XOR of all slices, as long as the longest
                                     blocks                the CRC-64 of each MiB of each slice, and of those

A set is one tar, cut into slices. Of a single volume the tar follows `volume.json` directly. A header is the
same bytes every time: whoever has the parity volume knows what stands around every slice.

A CRC-64 (XZ's, big-endian) finds where a volume is damaged. That what was healed is what was sent is shown
by the sha256 of the whole volume, and of its blobs: another one of every byte would cost as much again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from toolkit.digest import Digest
from toolkit.document import Node, load
from toolkit.errors import InvalidDocument, ToolkitError, UnsafeArchive, Unsupported
from toolkit.limits import MIB, above, limits
from toolkit.plumbing.tarheader import BLOCK
from toolkit.plumbing.tarwriter import END, header, padding

HEADER, BLOCKS = "volume.json", "blocks"  # members
VERSION = 1
PIECE = MIB  # bytes of a slice that have a sum of their own in the parity volume
SUM = 8  # bytes of it
MOST = 5_000  # volumes of a set; their checksums are a list that is read (toolkit.checksums)
MOST_FILES = 16  # documents of a set that are found by their names
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,99}")  # of a set, or a document: every file system takes it
SITE = 255  # characters of a site's name
BLOB, SIZE, REST = 200, 22, 64 << 10  # bytes in a header, at most: of a blob, of a size, and of all else


class BlobRange(NamedTuple):
    """Where a blob lies in the stream, in bytes."""

    digest: Digest
    offset: int
    size: int

    @property
    def end(self) -> int:
        """Return where it ends; an empty blob takes one byte here, so that it is in one volume."""
        return self.offset + max(self.size, 1)


Files = Mapping[str, tuple[int, int]]  # name of a document → offset and size in the stream


@dataclass(frozen=True, slots=True)
class VolumeHeader:
    """One volume: which of which set, its slice of the stream, and the blobs of which a byte is in it.

    The parity volume is number 0. Its slice is as long as the longest; it lists all of them, and all blobs.
    """

    site: str
    set: str
    number: int  # from 1
    of: int
    offset: int  # of the slice in the stream
    size: int  # of the slice
    total: int  # bytes of the stream
    blobs: tuple[BlobRange, ...] = field(repr=False)  # in the order of their offsets
    files: Files = field(default_factory=dict)  # in volume 1 only
    sizes: tuple[int, ...] = ()  # of all slices; in the parity volume only

    @property
    def is_parity(self) -> bool:
        """Tell whether this is the parity volume."""
        return self.number == 0

    @property
    def file_name(self) -> str:
        """Return what the file is called."""
        return volume_name(self.set, self.number, self.of)

    @property
    def end(self) -> int:
        """Return where the slice ends in the stream."""
        return self.offset + self.size

    @property
    def prefix(self) -> bytes:
        """Return the bytes of the file before the slice."""
        document = self.to_json()
        part = b"" if self._is_bundle else header(f"{self.set}.part", "file", self.size)
        return header(HEADER, "file", len(document)) + document + padding(len(document)) + part

    def suffix(self, blocks: bytes = b"") -> bytes:
        """Return the bytes of the file behind the slice; `blocks` are those of the parity volume."""
        if self._is_bundle:
            return b""
        member = header(BLOCKS, "file", len(blocks)) + blocks + padding(len(blocks)) if blocks else b""
        return padding(self.size) + member + END

    @property
    def blocks_size(self) -> int:
        """Return the bytes of the blocks of the parity volume."""
        return SUM * (sum(map(pieces_in, self.sizes)) + 1) if self.is_parity else 0

    @property
    def file_size(self) -> int:
        """Return the bytes of the file."""
        return len(self.prefix) + self.rest_size

    @property
    def rest_size(self) -> int:
        """Return the bytes of the file from its slice on."""
        blocks = self.blocks_size
        member = len(header(BLOCKS, "file", blocks)) + blocks + -blocks % BLOCK if blocks else 0
        return self.size + len(self.suffix()) + member

    @property
    def _is_bundle(self) -> bool:
        return self.of == 1 and not self.is_parity

    def of_volume(self, number: int) -> VolumeHeader:
        """Return the header of another volume; only the parity volume knows."""
        offset, size = sum(self.sizes[: number - 1]), self.sizes[number - 1]
        blobs = tuple(touching(self.blobs, offset, offset + size))
        files = self.files if number == 1 else {}
        return replace(self, number=number, offset=offset, size=size, blobs=blobs, files=files, sizes=())

    def to_json(self) -> bytes:
        """Return the document, the same bytes every time."""
        document: dict[str, Any] = {
            "lading": "volume",
            "version": VERSION,
            "site": self.site,
            "set": self.set,
            "number": self.number,
            "of": self.of,
            "offset": self.offset,
            "size": self.size,
            "total": self.total,
            "parity": self.is_parity,
            **({"sizes": self.sizes} if self.is_parity else {}),
            **({"files": self.files} if self.files else {}),
            "blobs": [(str(blob.digest), blob.offset, blob.size) for blob in self.blobs],
        }
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def parse(cls, raw: bytes, subject: str) -> Self:
        """Read a document that nobody vouches for; raises InvalidDocument, UnsafeArchive or Unsupported."""
        node = load(raw, subject, header_limit(), 4 * limits().member + 2 * MOST)
        if node.get("lading", str) != "volume":
            raise InvalidDocument(subject, "is not the header of a volume")
        if (version := node.get("version", int)) != VERSION:
            raise Unsupported(subject, f"is of version {version}, expected {VERSION}", "use a newer lading")
        keys = ("number", "of", "offset", "size", "total")
        found = cls(
            node.get("site", str),
            node.get("set", str),
            **{key: node.get(key, int) for key in keys},
            blobs=tuple(_blobs(node)),
            files=_files(node),
            sizes=tuple(node.optional("sizes", list) or ()),
        )
        if node.get("parity", bool) is not found.is_parity:
            node.fail("parity", f"is {not found.is_parity}, in volume {found.number}")
        found.check(subject)
        return found

    def check(self, subject: str) -> None:
        """Raise InvalidDocument or UnsafeArchive where the facts cannot be true together."""
        if not NAME.fullmatch(self.set):
            raise UnsafeArchive(subject, f"names a set {self.set[:100]!r}, expected letters, digits, ._+=-")
        if not self.site or len(self.site) > SITE or not self.site.isprintable():
            raise InvalidDocument(subject, "names no site")
        if not 0 <= self.number <= self.of or not 1 <= self.of <= MOST:
            raise InvalidDocument(subject, f"is volume {self.number} of {self.of}")
        self._check_slice(subject)
        if self.files and self.number > 1:
            raise InvalidDocument(subject, f"has documents in volume {self.number}")
        check_ranges(self.blobs, self.files, self.total, subject)
        for blob in self.blobs:
            if not self.is_parity and not (blob.offset < self.end and self.offset < blob.end):
                raise UnsafeArchive(subject, f"lists blob {blob.digest}, which is not in its slice")

    def _check_slice(self, subject: str) -> None:
        if not (self._is_true_of_parity() if self.is_parity else self._is_true_of_slice()):
            facts = f"bytes {self.offset} to {self.end} of {self.total}"
            raise InvalidDocument(subject, f"is volume {self.number} of {self.of} with {facts}")

    def _is_true_of_slice(self) -> bool:
        is_first, is_last = self.offset == 0, self.end == self.total
        is_within = self.offset >= 0 and self.size > 0 and self.end <= self.total
        is_in_order = is_first is (self.number == 1) and is_last is (self.number == self.of)
        return is_within and is_in_order and not self.sizes

    def _is_true_of_parity(self) -> bool:
        are_sizes = len(self.sizes) == self.of and all(type(size) is int and size > 0 for size in self.sizes)
        is_sum = are_sizes and sum(self.sizes) == self.total
        return is_sum and self.offset == 0 and self.size == max(self.sizes)


def volume_name(name: str, number: int, of: int) -> str:
    """Return what a volume of a set is called; number 0 is the parity volume."""
    return f"{name}.{number}of{of}.tar" if number else f"{name}.parity.tar"


def is_volume_of(name: str, file_name: str) -> bool:
    """Tell whether a file is called as a volume of this set, of however many."""
    pattern = rf"{re.escape(name)}\.(?:[1-9][0-9]{{0,3}}of[1-9][0-9]{{0,3}}|parity)\.tar"
    return re.fullmatch(pattern, file_name) is not None


def list_name(name: str) -> str:
    """Return what the list of the volumes' checksums is called."""
    return f"{name}.sha256"


def pieces_in(size: int) -> int:
    """Return how many pieces a slice has, the last of which may be short."""
    return -(-size // PIECE)


def header_limit() -> int:
    """Return how many bytes a header may have: it follows from how many members a bundle may have."""
    return REST + BLOB * limits().member + SIZE * MOST


def touching(blobs: Sequence[BlobRange], start: int, end: int) -> Sequence[BlobRange]:
    """Return the blobs of which a byte is in a range of the stream."""
    from bisect import bisect_left, bisect_right

    first = bisect_right(blobs, start, key=lambda blob: blob.end)
    return blobs[first : bisect_left(blobs, end, lo=first, key=lambda blob: blob.offset)]


def check_ranges(blobs: Sequence[BlobRange], files: Files, total: int, subject: str) -> None:
    """Raise UnsafeArchive where two of these overlap, one is outside the stream, or a digest stands twice."""
    if len(blobs) > (most := limits().member):
        raise above(subject, f"lists {len(blobs)} blobs", most)
    if len(files) > MOST_FILES or not all(map(NAME.fullmatch, files)):
        raise UnsafeArchive(subject, f"lists documents {sorted(files)[:3]}, expected at most {MOST_FILES}")
    if len({blob.digest for blob in blobs}) != len(blobs):
        raise UnsafeArchive(subject, "lists a blob twice")
    _check_order([(str(blob.digest), blob.offset, blob.end) for blob in blobs], total, subject)
    documents = [(name, offset, offset + max(size, 1)) for name, (offset, size) in files.items()]
    known = [(str(blob.digest), blob.offset, blob.end) for blob in blobs]
    _check_order(sorted((*documents, *known), key=lambda one: one[1]), total, subject)


def _check_order(ranges: Iterable[tuple[str, int, int]], total: int, subject: str) -> None:
    last, before = "the beginning", 0
    for name, offset, end in ranges:
        if offset < before:
            raise UnsafeArchive(subject, f"has {name} at byte {offset}, within {last}")
        if end > total or end <= offset:
            raise UnsafeArchive(subject, f"has {name} at bytes {offset} to {end}, of {total}")
        last, before = name, end


def _blobs(node: Node) -> Iterable[BlobRange]:
    for index, item in enumerate(node.get("blobs", list)):
        if type(item) is not list or [type(one) for one in item] != [str, int, int]:
            node.fail(f"blobs[{index}]", "a digest, an offset and a size required")
        try:
            digest = Digest.parse(item[0])
        except ToolkitError as error:
            raise InvalidDocument(node.subject, f"blobs[{index}]: {error}") from error
        if item[2] < 0:
            node.fail(f"blobs[{index}]", f"is {item[2]} bytes")
        yield BlobRange(digest, item[1], item[2])


def _files(node: Node) -> Files:
    files: dict[str, tuple[int, int]] = {}
    for name, item in (node.optional("files", dict) or {}).items():
        if type(item) is not list or [type(one) for one in item] != [int, int] or item[1] < 0:
            node.fail(f"files.{name[:100]}", "an offset and a size required")
        files[name] = item[0], item[1]
    return files
