"""Fetching: what is locked and not yet in the store is copied there, at exactly the digest that is locked.

An image comes whole or is left out; what came of one that failed stays, and is not asked for again. A blob
that several images share is asked for once, however many of them come at a time. An image that is made on its
way, since its layers are packed anew or its place keeps no manifest, is recorded once it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from toolkit.bundles.modern import ModernImage
from toolkit.digest import Digest
from toolkit.errors import NoRoom, ToolkitError
from toolkit.event import Tell, nobody
from toolkit.image import SourceImage
from toolkit.mirror.connected.building import found_one, tops_of
from toolkit.mirror.connected.made import AS_THEY_ARE, Made
from toolkit.mirror.connected.madelayers import MadeLayers
from toolkit.mirror.connected.offers import Offers
from toolkit.mirror.connected.roles import LetsGo
from toolkit.mirror.records.blob import ImageBlobs
from toolkit.mirror.records.lock import Locked
from toolkit.model import Descriptor
from toolkit.operations.copy import copy
from toolkit.operations.recompress import recompressed
from toolkit.operations.through import Through
from toolkit.platform import Platform
from toolkit.plumbing.parallel import in_parallel
from toolkit.ports import Source
from toolkit.stores.layout import LayoutStore

AT_ONCE = 3  # images; and together as many blobs as a registry is asked for at once
BLOBS = 6


def survey(
    store: LayoutStore, images: Iterable[Locked], made: Made = AS_THEY_ARE
) -> tuple[list[ImageBlobs], list[Locked]]:
    """Return of which blobs the images are that the store has whole, and those that it has not.

    A blob that nobody touched since it was proven costs no reading; one that was damaged is fetched again.
    """
    tops = tops_of(store)
    there: list[ImageBlobs] = []
    missing: list[Locked] = []
    for locked in images:
        if found := proven_one(store, tops, locked, made):
            there.append(ImageBlobs.of(locked.name, found.offered))
        else:
            missing.append(locked)
    return there, missing


def proven_one(
    store: LayoutStore, tops: Mapping[Digest, Descriptor], locked: Locked, made: Made = AS_THEY_ARE
) -> ModernImage | None:
    """Return an image that the store has whole: documents that fit, blobs proven and untouched since."""
    try:
        found = found_one(store, tops, locked, made)
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


def fetch(store: LayoutStore, locked: Locked, offers: Offers, tell: Tell = nobody, jobs: int = 0) -> None:
    """Copy one image into the store under the name that it has where it comes from; raises as `copy`.

    Its layers are packed as they are wanted.
    """
    made, place = offers.made, offers.opened(locked.place)
    source, name = _Offered(place, offers, locked), offers.name_of(locked)
    try:
        with _packed(source, store, made, tell, jobs) as packed:
            (image,) = copy(packed, store, [name], progress=tell, jobs=jobs)
    finally:
        if isinstance(place, LetsGo):
            place.let_go(str(locked.digest))
    made.keep(locked, image.top.digest)


@contextmanager
def _packed(source: Source, store: LayoutStore, made: Made, tell: Tell, jobs: int) -> Iterator[Source]:
    """Yield the source with its layers packed as they are wanted."""
    if made.keeps:
        yield source
        return
    with (
        store.receive([], {}),  # so that nobody clears away what is found or put there before it has a name
        recompressed(
            source, made.compression, progress=tell, jobs=jobs, earlier=MadeLayers(made, store)
        ) as packed,
    ):
        yield packed


class _Offered(Through):
    """A source of one image alone: the one that is locked."""

    def __init__(self, source: Source, offers: Offers, locked: Locked) -> None:
        super().__init__(source)
        self._offers, self._locked = offers, locked

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return it, under the name that it is asked for."""
        del platform
        return self._offers.image(self._locked).under((name,))
