"""Bundles that are compressed as a whole, because their name says so.

The tar is laid out and filled as any other, in a file without a name beside the target, and then
compressed into the target: headers that tell digests come last, and no compressed byte can be changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.event import Tell, nobody
from toolkit.image import Finding, Layer
from toolkit.plumbing.files import atomic_file
from toolkit.plumbing.followed import followed
from toolkit.plumbing.nameless import nameless_file
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.writebehind import WriteBehind

if TYPE_CHECKING:  # whoever asks how a file is compressed need not be about to write one
    from toolkit.bundles.tarsink import Target

SUFFIXES = {  # as GNU tar's --auto-compress knows them
    ".gz": "gzip",
    ".tgz": "gzip",
    ".taz": "gzip",
    ".zst": "zstd",
    ".tzst": "zstd",
    ".xz": "xz",
    ".txz": "xz",
    ".bz2": "bzip2",
    ".tbz": "bzip2",
    ".tbz2": "bzip2",
    ".tz2": "bzip2",
}


def compression_of(path: Path) -> str:
    """Return how a file of this name is compressed; empty where it is not."""
    return SUFFIXES.get(path.suffix.lower(), "")


def loads_packed(path: Path) -> list[Finding]:
    """Return whom a compressed bundle has to be unpacked for (peers 3a, rows 38 to 41)."""
    if not (compression := compression_of(path)):
        return []
    since = " since version 23" if compression == "zstd" else ""
    problem = f"is compressed as a whole: docker load unpacks {compression}{since}, other tools may not"
    return [Finding(str(path), problem, "note")]


def target_for(path: Path, progress: Tell = nobody) -> Target:
    """Return how a file of this name is written."""
    if not (compression := compression_of(path)):
        return atomic_file
    return lambda path: packed_file(path, compression, progress)


@contextmanager
def packed_file(path: Path, compression: str, progress: Tell = nobody) -> Iterator[int]:
    """Yield a descriptor to write a tar to; it has its name, compressed, when the block ends well."""
    from toolkit.plumbing.compressing import compressed

    with atomic_file(path) as packed, nameless_file(path.parent) as plain:
        yield plain
        content = Extent(plain, 0, os.fstat(plain).st_size, str(path))
        whole, write = Layer(path.name, content.size), WriteBehind(packed)  # the file passes for a layer
        with (
            followed(content, whole, progress) as seen,
            closing(compressed(seen.blocks(), compression)) as pieces,
        ):
            for piece in pieces:
                write(piece)
