"""Fetching: what is locked and not yet in the store is copied there, at exactly the digest that is locked.

An image comes whole or is left out; what came of one that failed stays, and is not asked for again. A blob
that several images share is asked for once, however many of them come at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from toolkit.bundles.modern import ModernImage
from toolkit.digest import Digest
from toolkit.errors import Mismatch, NoRoom, ToolkitError, TryAgain, Unsupported
from toolkit.event import Tell, nobody
from toolkit.image import SourceImage
from toolkit.mirror.blob import ImageBlobs
from toolkit.mirror.building import found_one, tops_of
from toolkit.mirror.lock import Locked
from toolkit.mirror.narrowing import narrowed
from toolkit.mirror.resolving import by_digest
from toolkit.mirror.sources import Opened
from toolkit.model import Descriptor
from toolkit.operations.copy import copy
from toolkit.operations.through import Through
from toolkit.platform import Platform
from toolkit.plumbing.parallel import in_parallel
from toolkit.ports import Sink, Source
from toolkit.stores.layout import LayoutStore

AT_ONCE = 3  # images; and together as many blobs as a registry is asked for at once
BLOBS = 6
HELD = 32 << 20  # bytes of documents that are kept from when they were asked for until they are needed again


@dataclass(slots=True)
class Offers:
    """Images as their places offer them: their documents, each asked for once as far as there is room."""

    opened: Opened
    crowded: frozenset[str] = frozenset()  # origins that are several images, as their names over there
    go_on: Callable[[], bool] = lambda: True  # tells whether registries may still be asked
    _held: dict[Locked, ModernImage] = field(default_factory=dict)
    _size: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def name_of(self, locked: Locked) -> str:
        """Return what an image is called in the store: as where it comes from, if that is one image."""
        is_one = locked.origin not in self.crowded
        return locked.origin if is_one else by_digest(locked.origin, locked.digest)

    def must_go_on(self) -> None:
        """Raise TryAgain where registries may be asked no more."""
        if not self.go_on():
            raise TryAgain("the run", "is outside of its window", "it goes on in the next one")

    def blobs(self, locked: Locked) -> ImageBlobs:
        """Return of which blobs an image is; raises as `image` and `must_go_on`."""
        self.must_go_on()
        image = self.image(locked)
        size = sum(len(document.raw) for document in image.documents.values())
        with self._lock:
            if self._size + size <= HELD and locked not in self._held:
                self._held[locked] = image
                self._size += size
        return ImageBlobs.of(locked.name, image.offered)

    def image(self, locked: Locked) -> ModernImage:
        """Return an image; raises NotFound, Mismatch where it is another than is locked, or Unsupported."""
        with self._lock:
            if held := self._held.get(locked):
                return held
        source = self.opened(locked.place)
        image = source.image(by_digest(locked.origin, locked.digest))
        if not isinstance(image, ModernImage):
            problem = f"is in {source.place} in an old form that gets another digest when it is carried"
            raise Unsupported(f"image {locked.origin}", problem, "copy it into an oci: layout, and name that")
        if image.top.digest != locked.digest:
            raise Mismatch(f"image {locked.origin}", "digest", "", image.top.digest, locked.digest)
        return narrowed(image, locked.narrowing)


def survey(store: LayoutStore, images: Iterable[Locked]) -> tuple[list[ImageBlobs], list[Locked]]:
    """Return of which blobs the images are that the store has whole, and those that it has not.

    A blob that nobody touched since it was proven costs no reading; one that was damaged is fetched again.
    """
    tops = tops_of(store)
    there: list[ImageBlobs] = []
    missing: list[Locked] = []
    for locked in images:
        if found := proven_one(store, tops, locked):
            there.append(ImageBlobs.of(locked.name, found.offered))
        else:
            missing.append(locked)
    return there, missing


def proven_one(store: LayoutStore, tops: Mapping[Digest, Descriptor], locked: Locked) -> ModernImage | None:
    """Return an image that the store has whole: documents that fit, blobs proven and untouched since."""
    try:
        found = found_one(store, tops, locked)
        return found if all(map(store.present, found.layers)) else None
    except ToolkitError:
        return None


def fetch_all(
    store: LayoutStore, images: Sequence[Locked], offers: Offers, tell: Tell = nobody
) -> dict[str, ToolkitError]:
    """Copy images into the store, some at a time, in their order; return those that cannot be had, and why.

    Raises TryAgain where registries may be asked no more while there is something to fetch, and NoRoom where
    the disk is full.
    """
    at_once = min(AT_ONCE, len(images)) or 1
    failed: dict[str, ToolkitError] = {}

    def work(locked: Locked) -> None:
        offers.must_go_on()
        try:
            fetch(store, locked, offers, tell, max(1, BLOBS // at_once))
        except NoRoom:  # that is no image's fault, and the next one has none either
            raise
        except ToolkitError as error:
            failed[locked.name] = error

    in_parallel(work, images, size=lambda _: 0, jobs=at_once)
    return failed


def fetch(sink: Sink, locked: Locked, offers: Offers, tell: Tell = nobody, jobs: int = 0) -> None:
    """Copy one image into the store under the name that it has where it comes from; raises as `copy`."""
    source = _Offered(offers.opened(locked.place), offers, locked)
    copy(source, sink, [offers.name_of(locked)], progress=tell, jobs=jobs)


class _Offered(Through):
    """A source of one image alone: the one that is locked."""

    def __init__(self, source: Source, offers: Offers, locked: Locked) -> None:
        super().__init__(source)
        self._offers, self._locked = offers, locked

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return it, under the name that it is asked for."""
        del platform
        return self._offers.image(self._locked).under((name,))
