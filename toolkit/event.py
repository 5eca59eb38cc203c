"""Events: what an operation tells of its work while it is at it.

One hook carries them: bars, plain lines, JSON lines and luigi's percentage are made of the same values.
`docs/events.md` tells of the JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from toolkit.digest import Digest
from toolkit.image import Layer
from toolkit.printable import printable

PRESENT, MOUNTED = "present", "mounted"  # why a blob is not carried


@dataclass(frozen=True)
class Event:
    """Something that happened; `word` names it in JSON. Their texts are of images: hostile, and escaped."""

    word: ClassVar[str]

    def facts(self) -> dict[str, Any]:
        """Return what JSON says of it: sizes in bytes."""
        raise NotImplementedError


Tell = Callable[[Event], object]  # the hook; it is called from several threads


def nobody(event: Event) -> None:
    """Take an event and forget it."""


@dataclass(frozen=True)
class BlobsExpected(Event):
    """These blobs, each once, will be read whole; of those told before none is told again."""

    word: ClassVar[str] = "blobs.expected"
    layers: tuple[Layer, ...]

    def facts(self) -> dict[str, Any]:
        """Return how many they are, and their size together."""
        return {"blobs": len(self.layers), "size": sum(layer.size for layer in self.layers)}


@dataclass(frozen=True)
class ImageBegun(Event):
    """The documents of an image are read, and its blobs known; images may share some."""

    word: ClassVar[str] = "image.begun"
    names: tuple[str, ...]
    layers: tuple[Layer, ...]

    def facts(self) -> dict[str, Any]:
        """Return its names, how many blobs it has, and their size together."""
        size = sum(layer.size for layer in self.layers)
        return {"names": list(map(printable, self.names)), "blobs": len(self.layers), "size": size}


@dataclass(frozen=True)
class ImageDone(Event):
    """An image is proven and, where it is carried to another place, it has its names there."""

    word: ClassVar[str] = "image.done"
    names: tuple[str, ...]
    digest: Digest

    def facts(self) -> dict[str, Any]:
        """Return its names, and the digest of its manifest or index."""
        return {"names": list(map(printable, self.names)), "digest": str(self.digest)}


@dataclass(frozen=True)
class BlobEvent(Event):
    """Something about one blob."""

    layer: Layer

    def facts(self) -> dict[str, Any]:
        """Return the blob's key, and its size."""
        return {"blob": printable(self.layer.key), "size": self.layer.size}


@dataclass(frozen=True)
class BlobBegun(BlobEvent):
    """A blob is about to be read."""

    word: ClassVar[str] = "blob.begun"


@dataclass(frozen=True)
class BlobAt(BlobEvent):
    """Something behind the first `done` bytes of a blob."""

    done: int

    def facts(self) -> dict[str, Any]:
        """Return how far the blob has got, too."""
        return {**BlobEvent.facts(self), "done": self.done}


@dataclass(frozen=True)
class BlobProgress(BlobAt):
    """Some more of a blob has passed."""

    word: ClassVar[str] = "blob.progress"


@dataclass(frozen=True)
class BlobRetried(BlobAt):
    """Something broke off: what is behind comes again."""

    word: ClassVar[str] = "blob.retried"


@dataclass(frozen=True)
class BlobDone(BlobEvent):
    """A blob is where it should be, every byte of it compared."""

    word: ClassVar[str] = "blob.done"


@dataclass(frozen=True)
class BlobFailed(BlobEvent):
    """A blob could not be read or written, or is not what it should be; the result says why."""

    word: ClassVar[str] = "blob.failed"


@dataclass(frozen=True)
class BlobSkipped(BlobEvent):
    """A blob need not be carried: its place has it, or took it over from another repository there."""

    word: ClassVar[str] = "blob.skipped"
    reason: str

    def facts(self) -> dict[str, Any]:
        """Return why."""
        return {**BlobEvent.facts(self), "reason": self.reason}
