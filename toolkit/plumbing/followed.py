"""Content that tells how far it has got."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.event import (
    PRESENT,
    BlobBegun,
    BlobDone,
    BlobFailed,
    BlobProgress,
    BlobRetried,
    BlobSkipped,
    Tell,
    nobody,
)
from toolkit.image import Layer, Proof
from toolkit.plumbing.streams import ProvenExtent
from toolkit.ports import Block, Content, Landing, Resumes


@contextmanager
def followed(content: Content, layer: Layer, tell: Tell) -> Iterator[Content]:
    """Tell of a blob while the block works with it: that it is begun, how far it is, and how it ends.

    What is not read at all is told to be there already.
    """
    if tell is nobody:
        yield content
        return
    tell(BlobBegun(layer))
    try:
        if isinstance(content, ProvenExtent):  # nobody will look at its blocks
            tell(BlobProgress(layer, content.size))
            yield content
            is_read = True
        else:
            seen = _Followed(content, layer, tell)
            yield seen
            is_read = seen.is_read
    except BaseException:
        tell(BlobFailed(layer))
        raise
    tell(BlobDone(layer) if is_read else BlobSkipped(layer, PRESENT))


def followed_landing(land: Landing, tell: Tell) -> Landing:
    """Return `land`, telling of each blob how far it has got."""

    def follow(layer: Layer, content: Content, /) -> Proof:
        known = Layer(str(layer.digest), layer.size) if layer.digest else layer
        with followed(content, known, tell) as seen:
            return land(layer, seen)

    return follow


class _Followed:
    """Content whose every block is told of once it was taken."""

    def __init__(self, content: Content, layer: Layer, tell: Tell) -> None:
        self.size, self.is_read = content.size, False
        self._content, self._layer, self._tell = content, layer, tell
        if isinstance(content, Resumes):
            content.resumed = self._retried

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks; whoever asks for them a second time has lost what it had."""
        if self.is_read:
            self._retried(0)
        self.is_read, done = True, 0
        for block in self._content.blocks():
            done += len(block)
            yield block
            self._tell(BlobProgress(self._layer, done))

    def _retried(self, done: int) -> None:
        self._tell(BlobRetried(self._layer, done))
