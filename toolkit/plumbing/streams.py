"""Where bytes flow: content in blocks, proven while it passes.

Hashing and file I/O release the GIL, so layers are read by several threads at once.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from toolkit.digest import Digest, new_hash
from toolkit.errors import CorruptContent, Mismatch
from toolkit.image import Layer, Proof
from toolkit.limits import limits, more_than
from toolkit.mediatype import is_layer
from toolkit.plumbing.compression import decompressed, sniff
from toolkit.plumbing.files import Stamp, storing
from toolkit.ports import Block, Content

SNIFF = 32  # bytes that tell every compression we know
BLOCK = 1 << 20  # bytes; large enough that a call costs nothing beside its work


class Extent:
    """A range of an open file, as Content. Reads by position: one file serves many threads."""

    def __init__(self, handle: int, offset: int, size: int, subject: str) -> None:
        self.handle, self.offset, self.size, self.subject = handle, offset, size, subject

    def blocks(self) -> Iterator[Block]:
        """Yield the range; raises CorruptContent where the file ends before it."""
        view = memoryview(bytearray(min(BLOCK, self.size)))
        done = 0
        while done < self.size:
            with storing(self.subject):
                count = os.preadv(self.handle, [view[: self.size - done]], self.offset + done)
            if not count:
                raise CorruptContent(
                    self.subject, f"ends after {done} bytes, expected {self.size}", "it was cut short"
                )
            done += count
            yield view[:count]

    def is_whole_file(self) -> bool:
        """Tell whether the range is all of its file."""
        return self.offset == 0 and self.size == os.fstat(self.handle).st_size

    def compression(self) -> str:
        """Sniff how the range is compressed; empty where it is not."""
        with storing(self.subject):
            return sniff(os.pread(self.handle, min(SNIFF, self.size), self.offset))


class ProvenExtent(Extent):
    """A whole file whose bytes were proven before and whose stamp has not changed since."""

    def __init__(self, handle: int, proof: Proof, subject: str) -> None:
        super().__init__(handle, 0, proof.size, subject)
        self.proof, self._stamp = proof, Stamp.of(handle)

    def unchanged(self) -> bool:
        """Tell whether nobody touched the bytes since the file was opened."""
        return self._stamp is not None and self._stamp.is_same_content(Stamp.of(self.handle))


class Stream:
    """Blocks that are made as they are asked for, as Content."""

    def __init__(self, size: int, blocks: Iterator[Block], subject: str) -> None:
        self.size, self.subject, self._blocks = size, subject, blocks

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks; raises Mismatch where they are not `size` bytes together."""
        done = 0
        for block in self._blocks:
            done += len(block)
            if done > self.size:
                break
            yield block
        if done != self.size:
            more = f"more than {self.size}" if done > self.size else done
            raise Mismatch(self.subject, "size", "", more, self.size)


@contextmanager
def opened(path: str, subject: str, size: int | None = None) -> Iterator[Extent]:
    """Open a regular file as Content."""
    with storing(subject):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield Extent(handle, 0, os.fstat(handle).st_size if size is None else size, subject)
    finally:
        os.close(handle)


def transfer(
    content: Content, layer: Layer, write: Callable[[Block], object], *, unpack: bool = True
) -> Proof:
    """Pass a layer's bytes to `write` and return what they prove; raises Mismatch.

    The diffID of a compressed layer costs a decompression, and is proven in the same pass: a blob that
    unpacks to something else than its config says is refused, and so is one that tricks engines (`watch`).
    What is no layer, the content of an artifact, is not unpacked; nor is a layer without `unpack`: its diffID
    is then as promised. `write` has every byte before a mismatch can be known: what it wrote counts only when
    this returns.
    """
    must_fit(layer, content.size)
    algorithm = layer.digest.algorithm if layer.digest else "sha256"
    hash_ = new_hash(algorithm)

    def passing() -> Iterator[Block]:
        for block in content.blocks():
            hash_.update(block)
            write(block)
            yield block

    blocks = passing()
    first = beginning(blocks)
    compression, diff_id = sniff(first[:SNIFF]), None
    whole, (look, notes) = itertools.chain([first], blocks), _looking(layer)
    is_packed = compression and (layer.diff_id or is_layer(layer.media_type))
    if is_packed and (unpack or not layer.digest or not layer.diff_id):
        with closing(decompressed(whole, compression, layer.subject)) as tar:
            diff_id = digest_of(_seen_by(look, tar))
            notes += tar.notes
    elif algorithm != "sha256" and not is_packed:
        diff_id = digest_of(whole if compression else _seen_by(look, whole))
    for block in whole:
        if not compression:
            look(block)
    digest = Digest(algorithm, hash_.hexdigest())
    if not compression and diff_id is None:
        diff_id = digest
    diff_id = diff_id or layer.diff_id or digest
    return compared(layer, Proof(digest, content.size, diff_id, compression, tuple(notes)))


def _looking(layer: Layer) -> tuple[Callable[[Block], object], list[str]]:
    """Return what looks at the blocks of a layer's tar, and the list that its notes come into."""
    if not is_layer(layer.media_type):
        return nowhere, []
    from toolkit.plumbing.watch import Watch

    watch = Watch(layer.subject)
    return watch, watch.notes


def _seen_by(look: Callable[[Block], object], blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield blocks, each after it was looked at."""
    for block in blocks:
        look(block)
        yield block


def beginning(blocks: Iterator[Block]) -> bytes:
    """Join as many blocks as it takes to sniff: they may be of any size."""
    first = bytearray()
    while len(first) < SNIFF and (block := next(blocks, None)) is not None:
        first += block
    return bytes(first)


def digest_of(blocks: Iterator[Block], algorithm: str = "sha256") -> Digest:
    """Drain blocks into one digest."""
    hash_ = new_hash(algorithm)
    for block in blocks:
        hash_.update(block)
    return Digest(algorithm, hash_.hexdigest())


def nowhere(block: Block) -> None:
    """Take a block and forget it: what `verify` writes to."""


def must_fit(layer: Layer, size: int) -> None:
    """Raise UnsafeArchive where a layer's blob, or what was measured of it, is larger than its tar may be."""
    if size > (limit := limits().layer) and (layer.diff_id or is_layer(layer.media_type)):
        raise more_than(layer.subject, "holds more than {} bytes", limit)


def compared(layer: Layer, proof: Proof) -> Proof:
    """Return the proof if it is what the layer promised; raises Mismatch."""
    for fact, actual, expected in (
        ("digest", proof.digest, layer.digest),
        ("diffID", proof.diff_id, layer.diff_id),
        ("size", proof.size, layer.size),
    ):
        if expected is not None and actual != expected:
            raise Mismatch(layer.subject, fact, "", actual, expected)
    return proof
