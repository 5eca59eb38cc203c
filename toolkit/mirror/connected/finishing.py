"""Finishing: what is locked and in the store becomes the next set: reckoned, written, read back, signed."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from toolkit import checksums
from toolkit.errors import Gaps, Mismatch, StoreError, ToolkitError, UsageError
from toolkit.event import Tell, nobody
from toolkit.image import ProvenImage
from toolkit.mirror.connected.building import Plan, carried, stored_one, tops_of
from toolkit.mirror.connected.carriedlog import carry_log
from toolkit.mirror.connected.gapnames import gap_names
from toolkit.mirror.connected.made import Made
from toolkit.mirror.connected.site import Site
from toolkit.mirror.jobs.job import BundleWishes, Job
from toolkit.mirror.media.cut import Cargo
from toolkit.mirror.media.volume import BlobRange, list_name
from toolkit.mirror.media.volumes import Written, clear_unfinished, write_set
from toolkit.mirror.records.baseline import ASSUMED
from toolkit.mirror.records.blob import ImageBlobs
from toolkit.mirror.records.increment import Increment, Share, shares
from toolkit.mirror.records.lock import Gap, Lock, lasting
from toolkit.mirror.records.setrecord import BUILDING, SENT, SetRecord, VolumeSum
from toolkit.operations.signing import sign_file
from toolkit.plumbing.files import make_folder, read_bounded, storing
from toolkit.plumbing.parallel import in_parallel
from toolkit.plumbing.streams import digest_of, opened
from toolkit.secretkey import SigningKey
from toolkit.stores.layout import LayoutStore

ANOTHER = "lading mirror run JOB --since receipt"
READERS = 2  # volumes that are read back at once: a medium is no faster with more


@dataclass(frozen=True, slots=True)
class Wishes:
    """How this one set is to be made."""

    folder: Path  # where its volumes are written
    since: str = ""  # what it is reckoned against, a row of KINDS; empty where nothing is said: `assumed`
    strict: bool = False
    verify: bool = True  # the volumes are read back from the medium
    key: SigningKey | None = field(default=None, repr=False)
    tell: Tell = nobody

    @property
    def kind(self) -> str:
        """Return what the set is reckoned against."""
        return self.since or ASSUMED


@dataclass(frozen=True, slots=True)
class Finished:
    """A set that is whole."""

    record: SetRecord
    shares: tuple[Share, ...]
    gaps: tuple[Gap, ...]
    is_new: bool  # else it was made for this date before, of the same images
    is_written: bool = True  # else its volumes lay in their folder already


def finish(
    site: Site,
    job: Job,
    lock: Lock,
    store: LayoutStore,
    wishes: Wishes,
    *,
    failed: Mapping[str, str],
    now: dt.datetime,
) -> Finished:
    """Make the set of a date, of what is there whole; the rest are gaps, for what `failed` says by name.

    One that was made before is written again where its folder has it not. Raises StoreError where there are
    gaps and none may be, or nothing but gaps; Mismatch where a volume is not as it was written.
    """
    baseline, made = site.baseline(wishes.kind), site.made(job.bundle.compression)
    images, left_out = _reckoned(store, lock, failed, made)
    gaps = lasting([*lock.gaps, *left_out], site.gaps())
    site.keep_gaps(gaps, lock.date)
    if gaps and wishes.strict:
        raise strict_error(job.site, gaps)
    if gaps and not images:
        raise StoreError(f"site {job.site}", f"not one image can be had; {_first(gaps)}", "nothing was made")
    names = gap_names(job, gaps)
    draft = Increment.of(site.name, 1, lock.date, images, baseline, gaps=names)
    costs = shares(images, baseline)
    if not wishes.since and (before := made_before(site, draft)):
        is_written = not _lies_in(wishes.folder, before)
        if is_written:
            again = carried(store, before.increment, lock.images, made)
            sums = _written(before.increment, again, job.bundle, store, wishes)
            before = _written_again(site, before, sums, wishes, now)
        # As the run that made it may have been ended before it did.
        carry_log(site, wishes.folder, wishes.key, now)
        return Finished(before, costs, gaps, is_new=False, is_written=is_written)
    coming = site.coming(draft)
    _clear_given_up(site, coming, wishes.folder)
    _must_be_ours(site, coming, wishes.folder)
    increment = site.begin(draft, images)
    new = carried(store, increment, lock.images, made)
    sums = _written(increment, new, job.bundle, store, wishes)
    _sign(wishes, increment.name, now)
    record = site.sent(increment.number, sums, now)
    carry_log(site, wishes.folder, wishes.key, now)
    return Finished(record, costs, gaps, is_new=True)


def strict_error(site: str, gaps: Sequence[Gap]) -> ToolkitError:
    """Return why nothing is made: not everything can be had."""
    names = f"{len(gaps)} images fail" if len(gaps) > 1 else "an image fails"
    problem = f"{names}, and it is all or nothing; {_first(gaps)}"
    return StoreError(f"site {site}", problem, "nothing was made")


def gaps_error(site: str, record: SetRecord, gaps: Sequence[Gap]) -> Gaps:
    """Return what a run ends with that left images out."""
    images = f"{len(gaps)} images" if len(gaps) > 1 else "an image"
    problem = f"is made without {images} that could not be had; {_first(gaps)}"
    return Gaps(f"set {record.increment.name} of site {site}", problem, "they are tried first the next time")


def _first(gaps: Sequence[Gap]) -> str:
    return f"{gaps[0].name}: {gaps[0].problem}"


def _reckoned(
    store: LayoutStore, lock: Lock, failed: Mapping[str, str], made: Made
) -> tuple[list[ImageBlobs], list[Gap]]:
    """Return the images that are whole in the store, and a gap for each of the others."""
    tops = tops_of(store)
    images: list[ImageBlobs] = []
    gaps: list[Gap] = []
    for locked in lock.images:
        try:
            images.append(stored_one(store, tops, locked, made).blobs)
        except ToolkitError as error:
            gaps.append(Gap(locked.name, failed.get(locked.name, str(error)), lock.date))
    return images, gaps


def _clear_given_up(site: Site, coming: Increment, folder: Path) -> None:
    """Remove what a killed run left of the last set, if that is given up for another one."""
    numbers = site.numbers()
    last = site.set(numbers[-1]) if numbers else None
    if last and last.status == BUILDING and last.number != coming.number:
        clear_unfinished(folder, last.increment.name)


def _must_be_ours(site: Site, coming: Increment, folder: Path) -> None:
    """Raise UsageError where a set that has yet to be begun lies in its folder: another home has made it."""
    if coming.number not in site.numbers() and os.path.lexists(folder / list_name(coming.name)):
        problem = f"has a set {coming.name} in it that was made in another home than {site.folder}"
        raise UsageError(
            str(folder), problem, "set LADING_HOME to that one, or write elsewhere: --into FOLDER"
        )


def made_before(site: Site, draft: Increment) -> SetRecord | None:
    """Return the last set of this date that was sent, if it has these images, and nothing is to be sent.

    Something is where that set cannot be received any more: one that it stands on was lost.
    """
    if draft.new:
        return None
    for number in reversed(site.numbers()):
        found = site.set(number)
        if found.increment.date < draft.date:
            break
        if found.increment.date == draft.date and found.status == SENT:
            return found if found.increment.tops == draft.tops else None
    return None


def _lies_in(folder: Path, record: SetRecord) -> bool:
    """Tell whether a folder has the list and the volumes of a set; raises Mismatch where one was altered."""
    for path, size, actual in altered(folder, record):
        advice = "remove it, and run again: then it is written once more"
        raise Mismatch(str(path), "size", advice, actual, size)
    names = [list_name(record.increment.name), *(volume.name for volume in record.volumes)]
    return all(os.path.lexists(folder / name) for name in names)


def altered(folder: Path, record: SetRecord) -> Iterator[tuple[Path, int, int]]:
    """Yield each volume of a set that lies in a folder with another size, with its own and that one."""
    for volume in record.volumes:
        path = folder / volume.name
        with suppress(OSError):
            if (actual := path.stat().st_size) != volume.size:
                yield path, volume.size, actual


def _written_again(
    site: Site, made: SetRecord, sums: Sequence[VolumeSum], wishes: Wishes, now: dt.datetime
) -> SetRecord:
    """Sign a set that was made before, and record it where it is cut otherwise by now.

    Raises Mismatch where volumes of the same sizes are not what they were, and then nothing vouches for them.
    """
    for volume, before in zip(sums, made.volumes, strict=False):
        if volume[:2] == before[:2] and volume != before:
            _unlist(wishes.folder / list_name(made.increment.name))
            advice = f"it was made in another way; make another set: {ANOTHER}"
            raise Mismatch(f"volume {volume.name}", "sha256", advice, volume.sha256, before.sha256)
    _sign(wishes, made.increment.name, now)
    return made if tuple(sums) == made.volumes else site.sent(made.number, sums, now)


def _written(
    increment: Increment,
    images: Iterable[ProvenImage],
    bundle: BundleWishes,
    store: LayoutStore,
    wishes: Wishes,
) -> list[VolumeSum]:
    plan = Plan.of(increment, images, bundle.format)
    ranges = [BlobRange(*blob) for blob in plan.blobs]
    cargo = Cargo.of(increment.site, increment.name, plan.total, ranges, plan.files)
    make_folder(wishes.folder)
    pieces = plan.pieces(store.blobs, wishes.tell, increment.name)
    written = write_set(wishes.folder, cargo, pieces, bundle.volume, parity=bool(bundle.parity))
    if wishes.verify:
        _read_back(written, wishes.folder / list_name(increment.name))
    return [VolumeSum(volume.path.name, volume.size, volume.sha256) for volume in written]


def _read_back(written: Sequence[Written], sums: Path) -> None:
    """Compare the volumes with what was written; raises Mismatch, and then nothing vouches for them."""
    try:
        in_parallel(_must_be_there, written, size=lambda volume: volume.size, jobs=READERS)
    except ToolkitError:
        _unlist(sums)
        raise


def _unlist(sums: Path) -> None:
    with storing(sums):
        sums.unlink(missing_ok=True)


def _must_be_there(volume: Written) -> None:
    path = str(volume.path)
    with storing(path):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)  # what the medium has is asked, not memory
        finally:
            os.close(handle)
    with opened(path, path) as content:
        actual = digest_of(content.blocks()).hex
    if actual != volume.sha256:
        raise Mismatch(
            path, "sha256", "the medium does not keep what is written to it", actual, volume.sha256
        )


def _sign(wishes: Wishes, name: str, now: dt.datetime) -> None:
    if wishes.key:
        sums = wishes.folder / list_name(name)
        sign_file(sums, read_bounded(sums, checksums.LIMIT), wishes.key, int(now.timestamp()))
