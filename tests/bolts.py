"""bbolt databases as literals: nested dicts become pages, as go.etcd.io/bbolt lays them out."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Union

from toolkit.plumbing.bolt import Bolt

Tree = Mapping[bytes, Union[bytes, "Tree"]]
Item = tuple[int, bytes, bytes]  # flags, key, value

BRANCH, LEAF, META, FREE = 0x01, 0x02, 0x04, 0x10
IS_BUCKET = 0x01
SIZE = 4096


def header(number: int, kind: int, count: int, overflow: int = 0) -> bytes:
    """Return the 16 bytes that a page begins with."""
    return struct.pack("<QHHI", number, kind, count, overflow)


def fnv(raw: bytes) -> int:
    """Return FNV-1a of 64 bits."""
    found = 14695981039346656037
    for byte in raw:
        found = ((found ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return found


def meta(
    number: int,
    root: int,
    pages: int,
    transaction: int = 1,
    *,
    size: int = SIZE,
    magic: int = 0xED0CDAED,
    version: int = 2,
    checksum: int | None = None,
) -> bytes:
    """Return a meta page, right unless it is told otherwise."""
    body = struct.pack("<IIIIQQQQQ", magic, version, size, 0, root, 0, 2, pages, transaction)
    told = fnv(body) if checksum is None else checksum
    return padded(header(number, META, 0) + body + struct.pack("<Q", told), size)


def padded(raw: bytes, size: int = SIZE) -> bytes:
    """Fill up to whole pages."""
    return raw + bytes(-len(raw) % size)


def leaf(number: int, items: Sequence[Item], size: int = SIZE) -> bytes:
    """Return a leaf with whatever overflow it needs; one of number 0 lies in a bucket's value, unpadded."""
    table, data = bytearray(), bytearray()
    for place, (flags, key, value) in enumerate(items):
        position = 16 * (len(items) - place) + len(data)  # from the element itself
        table += struct.pack("<IIII", flags, position, len(key), len(value))
        data += key + value
    whole = 16 + len(table) + len(data)
    raw = header(number, LEAF, len(items), max(0, (whole - 1) // size) if number else 0) + table + data
    return padded(raw, size) if number else raw


def branch(number: int, children: Sequence[tuple[bytes, int]], size: int = SIZE) -> bytes:
    """Return a branch over (first key, page) pairs."""
    table, data = bytearray(), bytearray()
    for place, (key, child) in enumerate(children):
        table += struct.pack("<IIQ", 16 * (len(children) - place) + len(data), len(key), child)
        data += key
    whole = 16 + len(table) + len(data)
    return padded(header(number, BRANCH, len(children), (whole - 1) // size) + table + data, size)


def bucket(root: int, inline: bytes = b"") -> bytes:
    """Return the value that names a bucket."""
    return struct.pack("<QQ", root, 0) + inline


class _Writer:
    """Pages from number 3 on, children before their parents."""

    def __init__(self, size: int, keys: int, *, inline: bool) -> None:
        self.size, self.keys, self.inline = size, keys, inline
        self.raw = bytearray()

    @property
    def next(self) -> int:
        return 3 + len(self.raw) // self.size

    def tree(self, tree: Tree) -> int:
        """Write a bucket; return its root page."""
        items = [self.item(key, tree[key]) for key in sorted(tree)]
        groups = [items[at : at + self.keys] for at in range(0, len(items), self.keys)] or [[]]
        level = []
        for group in groups:
            level.append((group[0][1] if group else b"", self.next))
            self.raw += leaf(self.next, group, self.size)
        while len(level) > 1:
            above = []
            for at in range(0, len(level), self.keys):
                above.append((level[at][0], self.next))
                self.raw += branch(self.next, level[at : at + self.keys], self.size)
            level = above
        return level[0][1]

    def item(self, key: bytes, value: bytes | Tree) -> Item:
        if isinstance(value, bytes):
            return 0, key, value
        if self.inline and not any(isinstance(each, Mapping) for each in value.values()):
            items = [(0, name, each) for name, each in sorted(value.items()) if isinstance(each, bytes)]
            page = leaf(0, items)
            if len(page) <= self.size // 4:
                return IS_BUCKET, key, bucket(0, page)
        return IS_BUCKET, key, bucket(self.tree(value))


def database(tree: Tree, *, size: int = SIZE, keys: int = 1000, inline: bool = True) -> bytes:
    """Return a database of these keys, at most `keys` of them in a page; dicts are buckets."""
    writer = _Writer(size, max(2, keys), inline=inline)
    root = writer.tree(tree)
    metas = [meta(number, root, writer.next, 7 + number, size=size) for number in (0, 1)]
    return b"".join(metas) + padded(header(2, FREE, 0), size) + writer.raw


def damaged(raw: bytes, at: int, content: bytes) -> bytes:
    """Return the bytes with others in one place."""
    return raw[:at] + content + raw[at + len(content) :]


def varint(number: int) -> bytes:
    """Return a signed number as Go's binary.PutVarint writes it."""
    left = number << 1 if number >= 0 else ~(number << 1)
    out = bytearray()
    while left >= 0x80:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


@contextmanager
def opened(raw: bytes) -> Iterator[Bolt]:
    """Open a database that is called meta.db."""
    with tempfile.TemporaryFile() as file:
        file.write(raw)
        file.flush()
        yield Bolt(file.fileno(), "meta.db")
