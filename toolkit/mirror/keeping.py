"""Keeping: what of a mirror may go is listed for a person to read, and what the list then says is removed.

A list is only ever a proposal. Nothing that a site needs by its newest lock, or by the newest set that it
received, is in one, or is removed because it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.digest import Digest
from toolkit.errors import Mismatch, NotFound, UsageError
from toolkit.image import Finding
from toolkit.mirror import oldsets
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.connected.gapnames import is_repository
from toolkit.mirror.connected.site import Site
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.oldnames import Needs, beside, beyond, dropped, repositories_of
from toolkit.mirror.records import papers
from toolkit.mirror.records.hold import held
from toolkit.mirror.records.lock import Lock
from toolkit.mirror.records.setrecord import BUILDING, SetRecord
from toolkit.mirror.review import IMAGE, SET, Old, Review
from toolkit.plumbing.partials import remove_stray
from toolkit.reference import meaning
from toolkit.stores.layout import LayoutStore
from toolkit.stores.layout_collect import Collected, collect, collectable
from toolkit.stores.layout_unname import companions, must_mean, named, unname, without

STORE, PARTIAL = "store", "partial"


@dataclass(frozen=True, slots=True)
class Listed:
    """What may go, what it would free, and what was left out although it is old."""

    review: Review
    collectable: Collected
    files: int  # bytes of the sets
    notes: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed."""

    images: tuple[str, ...]
    sets: tuple[str, ...]
    files: int  # bytes of the sets
    collected: Collected
    partials: int  # bytes of downloads that nobody goes on with


def prunable(home: Path, job: Job) -> Listed:
    """List what the connected side keeps beyond the policy of a job.

    Raises NotFound where names are to go and no run has said yet which ones are needed.
    """
    site, store = Site(home, job.site), _store(home)
    folder = site.volumes(job.bundle.folder)
    lines = list[Old]()
    if job.policy.keep_images:
        if (lock := site.last_lock()) is None:
            raise _without_lock(home, site.name)
        lines = beyond(named(store), job.policy.keep_images, _repositories(job, lock), needs_in(home))
    records = list(site.sets())
    old, notes = oldsets.old_sets(records, site.receipt(), job.policy.keep_bundles)
    there = {record.increment.name: record for record in records if any(oldsets.files_of(record, folder))}
    lines += _with_companions(home, store, lines)
    sets = [line for line in old if line.name in there]
    files = sum(path.stat().st_size for line in sets for path in oldsets.files_of(there[line.name], folder))
    review = Review(site.name, str(folder.absolute()) if sets else "", (*lines, *sets))
    kept = tuple(note for note in notes if note.subject.removeprefix("set ") in there)
    return Listed(review, _would_go(store, review), files, kept)


def _without_lock(home: Path, name: str) -> NotFound:
    if ClosedSide(home, name).received():
        problem = "received its sets here, and a job is for the connected side"
        return NotFound(f"site {name}", problem, f"lading mirror prune --site {name}")
    return NotFound(f"site {name}", "has no lock: which images it needs is not known", "lading mirror run")


def prunable_there(home: Path, name: str) -> Listed:
    """List what the closed side keeps of a site although the newest set that it received has it no more."""
    side, store = ClosedSide(home, name), _store(home)
    if not (received := side.received()):
        raise NotFound(f"site {side.name}", "has received no set here", "on the connected side, name the job")
    lines = dropped(named(store), received, needs_in(home))
    review = Review(side.name, "", (*lines, *_with_companions(home, store, lines)))
    return Listed(review, _would_go(store, review), 0)


def prune(home: Path, review: Review, now: dt.datetime, raw: bytes) -> Pruned:
    """Remove what a review says, and then every blob that no name leads to.

    Raises, and removes nothing, where a name means something else by now, or is needed again: UsageError,
    Mismatch. Whatever is gone already is done. Raises TryAgain where the site or the store is worked on;
    names may be gone then, and the same review goes on from there.
    """
    if review.site not in sites(home):
        raise NotFound(f"site {review.site}", f"is not known in {home}", "was the review written elsewhere?")
    site, store = Site(home, review.site), _store(home)
    with held(site.folder, f"site {site.name}", "lading mirror prune", now):  # of either side
        _refuse_needed(review, needs_in(home))
        sets = list(_sets(site, review))
        must_mean(store, review.of(IMAGE))
        facts = {"review": str(Digest.of(raw)), "images": str(len(review.of(IMAGE)))}
        site.trail.append("pruned", now, facts | {"sets": str(len(sets))})
        images = unname(store, review.of(IMAGE))
        freed = {record.increment.name: oldsets.remove(record, Path(review.volumes)) for record in sets}
        partials = remove_stray(home / PARTIAL, lambda digest: store.folder.size(digest) is not None)
        collected = collect(store)
        for name in sites(home):
            Site(home, name).made().forget(lambda digest: store.folder.size(digest) is not None)
    gone = tuple(name for name, size in freed.items() if size)  # the others went before
    return Pruned(tuple(images), gone, sum(freed.values()), collected, partials)


def needs_in(home: Path) -> Needs:
    """Return what the sites of a home need: by their newest locks, and the newest sets that they received.

    What these could not have is needed all the same.
    """
    names: set[tuple[str, ...]] = set()
    tops: set[Digest] = set()
    repositories: set[str] = set()
    for name in sites(home):
        site = Site(home, name)
        gaps = [gap.name for gap in site.gaps()]
        if lock := site.last_lock():
            names.update(meaning(text) for each in lock.images for text in (each.name, each.origin))
            tops.update(_tops(site, lock))
            gaps += [gap.name for gap in lock.gaps]
        if received := ClosedSide(home, name).received():
            newest = max(received, key=lambda each: each.number)
            names.update(map(meaning, newest.images))
            gaps += newest.gaps
        names.update(map(meaning, gaps))
        repositories |= repositories_of(filter(is_repository, gaps))
    return Needs(frozenset(names), frozenset(tops), frozenset(repositories))


def sites(home: Path) -> list[str]:
    """Return the sites that a home has records of."""
    folder = home / "mirror"
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in found if papers.SITE.fullmatch(name) and (folder / name).is_dir()]


def _tops(site: Site, lock: Lock) -> Iterator[Digest]:
    """Yield what the images of a lock are in the store, however the layers were packed."""
    digests = {each.digest for each in lock.images}
    yield from digests
    yield from (one.top for one in site.made().records() if one.wanted.digest in digests)


def _repositories(job: Job, lock: Lock) -> Collection[str]:
    """Return the repositories that a job speaks of, as they are called here and there."""
    found = {wanted.repository for wanted in job.images}
    for wanted in job.images:
        there = wanted.name_of(wanted.reference)
        found.add(f"{there.registry}/{there.repository}")
    return found | repositories_of(text for each in lock.images for text in (each.name, each.origin))


def _with_companions(home: Path, store: LayoutStore, lines: list[Old]) -> list[Old]:
    return beside(companions(store, [line.name for line in lines]), needs_in(home)) if lines else []


def _would_go(store: LayoutStore, review: Review) -> Collected:
    return collectable(store, without(store, review.of(IMAGE)))


def _store(home: Path) -> LayoutStore:
    return LayoutStore(home / STORE)


def _refuse_needed(review: Review, needs: Needs) -> None:
    for name, digest in review.of(IMAGE).items():
        if (name, digest) in needs:
            problem = "is needed by now: nothing was removed"
            raise UsageError(f"image {name}", problem, "take its line out, or write a new review")


def _sets(site: Site, review: Review) -> Iterator[SetRecord]:
    """Yield the sets that are to go; raises before any file is removed where one is another by now."""
    wanted = review.of(SET)
    if wanted and not Path(review.volumes).is_absolute():
        problem = "is to go, and the review names no folder of volumes by its whole path"
        raise UsageError(f"set {next(iter(wanted))}", problem)
    for record in site.sets():
        if (digest := wanted.pop(record.increment.name, None)) is None:
            continue
        if (actual := oldsets.fingerprint(record)) != digest or record.status == BUILDING:
            advice = "it was made anew since the list was written: write a new one"
            raise Mismatch(f"set {record.increment.name}", "list", advice, actual, digest)
        list(oldsets.files_of(record, Path(review.volumes)))  # raises where one is something else
        yield record
    if wanted:
        raise NotFound(f"set {next(iter(wanted))}", f"is not known of site {site.name}")
