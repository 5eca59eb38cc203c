"""tar-split: what is left of a tar when its file contents stay in a tree (formats F.2, F.3).

A gzip of JSON lines. A segment line holds raw bytes of the tar; a file line names a file whose
content goes there, with its size and CRC-64. Together with the tree they give the exact tar back.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from toolkit.document import Node, load
from toolkit.errors import InvalidDocument
from toolkit.limits import limits, more_than
from toolkit.plumbing.compression import decompressed
from toolkit.plumbing.streams import Extent

PER_ENTRY = 2  # lines: a segment and a file
BLOCKS = 512  # bytes of a tar block
TAIL = 688  # characters of base64 that hold the last block
END_SEGMENTS = 4  # of those behind the last body, that hold padding and the end
END_TEXT = 2048  # characters of base64 that hold these two, of each such segment
POSITION = rb"(0|[1-9]\d{0,17})"
PAIR = re.compile(  # a segment and the file behind it, in the one form that every known writer uses; what is
    # no base64 shows when it is decoded
    rb'\{"type":2,"payload":"([^"]*)","position":' + POSITION + rb"\}\n"
    rb'\{"type":1,"name":"([^"\\\x00-\x1f\x7f-\xff]*)"(?:,"size":([1-9]\d{0,17}))?'
    rb',"payload":(?:null|"([A-Za-z0-9+/]{11}=)"),"position":' + POSITION + rb"\}\n"
)


class Line(NamedTuple):
    """A segment, a file, or both where a file follows its segment, as nearly always."""

    payload: bytes | None  # raw bytes of the tar, in base64 as they stand; None where there is no segment
    name: bytes | None = None  # of an entry whose content goes here; None where there is no file
    size: int = 0  # bytes of that content
    crc: bytes | None = None  # its CRC-64 (ISO, big-endian), in base64


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

    def lines(self) -> Iterator[Line]:
        """Yield the entries; raises InvalidDocument, or CorruptContent where the gzip is damaged."""
        number, begun, held = 0, [b""], 0  # a line that has begun, in pieces, and how many bytes they are
        limit, entries = limits().tar_split_line, limits().entry
        for block in decompressed(self._source().blocks(), "gzip", self.subject):
            end = block.find(b"\n")
            if held + (len(block) if end < 0 else end) > limit:  # a later line is smaller than a block
                raise more_than(self.subject, "has a line of more than {} bytes", limit)
            if number > PER_ENTRY * entries:
                raise more_than(self.subject, "has more than {} entries", entries)
            begun.append(block)
            held += len(block)
            if end < 0:
                continue  # joined once: a gzip may come in a hundred thousand pieces of a byte
            text, at = b"".join(begun), 0
            begun.clear()
            while True:
                if (pair := PAIR.match(text, at)) is not None:
                    payload, first, name, size, crc, second = pair.groups()
                    if int(first) == number and int(second) == number + 1:
                        yield Line(payload, name, int(size or 0), crc)
                        number, at = number + 2, pair.end()
                        continue
                if (end := text.find(b"\n", at)) < 0:
                    break
                yield self._line(text[at:end], number)
                number, at = number + 1, end + 1
            begun = [text[at:]]
            held = len(begun[0])
        if held:
            yield self._line(b"".join(begun), number)

    def measure(self) -> Measure:
        """Return the size of the tar without touching the tree, and without decoding what it need not."""
        size = header_sizes = links = last = 0
        header = b""  # the segment before a file
        since: list[bytes] = []  # the beginnings of segments since the last body
        for payload, name, length, _ in self.lines():
            if payload is not None:
                if len(payload) % 4:
                    self.decoded(payload)
                size += len(payload) // 4 * 3 - payload[-2:].count(b"=")
                header = payload
                if len(since) < END_SEGMENTS:
                    since.append(payload[:END_TEXT])
            if name is not None:
                size, header_sizes, last = size + length, header_sizes + length, length
                links += 0 if length or not header else self._link_size(header)
                header, since = b"", []
        tail = b"".join(self.decoded(text) for text in since)
        end = tail[-last % BLOCKS :][: 2 * BLOCKS]
        return Measure(size, header_sizes, header_sizes + links, end == bytes(2 * BLOCKS))

    def decoded(self, text: bytes) -> bytes:
        """Return what base64 text stands for; raises InvalidDocument."""
        if len(text) % 4:  # Python takes a = too many for nothing, and Go for an error
            raise InvalidDocument(self.subject, "has a line that is not base64 (of no whole quartets)")
        try:
            return binascii.a2b_base64(text, strict_mode=True) if text else b""
        except binascii.Error as error:
            raise InvalidDocument(self.subject, f"has a line that is not base64 ({error})") from error

    def _line(self, text: bytes, number: int) -> Line:
        """Read one line as JSON, whatever its form."""
        node = load(text, f"{self.subject}: line {number}", limits().tar_split_line)
        node.only_as_written(("type", "name", "name_raw", "size", "payload", "position"))
        if (position := node.optional("position", int) or 0) != number:
            raise InvalidDocument(self.subject, f"line {number} has position {position}")
        payload = self._text(node, "payload", number)
        self.decoded(payload)
        if (kind := node.get("type", int)) == 2:  # noqa: PLR2004 - the format's number
            return Line(payload)
        if kind != 1 or (size := node.optional("size", int) or 0) < 0:
            raise InvalidDocument(self.subject, f"line {number} is of type {kind}, expected 1 or 2")
        raw_name = self.decoded(self._text(node, "name_raw", number))
        return Line(None, raw_name or self._text(node, "name", number), size, payload or None)

    def _text(self, node: Node, key: str, number: int) -> bytes:
        try:
            return (node.optional(key, str) or "").encode()
        except UnicodeEncodeError as error:
            raise InvalidDocument(self.subject, f"line {number} has half a character in {key}") from error

    def _link_size(self, segment: bytes) -> int:
        """Return the length of a symbolic link's target by the header that ends a segment, else 0."""
        header = self.decoded(segment[-TAIL:])[-BLOCKS:]
        return len(header[157:257].rstrip(b"\0")) if header[156:157] == b"2" else 0


def segment_line(payload: bytes, position: int) -> bytes:
    """Write a segment line as Go does."""
    text = binascii.b2a_base64(payload, newline=False)
    return b'{"type":2,"payload":"%b","position":%d}\n' % (text, position)
