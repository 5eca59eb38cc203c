"""A bbolt database, read and never written: the keys of its buckets, in order.

    page 0, 1    each a meta page: magic, version, page size, root bucket, number of pages, transaction
                 number, FNV-1a of these; the newer one that is whole counts
    page n       header (its own number, kind, count, how many pages follow as its overflow), then one
                 element a key that tells where, from itself on, the key and its value lie
    branch       element: position and size of the child's first key, number of the child's page
    leaf         element: flags, position, size of key and of value; with flag 1 the value is a bucket:
                 number of its root page and a sequence number, and where that page is 0, the page itself

Numbers are in the byte order of the machine that wrote them: little-endian on every one that we support.
The list of free pages is of no concern to a reader. No lock is taken, and only the meta pages have a
checksum, so every number is checked before it is used: what is not as it must be raises CorruptContent,
and what would cost more than a bound raises UnsafeArchive. Source: go.etcd.io/bbolt 1.4, internal/common
(meta.go, page.go, bucket.go), db.go (where the second meta page is looked for), tx_check.go (key order).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple

from toolkit.errors import CorruptContent, UnsafeArchive
from toolkit.plumbing.files import storing

MAGIC, VERSION = 0xED0CDAED, 2
META = struct.Struct("<IIIIQQQQQQ")
PAGE = struct.Struct("<QHHI")
ELEMENTS = {0x01: struct.Struct("<IIQ"), 0x02: struct.Struct("<IIII")}  # by kind of page
BRANCH, LEAF = ELEMENTS
BUCKET = struct.Struct("<QQ")
CHECKSUM = 8  # bytes, the last of a meta page
FIRST = 2  # the first page that is no meta page
IS_BUCKET = 0x01  # flag of a leaf's element

PAGE_SIZES = tuple(1 << power for power in range(10, 21))  # bytes; bbolt takes what its machine has
PAGE_LIMIT = 4 << 20  # bytes of a page with its overflow, which are held in memory
DEPTH = 16  # pages from the root of a bucket down to a leaf
NESTING = 16  # buckets in buckets
KEYS = 2_000_000  # looked at in one database, again each time
ALL_BYTES = 1 << 30  # read of one database, again each time

FNV_OFFSET, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


class Meta(NamedTuple):
    """What counts of a meta page."""

    page_size: int  # bytes
    root: int  # page of the root bucket
    pages: int  # how many there are; those after may be in the file, and are nothing
    transaction: int


class Element(NamedTuple):
    """A key of a page: with a child in a branch, with a value or a bucket in a leaf."""

    key: bytes
    child: int
    value: bytes
    is_bucket: bool


class Bolt:
    """An open database. `handle` is the caller's, and stays open for as long as a bucket is read."""

    def __init__(self, handle: int, subject: str) -> None:
        """Find the newer whole meta page; raises CorruptContent where there is none."""
        self.handle, self.subject = handle, subject
        with storing(subject):
            self._size = os.fstat(handle).st_size
        self._keys_left, self._bytes_left = KEYS, ALL_BYTES
        self.meta = self._newest()
        self.root = Bucket(self, self.meta.root)

    def page(self, number: int) -> Page:
        """Read a page with its overflow; raises CorruptContent where it is none of this database."""
        raw = self._pages(number, 1)
        *_, overflow = PAGE.unpack_from(raw)
        if (size := (1 + overflow) * self.meta.page_size) > PAGE_LIMIT:
            raise UnsafeArchive(self.subject, f"page {number} is {size} bytes, expected at most {PAGE_LIMIT}")
        if overflow:
            raw = self._pages(number, 1 + overflow)
        return Page(self, raw, number)

    def count(self, keys: int) -> None:
        """Count keys that are about to be looked at; raises UnsafeArchive where they are too many."""
        self._keys_left -= keys
        if self._keys_left < 0:
            raise UnsafeArchive(self.subject, f"has more than {KEYS} keys to look at")

    def _pages(self, first: int, count: int) -> bytes:
        end = self.meta.pages
        if first < FIRST or first + count > end:
            problem = f"names page {first + count - 1}, expected {FIRST} to {end - 1}"
            raise CorruptContent(self.subject, problem)
        size, offset = count * self.meta.page_size, first * self.meta.page_size
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise UnsafeArchive(self.subject, f"has more than {ALL_BYTES} bytes of pages to read")
        return self._read(size, offset)

    def _read(self, size: int, offset: int) -> bytes:
        end = self._size
        if offset + size <= end:
            with storing(self.subject):
                raw = os.pread(self.handle, size, offset)
            if len(raw) == size:
                return raw
            end = offset + len(raw)  # it is being made shorter as we read
        problem = f"is {end} bytes, expected at least {offset + size}"
        raise CorruptContent(self.subject, problem, "it was cut short")

    def _newest(self) -> Meta:
        """Return the newer meta page; the second lies where the first says, else at any size of page."""
        first = self._meta(0)
        sizes = (first.page_size,) if isinstance(first, Meta) else PAGE_SIZES
        metas = (first, *map(self._meta, sizes))
        if found := [meta for meta in metas if isinstance(meta, Meta)]:
            return max(found, key=lambda meta: meta.transaction)
        raise CorruptContent(
            self.subject, f"is no bbolt database, for no meta page is whole: the first {first}"
        )

    def _meta(self, offset: int) -> Meta | str:
        """Return a meta page, or what is wrong with it."""
        if offset + PAGE.size + META.size > self._size:
            return f"ends at byte {self._size}, expected {offset + PAGE.size + META.size} or more"
        raw = self._read(META.size, offset + PAGE.size)
        magic, version, page_size, _, root, _, _, pages, transaction, checksum = META.unpack(raw)
        if magic != MAGIC:
            return f"has the magic {magic:#010x}, expected {MAGIC:#010x}"
        if version != VERSION:
            return f"has version {version}, expected {VERSION}"
        if checksum != (actual := fnv1a(raw[:-CHECKSUM])):
            return f"has the checksum {actual:#018x}, expected {checksum:#018x}"
        if page_size not in PAGE_SIZES or offset not in {0, page_size}:
            return f"tells of pages of {page_size} bytes, expected a power of two"
        return Meta(page_size, root, pages, transaction)


class Page:
    """A branch or a leaf, with its overflow."""

    def __init__(self, bolt: Bolt, raw: bytes, number: int) -> None:
        """Check the header; raises CorruptContent."""
        self.subject = f"page {number} of {bolt.subject}" if number else f"a page in a page of {bolt.subject}"
        self._raw = raw
        if len(raw) < PAGE.size:
            raise CorruptContent(self.subject, f"is {len(raw)} bytes, expected {PAGE.size} or more")
        own, self.kind, self._count, _ = PAGE.unpack_from(raw)
        if own != number:
            raise CorruptContent(self.subject, f"calls itself page {own}, expected {number}")
        if self.kind not in ELEMENTS:
            raise CorruptContent(
                self.subject, f"is of kind {self.kind:#x}, expected {BRANCH:#x} or {LEAF:#x}"
            )
        self._end = PAGE.size + self._count * ELEMENTS[self.kind].size
        if self._end > len(raw):
            problem = f"tells of {self._count} keys, expected as many as fit in {len(raw)} bytes"
            raise CorruptContent(self.subject, problem)
        if self.kind == BRANCH and not self._count:
            raise CorruptContent(self.subject, "is a branch of 0 keys, expected one or more")
        bolt.count(self._count)

    def elements(self, low: bytes = b"", high: bytes | None = None) -> Iterator[Element]:
        """Yield the keys, which must ascend, from `low` on and before `high`: Go looks them up by halving."""
        before: bytes | None = None
        layout = ELEMENTS[self.kind]
        for start in range(PAGE.size, self._end, layout.size):
            element = self._element(start, layout.unpack_from(self._raw, start))
            key = element.key
            if key < low or (before is not None and key <= before) or (high is not None and key >= high):
                others = " or ".join(repr(other[:100]) for other in (low, before, high) if other)
                raise CorruptContent(self.subject, f"has the key {key[:100]!r} out of order beside {others}")
            yield element
            before = key

    def _element(self, start: int, numbers: tuple[int, ...]) -> Element:
        """Return what lies where an element, at `start`, tells; raises CorruptContent outside of the page."""
        if self.kind == BRANCH:
            (position, key_size, child), value_size, flags = numbers, 0, 0
        else:
            (flags, position, key_size, value_size), child = numbers, 0
        at = start + position
        middle, stop = at + key_size, at + key_size + value_size
        if at < self._end or stop > len(self._raw):
            problem = f"has a key at {at} to {stop}, expected {self._end} to {len(self._raw)}"
            raise CorruptContent(self.subject, problem)
        return Element(self._raw[at:middle], child, self._raw[middle:stop], bool(flags & IS_BUCKET))


@dataclass(frozen=True, slots=True)
class Bucket:
    """The keys of one bucket, and the buckets in it; each look at them reads the file again."""

    bolt: Bolt
    root: int  # page; 0 where it is `inline`
    inline: bytes = b""
    nesting: int = 0  # buckets that this one lies in

    def items(self) -> Iterator[tuple[bytes, bytes | Bucket]]:
        """Yield the keys in ascending order, each with its value or with the bucket that it names."""
        for element in (
            self._leaf(Page(self.bolt, self.inline, 0)) if not self.root else self._walk(self.root)
        ):
            yield element.key, self._bucket(element) if element.is_bucket else element.value

    def buckets(self) -> Iterator[tuple[bytes, Bucket]]:
        """Yield the buckets in this one."""
        return ((key, found) for key, found in self.items() if isinstance(found, Bucket))

    def bucket(self, name: bytes) -> Bucket | None:
        """Return a bucket in this one by its name; None where there is none."""
        return next((found for key, found in self.buckets() if key == name), None)

    def values(self) -> dict[bytes, bytes]:
        """Return the keys that have values."""
        return {key: value for key, value in self.items() if isinstance(value, bytes)}

    def _walk(
        self, number: int, low: bytes = b"", high: bytes | None = None, above: tuple[int, ...] = ()
    ) -> Iterator[Element]:
        """Yield the elements of all leaves below a page; the keys of each child lie in its own range."""
        if number in above:
            raise UnsafeArchive(self.bolt.subject, f"page {number} is below itself, expected no cycle")
        if len(above) == DEPTH:
            raise UnsafeArchive(self.bolt.subject, f"is a tree deeper than {DEPTH} pages at page {number}")
        page = self.bolt.page(number)
        if page.kind == LEAF:
            yield from page.elements(low, high)
            return
        for element, following in pairwise(chain(page.elements(low, high), (None,))):
            if element is not None:
                end = following.key if following else high
                yield from self._walk(element.child, element.key, end, (*above, number))

    def _leaf(self, page: Page) -> Iterator[Element]:
        """Yield the elements of a page in a page, which has no children."""
        if page.kind != LEAF:
            raise CorruptContent(page.subject, f"is of kind {page.kind:#x}, expected {LEAF:#x}")
        return page.elements()

    def _bucket(self, element: Element) -> Bucket:
        """Return the bucket that an element names."""
        if self.nesting == NESTING:
            raise UnsafeArchive(self.bolt.subject, f"has buckets nested deeper than {NESTING}")
        if len(element.value) < BUCKET.size:
            problem = (
                f"bucket {element.key[:100]!r} is {len(element.value)} bytes, expected {BUCKET.size} or more"
            )
            raise CorruptContent(self.bolt.subject, problem)
        root, _ = BUCKET.unpack_from(element.value)
        return Bucket(self.bolt, root, b"" if root else element.value[BUCKET.size :], self.nesting + 1)


def fnv1a(raw: bytes) -> int:
    """Return the 64-bit FNV-1a of some bytes (draft-eastlake-fnv)."""
    found = FNV_OFFSET
    for byte in raw:
        found = (found ^ byte) * FNV_PRIME % (1 << 64)
    return found
