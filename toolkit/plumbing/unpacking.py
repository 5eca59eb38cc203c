"""A layer's tar pulled out of its blob, both proven in the same pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Self, TypeVar

from toolkit.digest import Digest, new_hash
from toolkit.image import Layer, Proof
from toolkit.plumbing.compression import decompressed, sniff
from toolkit.plumbing.streams import SNIFF, beginning, compared, must_fit
from toolkit.ports import Block, Content

T = TypeVar("T")


def unpacked(content: Content, layer: Layer, use: Callable[[Iterator[Block]], T]) -> tuple[Proof, T]:
    """Give the layer's tar, decompressed, to `use`; return what its bytes prove, and what `use` returned.

    Raises Mismatch where they are not what the layer promised: what `use` made counts only when this
    returns.
    """
    must_fit(layer, content.size)
    blob_algorithm = layer.digest.algorithm if layer.digest else "sha256"
    tar_algorithm = layer.diff_id.algorithm if layer.diff_id else "sha256"
    blob = _Hashed(content.blocks(), blob_algorithm)
    first = beginning(blob)
    compression = sniff(first[:SNIFF])
    whole: Iterator[Block] = itertools.chain([first], blob)
    once = not compression and blob_algorithm == tar_algorithm
    notes: list[str] = []
    with ExitStack() as stack:
        if compression:
            packed = decompressed(whole, compression, layer.subject)
            whole, notes = stack.enter_context(closing(packed)), packed.notes
        tar = whole if once else _Hashed(whole, tar_algorithm)
        used = use(tar)
        for rest in (tar, blob):
            for _ in rest:
                pass
    diff_id = tar.digest if isinstance(tar, _Hashed) else blob.digest
    return compared(layer, Proof(blob.digest, blob.size, diff_id, compression, tuple(notes))), used


class _Hashed:
    """Blocks that are hashed as they pass."""

    def __init__(self, blocks: Iterator[Block], algorithm: str) -> None:
        self.size = 0
        self._blocks, self._algorithm, self._hash = blocks, algorithm, new_hash(algorithm)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Block:
        block = next(self._blocks)
        self._hash.update(block)
        self.size += len(block)
        return block

    @property
    def digest(self) -> Digest:
        """Return the digest of all blocks so far."""
        return Digest(self._algorithm, self._hash.hexdigest())
