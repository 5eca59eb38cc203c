"""tar-split: what is left of a tar when its file contents stay in a tree (formats F.2, F.3).

A gzip of JSON lines. A segment line holds raw bytes of the tar; a file line names a file whose
content goes there, with its size and CRC-64. Together with the tree they give the exact tar back.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from fastcrc import crc64

from toolkit.document import Node, load
from toolkit.errors import CorruptContent, InvalidDocument, Mismatch, MissingMember, UnsafeArchive
from toolkit.plumbing.compression import decompressed
from toolkit.plumbing.duplicates import NameSet
from toolkit.plumbing.streams import BLOCK, Extent
from toolkit.plumbing.tree import Tree, components
from toolkit.ports import Block

LINE_LIMIT = 8 << 20  # bytes; a segment holds at most 1 MiB of headers and 1 MiB of tail
SMALL = 128 << 10  # bytes; smaller files are joined into one block
BLOCKS = 512  # bytes of a tar block
TAIL = 688  # characters of base64 that hold the last block
END_SEGMENTS = 4  # of those behind the last body, that hold padding and the end
SEGMENT = b'{"type":2,"payload":"'  # how every known writer begins a segment line
FILE = re.compile(
    rb'\{"type":1,"name":"([^"\\\x00-\x1f\x7f-\xff]*)"(?:,"size":([1-9]\d{0,17}))?'
    rb',"payload":(?:null|"([A-Za-z0-9+/]{11}=)"),"position":(0|[1-9]\d{0,17})\}'
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Segment:
    """Raw bytes of the tar."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class File:
    """An entry; its content of `size` bytes goes here, with this CRC-64 (ISO, big-endian)."""

    name: bytes
    size: int
    crc: int | None


@dataclass(frozen=True, slots=True)
class Measure:
    """What the lines add up to, in bytes, and whether the tar they make has an end."""

    size: int  # of the tar
    header_sizes: int  # the sizes in its headers, rule S5
    tree_sizes: int  # file contents and link targets, rule S3
    has_end: bool  # two zero blocks behind the last body: a list that was cut has none


class TarSplit:
    """One `tar-data.json.gz`, read from the start as often as asked; bounded lines, strict order."""

    def __init__(self, source: Callable[[], Extent], subject: str) -> None:
        self._source, self.subject = source, subject

    def lines(self) -> Iterator[Segment | File]:
        """Yield the entries; raises InvalidDocument, or CorruptContent where the gzip is damaged."""
        for number, line in enumerate(self._raw_lines()):
            if (text := _plain_segment(line, number)) is not None:
                yield Segment(self._decoded(text, number))
                continue
            if found := FILE.fullmatch(line):
                crc = self._decoded(found[3], number) if found[3] else None
                entry: Segment | File = File(
                    found[1], int(found[2] or 0), int.from_bytes(crc, "big") if crc else None
                )
                position = int(found[4])
            else:
                entry, position = self._parsed(line, number)
            if position != number:
                raise InvalidDocument(self.subject, f"line {number} has position {position}")
            yield entry

    def measure(self) -> Measure:
        """Return the size of the tar without touching the tree, and without decoding what it need not."""
        size = header_sizes = links = last = 0
        since: list[bytes] = []  # base64 of the segments since the last body
        for number, line in enumerate(self._raw_lines()):
            if (text := _plain_segment(line, number)) is None:
                found = FILE.fullmatch(line)
                entry = File(b"", int(found[2] or 0), None) if found else self._parsed(line, number)[0]
                if isinstance(entry, Segment):
                    text = base64.b64encode(entry.payload)
                else:
                    size, header_sizes, last = size + entry.size, header_sizes + entry.size, entry.size
                    links += 0 if entry.size or not since else _link_size(since[-1])
                    since = []
                    continue
            size += len(text) // 4 * 3 - text[-2:].count(b"=")
            if len(since) < END_SEGMENTS:
                since.append(text)
        tail = b"".join(self._decoded(text, 0) for text in since)
        end = tail[-last % BLOCKS :][: 2 * BLOCKS]
        return Measure(size, header_sizes, header_sizes + links, end == bytes(2 * BLOCKS))

    def assemble(self, tree: Tree) -> Iterator[Block]:
        """Yield the exact tar, its file contents out of `tree`, each proven by its CRC.

        Raises Mismatch naming the file whose content changed, MissingMember, or UnsafeArchive.
        """
        joined = bytearray()
        names = NameSet(self.subject)
        for entry in self.lines():
            if isinstance(entry, Segment):
                joined += entry.payload
            else:
                names.add(b"/".join(components(entry.name.lstrip(b"/"), self.subject)))
                if 0 < entry.size <= SMALL:
                    joined += self._small(entry, tree)
                elif entry.size:
                    yield joined
                    joined = bytearray()
                    yield from self._large(entry, tree)
            if len(joined) >= BLOCK // 2:
                yield joined
                joined = bytearray()
        names.check()
        yield joined

    def _small(self, entry: File, tree: Tree) -> bytes:
        handle, facts = tree.open_file(entry.name)
        try:
            content = os.read(handle, entry.size + 1)
            while len(content) < entry.size and (more := os.read(handle, entry.size - len(content))):
                content += more
        finally:
            os.close(handle)
        if len(content) != entry.size:
            raise self._changed(entry, "size", max(facts.st_size, len(content)), entry.size)
        self._compare(entry, crc64.go_iso(content))
        return content

    def _large(self, entry: File, tree: Tree) -> Iterator[Block]:
        handle, facts = tree.open_file(entry.name)
        try:
            if facts.st_size != entry.size:
                raise self._changed(entry, "size", facts.st_size, entry.size)
            crc = None
            for block in Extent(handle, 0, entry.size, f"{tree.subject}/{_shown(entry.name)}").blocks():
                crc = crc64.go_iso(block, crc)
                yield block
        finally:
            os.close(handle)
        self._compare(entry, crc)

    def _compare(self, entry: File, crc: int | None) -> None:
        if entry.crc is None:  # only for an empty file (formats F.2): nothing would vouch for this one
            raise InvalidDocument(f"{self.subject}: file {_shown(entry.name)}", "has content and no CRC-64")
        if crc != entry.crc:
            raise self._changed(entry, "CRC-64", f"{crc or 0:016x}", f"{entry.crc:016x}")

    def _changed(self, entry: File, fact: str, actual: object, expected: object) -> Mismatch:
        return Mismatch(
            f"{self.subject}: file {_shown(entry.name)}",
            fact,
            "the file was changed after the layer was stored",
            actual,
            expected,
        )

    def _raw_lines(self) -> Iterator[bytes]:
        rest = b""
        for block in decompressed(self._source().blocks(), "gzip", self.subject):
            *whole, rest = (rest + block).split(b"\n") if rest else bytes(block).split(b"\n")
            yield from whole
            if len(rest) > LINE_LIMIT:
                raise UnsafeArchive(self.subject, f"has a line of more than {LINE_LIMIT} bytes")
        if rest:
            yield rest

    def _parsed(self, line: bytes, number: int) -> tuple[Segment | File, int]:
        """Read a line that is not in the one form that every known writer uses."""
        node = load(line, f"{self.subject}: line {number}", LINE_LIMIT)
        node.only_as_written(("type", "name", "name_raw", "size", "payload", "position"))
        position = node.optional("position", int) or 0
        payload = self._decoded(self._text(node, "payload", number), number)
        if (kind := node.get("type", int)) == 2:  # noqa: PLR2004 - the format's number
            return Segment(payload), position
        if kind != 1 or (size := node.optional("size", int) or 0) < 0:
            raise InvalidDocument(self.subject, f"line {number} is of type {kind}, expected 1 or 2")
        raw_name = self._decoded(self._text(node, "name_raw", number), number)
        name = raw_name or self._text(node, "name", number)
        return File(name, size, int.from_bytes(payload, "big") if payload else None), position

    def _text(self, node: Node, key: str, number: int) -> bytes:
        try:
            return (node.optional(key, str) or "").encode()
        except UnicodeEncodeError as error:
            raise InvalidDocument(self.subject, f"line {number} has half a character in {key}") from error

    def _decoded(self, text: bytes, number: int) -> bytes:
        try:
            return binascii.a2b_base64(text, strict_mode=True) if text else b""
        except binascii.Error as error:
            raise InvalidDocument(self.subject, f"line {number} is not base64 ({error})") from error


def _link_size(segment: bytes) -> int:
    """Return the length of a symbolic link's target by the header that ends a segment, else 0."""
    header = binascii.a2b_base64(segment[-TAIL:])[-BLOCKS:]
    return len(header[157:257].rstrip(b"\0")) if header[156:157] == b"2" else 0


def _plain_segment(line: bytes, number: int) -> bytes | None:
    """Return the base64 text of a segment line in the one form that every known writer uses."""
    tail = b'","position":%d}' % number
    return line[len(SEGMENT) : -len(tail)] if line.startswith(SEGMENT) and line.endswith(tail) else None


def segment_line(payload: bytes, position: int) -> bytes:
    """Write a segment line as Go does."""
    return b'{"type":2,"payload":"%b","position":%d}\n' % (base64.b64encode(payload), position)


def _shown(name: bytes) -> str:
    return name.decode(errors="backslashreplace")


__all__ = ["CorruptContent", "File", "Measure", "MissingMember", "Segment", "TarSplit", "segment_line"]
