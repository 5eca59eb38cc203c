"""Offers: images as their places offer them, and of which blobs they are before a layer of them is read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

from toolkit.bundles.modern import ModernImage
from toolkit.digest import Digest
from toolkit.errors import Mismatch, NotFound, TryAgain
from toolkit.image import SourceImage, drafts
from toolkit.mirror.connected.made import AS_THEY_ARE, Made
from toolkit.mirror.connected.narrowing import must_be_for, narrowed
from toolkit.mirror.connected.resolving import by_digest
from toolkit.mirror.connected.roles import TellsPlatforms
from toolkit.mirror.connected.sources import Opened
from toolkit.mirror.records.blob import Blob, ImageBlobs
from toolkit.mirror.records.lock import Locked
from toolkit.outline import Outline
from toolkit.ports import Gathers, Source

T = TypeVar("T")
HELD = 32 << 20  # bytes of documents that are kept from when they were asked for until they are needed again


@dataclass(frozen=True, slots=True)
class Offered:
    """Of which blobs an image is that is not in the store yet."""

    blobs: ImageBlobs
    is_exact: bool  # else these are the sizes that its place tells, of blobs that it will have others of

    @classmethod
    def of(cls, locked: Locked, image: SourceImage, *, is_exact: bool) -> Self:
        """Return what an image offers; what only reading its layers shows is stood in for."""
        if isinstance(image, ModernImage):
            return cls(ImageBlobs.of(locked.name, image.offered), is_exact)
        drafted = ImageBlobs.of(locked.name, image.proven(drafts(image.layers)))
        return cls(replace(drafted, top=locked.digest), is_exact=False)

    @classmethod
    def told(cls, locked: Locked, outline: Outline) -> Self:
        """Return what an outline tells; a layer whose size nobody recorded counts for nothing."""
        layers = {layer.id or str(number): layer.size or 0 for number, layer in enumerate(outline.layers)}
        blobs = (Blob(Digest.of(id_.encode()), size) for id_, size in layers.items())
        return cls(ImageBlobs(locked.name, locked.digest, tuple(blobs)), is_exact=False)


@dataclass(slots=True)
class Offers:
    """Images as their places offer them: their documents, each asked for once as far as there is room."""

    opened: Opened
    crowded: frozenset[str] = frozenset()  # origins that are several images, as their names over there
    go_on: Callable[[], bool] = lambda: True  # tells whether registries may still be asked
    made: Made = AS_THEY_ARE
    _held: dict[Locked, ModernImage] = field(default_factory=dict)
    _size: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def name_of(self, locked: Locked) -> str:
        """Return what an image is called in the store: as where it comes from, if that is one image.

        Of several, each is called by its digest; or as over there, where it may get another digest.
        """
        if locked.origin not in self.crowded:
            return locked.origin
        return by_digest(locked.origin, locked.digest) if self.made.keeps else locked.name

    def must_go_on(self) -> None:
        """Raise TryAgain where registries may be asked no more."""
        if not self.go_on():
            raise TryAgain("the run", "is outside of its window", "it goes on in the next one")

    def blobs(self, locked: Locked) -> Offered:
        """Return of which blobs an image is, or about; raises as `image` and `must_go_on`."""
        self.must_go_on()
        source = self.opened(locked.place)
        if isinstance(source, Gathers):  # asked for the image, it would fetch all of it now
            return Offered.told(locked, _asked(source.outline, source, locked))
        image = self.image(locked)
        if isinstance(image, ModernImage):
            self._hold(locked, image)
        return Offered.of(locked, image, is_exact=self.made.keeps)

    def image(self, locked: Locked) -> SourceImage:
        """Return an image; raises NotFound, or Mismatch where it is another than is locked."""
        with self._lock:
            if held := self._held.get(locked):
                return held
        source = self.opened(locked.place)
        image = _asked(source.image, source, locked)
        if not isinstance(image, ModernImage):
            must_be_for(image, locked.narrowing)
            return image
        if isinstance(source, TellsPlatforms) and image.top.digest != locked.digest:
            raise Mismatch(f"image {locked.origin}", "digest", "", image.top.digest, locked.digest)
        return narrowed(image, locked.narrowing)

    def _hold(self, locked: Locked, image: ModernImage) -> None:
        size = sum(len(document.raw) for document in image.documents.values())
        with self._lock:
            if self._size + size <= HELD and locked not in self._held:
                self._held[locked] = image
                self._size += size


def _asked(ask: Callable[[str], T], source: Source, locked: Locked) -> T:
    """Ask a place for what it told the digest of: of a manifest, or an ID where it keeps none."""
    named = by_digest(locked.origin, locked.digest)
    if isinstance(source, TellsPlatforms):
        return ask(named)
    for name in (str(locked.digest), named, locked.digest.hex):  # the last is how Docker before 1.10 has it
        try:
            return ask(name)
        except NotFound as error:
            missing = error
    problem = f"is not in {source.place} any more as {locked.digest}"
    raise NotFound(f"image {locked.origin}", problem, "it is looked for anew the next day") from missing
