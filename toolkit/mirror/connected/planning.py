"""Planning: what would go in the next set, and whether there is room for it, before anything is fetched."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import NoRoom, StoreError, ToolkitError, TryAgain
from toolkit.figures import size_text
from toolkit.mirror.connected.fetching import BLOBS, survey
from toolkit.mirror.connected.gapnames import gap_names
from toolkit.mirror.connected.offers import Offered, Offers
from toolkit.mirror.jobs.job import BundleWishes, Job
from toolkit.mirror.media.volume import PIECE, SUM
from toolkit.mirror.records.baseline import Baseline
from toolkit.mirror.records.blob import Blob, ImageBlobs, total
from toolkit.mirror.records.increment import Increment, Share, shares
from toolkit.mirror.records.lock import Gap, Lock, Locked
from toolkit.plumbing.files import storing
from toolkit.plumbing.parallel import in_parallel
from toolkit.plumbing.tarheader import BLOCK
from toolkit.stores.layout import LayoutStore

# Bytes, a little more than it takes: headers and links for each blob, documents for each image.
AROUND_BLOB, AROUND_IMAGE, AROUND_VOLUME, LISTED_BLOB = 6 << 10, 8 << 10, 16 << 10, 128


@dataclass(frozen=True, slots=True)
class Room:
    """One file system: what a run puts there at its peak, and what there is. Bytes."""

    folder: Path
    needed: int
    free: int
    reserve: int  # that stays free
    what: str

    @property
    def is_enough(self) -> bool:
        """Tell whether it fits; where nothing is needed, it does."""
        return not self.needed or self.needed + self.reserve <= self.free

    def must_be_enough(self) -> None:
        """Raise NoRoom with the figures where it does not fit."""
        if not self.is_enough:
            stays = f", of which {self.reserve} stay free" if self.reserve else ""
            problem = (
                f"needs {self.needed} bytes ({self.what}) and its file system has {self.free} free{stays}"
            )
            raise NoRoom(str(self.folder), problem, "make room, or write the set elsewhere: --into FOLDER")


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run would do."""

    draft: Increment  # its number is still to be given
    shares: tuple[Share, ...]  # by name
    missing: tuple[Locked, ...]  # images to fetch, in this order
    gaps: tuple[Gap, ...]
    fetch: int  # bytes to fetch
    stream: int  # bytes of the set, about
    volumes: int  # files, the parity volume among them; about, where there are several
    rooms: tuple[Room, ...]
    most: int  # bytes that a set may have; 0 is any
    shut: tuple[Path, ...] = ()  # folders that cannot be written to
    about: tuple[str, ...] = ()  # images made on the way: reckoned by the sizes that their places tell

    def must_fit(self) -> None:
        """Raise StoreError with figures where a file system, or the job, has no room for it.

        What the job allows is asked only once the sizes are known.
        """
        if self.most and self.stream > self.most and not self.about:
            problem = (
                f"would be {self.stream} bytes, expected at most {self.most}, which policy.max_bundle says"
            )
            raise StoreError(f"the next set of {self.draft.site}", problem, "raise it, or take fewer images")
        if self.shut:
            advice = "mount it for writing, or write the set elsewhere: --into FOLDER"
            raise StoreError(str(self.shut[0]), "cannot be written to", advice)
        for room in self.rooms:
            room.must_be_enough()


def plan(
    job: Job,
    lock: Lock,
    store: LayoutStore,
    baseline: Baseline,
    folder: Path,
    *,
    offers: Offers,
    first: Iterable[str] = (),
) -> Planned:
    """Reckon what a run would carry into `folder`; of what is not in the store manifests alone are read.

    Images of the names in `first` come first among those to fetch.
    """
    there, missing = survey(store, lock.images, offers.made)
    found = in_parallel(lambda one: _offered(offers, one), missing, size=lambda _: 0, jobs=BLOBS)
    pairs = list(zip(missing, found, strict=True))
    gaps = [Gap(one.name, str(each), lock.date) for one, each in pairs if isinstance(each, ToolkitError)]
    offered = [each for each in found if isinstance(each, Offered)]
    coming = [each.blobs for each in offered]
    images = [*there, *coming]
    names = gap_names(job, [*lock.gaps, *gaps])
    draft = Increment.of(job.site, 1, lock.date, images, baseline, gaps=names)
    fetch = total(_not_in(store, coming))
    stream = _stream_size(draft)
    volumes, size = _volumes(job.bundle, stream, len(draft.contains))
    early = set(first)
    fetched = [one for one, each in pairs if isinstance(each, Offered)]
    return Planned(
        draft,
        shares(images, baseline),
        tuple(sorted(fetched, key=lambda one: one.name not in early)),
        (*lock.gaps, *gaps),
        fetch,
        stream,
        volumes,
        tuple(_rooms(job, store.path, folder, fetch, size)),
        job.policy.max_bundle,
        tuple(each for each in map(_existing, (store.path, folder)) if not os.access(each, os.W_OK)),
        tuple(each.blobs.name for each in offered if not each.is_exact),
    )


def _offered(offers: Offers, locked: Locked) -> Offered | ToolkitError:
    try:
        return offers.blobs(locked)
    except TryAgain:
        raise
    except ToolkitError as error:
        return error


def _not_in(store: LayoutStore, images: Iterable[ImageBlobs]) -> set[Blob]:
    every = {blob for image in images for blob in image.blobs}
    return {blob for blob in every if store.folder.size(blob.digest) != blob.size}


def _stream_size(draft: Increment) -> int:
    blobs = sum(-(-blob.size // BLOCK) * BLOCK + AROUND_BLOB for blob in draft.contains)
    return blobs + AROUND_IMAGE * (len(draft.new) + 1) + len(bytes(draft))


def _volumes(wishes: BundleWishes, stream: int, blobs: int) -> tuple[int, int]:
    """Return how many files a set becomes, and how large they are together."""
    around = AROUND_VOLUME + LISTED_BLOB * blobs
    room = max(PIECE, wishes.volume - around) if wishes.volume else stream
    count = max(1, -(-stream // room))
    size = stream + count * AROUND_VOLUME + LISTED_BLOB * blobs
    if wishes.parity:
        size += min(stream, room) + around + stream // PIECE * SUM
    return count + wishes.parity, size


def _rooms(job: Job, store: Path, folder: Path, fetch: int, size: int) -> Iterator[Room]:
    """Yield the file systems that a run writes to; the store keeps what it gets while the set is written."""
    home, there = _existing(store), _existing(folder)
    facts = _facts(home)
    whole, free = facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize
    reserve = job.policy.min_free.of(whole)
    with storing(home):
        is_one = os.stat(home).st_dev == os.stat(there).st_dev
    to_fetch, to_write = f"{size_text(fetch)} to fetch", f"{size_text(size)} for the set"
    if is_one:
        yield Room(home, fetch + size, free, reserve, f"{to_fetch}, {to_write}")
        return
    yield Room(home, fetch, free, reserve, to_fetch)
    facts = _facts(there)
    yield Room(there, size, facts.f_bavail * facts.f_frsize, 0, to_write)


def _existing(folder: Path) -> Path:
    """Return a folder, or the one above it that is there."""
    path = folder.absolute()
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path


def _facts(folder: Path) -> os.statvfs_result:
    with storing(folder):
        return os.statvfs(folder)
