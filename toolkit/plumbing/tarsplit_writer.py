"""Recording tar-split while a tar streams by: what `tarsplit` reads (formats F.2).

The lines are those of Docker 1.9.1, byte for byte. Only the compression is our own: the same lines
always give the same file.
"""

from __future__ import annotations

import base64
import zlib

from toolkit import gojson
from toolkit.plumbing.files import write_all
from toolkit.plumbing.tarsplit import segment_line
from toolkit.ports import Block

HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no time, no name, unknown system: as Go writes it
CHUNK = 1 << 20  # bytes of a segment behind the end of the archive
WRITE = 64 << 10  # bytes to write at a time


class TarSplitWriter:
    """One `tar-data.json.gz`, written to an open file.

    `raw` and `tail` take what is not content, `file` closes each entry, `finish` the whole.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._out = bytearray(HEADER)
        self._crc = self._size = self._position = 0
        self._segment = bytearray()
        self._behind_end = False

    def raw(self, block: Block) -> None:
        """Take headers, padding or end blocks: all up to an entry become one segment."""
        self._segment += block

    def tail(self, block: Block) -> None:
        """Take bytes from behind the end blocks; there may be any number of them."""
        if not self._behind_end:
            self._flush()
            self._behind_end = True
        self._segment += block
        while len(self._segment) >= CHUNK:
            self._line(segment_line(bytes(self._segment[:CHUNK]), self._position))
            del self._segment[:CHUNK]

    def file(self, name: bytes, size: int, crc: int | None) -> None:
        """Record an entry whose headers were given to `raw`, and whose content had this CRC-64.

        `size` counts bytes of content. Docker would record what a link's header states as well, and
        could then not give the tar back (formats F.4).
        """
        self._flush()
        payload = b"null" if crc is None or not size else b'"%b"' % base64.b64encode(crc.to_bytes(8, "big"))
        stated = b',"size":%d' % size if size else b""
        line = b'{"type":1,%b%b,"payload":%b,"position":%d}\n'
        self._line(line % (_named(name), stated, payload, self._position))

    def finish(self) -> None:
        """Write what is left, an empty segment as Docker does, and the gzip trailer."""
        self._flush()
        self._line(segment_line(b"", self._position))
        self._out += self._deflate.flush()
        self._out += self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        write_all(self._handle, self._out)

    def _flush(self) -> None:
        if self._segment:
            self._line(segment_line(bytes(self._segment), self._position))
            self._segment.clear()

    def _line(self, line: bytes) -> None:
        self._position += 1
        self._crc = zlib.crc32(line, self._crc)
        self._size += len(line)
        self._out += self._deflate.compress(line)
        if len(self._out) >= WRITE:
            write_all(self._handle, self._out)
            self._out.clear()


def _named(name: bytes) -> bytes:
    """Return the member that holds the name; one that is not UTF-8 goes as it is, in base64."""
    try:
        return b'"name":' + gojson.encode(name.decode())
    except UnicodeDecodeError:
        return b'"name_raw":"%b"' % base64.b64encode(name)
