"""A bundle that arrives as a stream, whose layers go straight to where they will lie.

What is left here is a sparse file: all headers and all small members, and of each large one its beginning,
by which its compression is known, with a hole behind it. It is indexed and read as any bundle, but for the
bytes of the large members: whoever reads those gets zeros, which no digest fits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from toolkit.digest import Digest
from toolkit.errors import InvalidDigest
from toolkit.image import Layer
from toolkit.limits import above, limits, more_than
from toolkit.plumbing.files import write_all
from toolkit.plumbing.nameless import temporary_file
from toolkit.plumbing.streams import Stream
from toolkit.plumbing.tarball import Entries, Entry, StreamReader
from toolkit.ports import Block, Landing
from toolkit.printable import about

KEPT = 4096  # bytes of a large member
BLOBS = "blobs/"


def landed(blocks: Iterator[Block], place: str, land: Landing) -> int:
    """Give every member that is larger than a document to `land`, and return the descriptor of what is left.

    The caller closes it. Raises what the blocks and `land` raise, CorruptContent or UnsafeArchive for what
    is no tar, and UnsafeArchive for more than a bundle may have, which is not begun to be written where its
    header tells.
    """
    held = limits()
    with temporary_file(place) as spool:
        walk = Entries(
            StreamReader(_bounded(blocks, place, held.bundle)),
            place,
            raw=lambda block: write_all(spool, block),
            limit=held.member,
        )
        for entry in walk:
            if (end := entry.data_offset + entry.size) > held.bundle:
                raise above(f"{about(place)} {_name(entry)}", f"ends at byte {end}", held.bundle)
            if entry.is_file and entry.size > held.document:
                _land(entry, _kept(walk.body(), spool), place, land)
                os.lseek(spool, end, os.SEEK_SET)
                continue
            for block in walk.body():
                write_all(spool, block)
        return os.dup(spool)


def _land(entry: Entry, body: Iterator[Block], place: str, land: Landing) -> None:
    name = _name(entry)
    layer = Layer(f"{place} {name}", entry.size, _digest(name))
    land(layer, Stream(entry.size, body, f"{about(place)} {name}"))
    for _ in body:  # of a blob that is there already nobody has read it
        pass


def _name(entry: Entry) -> str:
    return entry.name.decode(errors="surrogateescape")


def _bounded(blocks: Iterator[Block], place: str, limit: int) -> Iterator[Block]:
    """Yield what a bundle may have; raises UnsafeArchive."""
    left = int(limit)
    for block in blocks:
        left -= len(block)
        if left < 0:
            raise more_than(place, "has more than {} bytes", limit)
        yield block


def _kept(body: Iterator[Block], spool: int) -> Iterator[Block]:
    """Yield a body whose beginning is kept."""
    left = KEPT
    for block in body:
        if left:
            piece = block[:left]
            left -= len(piece)
            write_all(spool, piece)
        yield block


def _digest(name: str) -> Digest | None:
    """Return the digest that a blob of a layout is called by."""
    try:
        return Digest.parse(name.removeprefix(BLOBS).replace("/", ":")) if name.startswith(BLOBS) else None
    except InvalidDigest:
        return None
