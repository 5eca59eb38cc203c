"""Resolving: every name of a job, and every tag that its rules take, becomes a digest, once a run.

A registry is asked for the tags of each repository once, and for each tag by one HEAD. What it tells is
proven when the image is read, which goes by digest.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from toolkit.digest import V1_ID, Digest
from toolkit.errors import InvalidDigest, InvalidJob, NotFound, ToolkitError, Unsupported
from toolkit.mirror.connected.explaining import explain, tags_of
from toolkit.mirror.connected.gapnames import is_repository
from toolkit.mirror.connected.narrowing import chosen
from toolkit.mirror.connected.roles import Recalls, TellsPlatforms
from toolkit.mirror.connected.sources import Opened
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.jobs.wanted import Wanted
from toolkit.mirror.records.lock import Gap, Lock, Locked, lasting
from toolkit.plumbing.parallel import in_parallel
from toolkit.ports import Source
from toolkit.reference import Reference

AT_ONCE = 6  # names to ask for


@dataclass(frozen=True, slots=True)
class _Asked:
    """One image that the job means."""

    name: str  # as the closed side will call it
    reference: Reference  # where it comes from
    wanted: Wanted

    @property
    def is_alone(self) -> bool:
        """Tell whether one manifest of an index is carried instead of it."""
        return len(self.wanted.platforms) == 1 and self.reference.digest is None


def resolve(
    job: Job,
    when: dt.date,
    opened: Opened,
    *,
    before: Lock | None = None,
    gaps: Iterable[Gap] = (),
    kept: Iterable[Locked] = (),
    listed: Lock | None = None,
) -> Lock:
    """Return what the names of a job mean now; one that cannot be had becomes a gap.

    `before` is what they meant the last time, `gaps` what failed then; `kept` are images that were resolved
    for this date already, and are not asked for again. Nor is for tags that are `listed`: what this job meant
    on this date before. Raises InvalidJob where two images would get one name, and the first failure where
    not one image can be had.
    """
    asked, failed = _meant(job, _Tags(job, opened, listed))
    known = {each.name: each for each in before.images} if before else {}
    _recall(job, asked, known.values(), opened)
    done = {(each.name, each.origin, each.platforms): each for each in kept}

    def work(one: _Asked) -> Locked | ToolkitError:
        try:
            kept_one = done.get((one.name, one.reference.familiar, one.wanted.platforms))
            return kept_one or _resolved(job, one, opened, known.get(one.name))
        except ToolkitError as error:
            return error

    found = in_parallel(work, asked, size=lambda _: 0, jobs=AT_ONCE)
    images = [each for each in found if isinstance(each, Locked)]
    failures = [
        (one.name, each) for one, each in zip(asked, found, strict=True) if isinstance(each, ToolkitError)
    ]
    failed += failures
    if failed and not images:
        raise failed[0][1]
    missed = [Gap(name, str(error), when) for name, error in failed]
    by_name = sorted(images, key=lambda each: each.name)
    lasting_gaps = lasting(sorted(missed, key=lambda gap: gap.name), gaps)
    return Lock(job.site, when, tuple(by_name), lasting_gaps, wanted_by(job))


def wanted_by(job: Job) -> Digest:
    """Return what is equal for jobs that ask for the same images from the same places."""
    return Digest.of(repr((job.images, job.sources)).encode())


def _meant(job: Job, tags: _Tags) -> tuple[list[_Asked], list[tuple[str, ToolkitError]]]:
    """Return the images that the job means, and the repositories whose tags are not known."""
    asked: dict[str, _Asked] = {}
    failed: dict[str, ToolkitError] = {}
    for one in explain(job, tags):
        if one.clashes:
            raise InvalidJob(f"job of {job.site}", one.clashes[0], "rename one of them")
        if one.error:
            failed.setdefault(one.wanted.reference.familiar, one.error)
        for reference in one.images:
            name = one.wanted.name_of(reference).familiar
            asked.setdefault(name, _Asked(name, reference, one.wanted))
    return list(asked.values()), [(name, error) for name, error in failed.items() if name not in asked]


class _Tags:
    """Lists tags; those of a repository once, however many lines of a job name it."""

    def __init__(self, job: Job, opened: Opened, listed: Lock | None = None) -> None:
        self._job, self._opened = job, opened
        self._told = _ToldTags(listed) if listed else None
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._known: dict[tuple[str, ...], Sequence[str] | ToolkitError] = {}

    def __call__(self, wanted: Wanted) -> Sequence[str]:
        key = wanted.repository, *self._job.places(wanted)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._known:
                self._known[key] = self._asked(wanted)
            found = self._known[key]
        if isinstance(found, ToolkitError):
            raise found
        return found

    def _asked(self, wanted: Wanted) -> Sequence[str] | ToolkitError:
        if self._told and (told := self._told.of(wanted)) is not None:
            return told
        try:
            return tags_of(self._job, wanted, self._opened)
        except ToolkitError as error:
            return error


class _ToldTags:
    """The tags that a lock tells of: of each repository those that were in, whether they could be had or not.

    Rules that are asked again take the same of them: what they left out makes no version higher or lower.
    """

    def __init__(self, lock: Lock) -> None:
        self._unknown = {gap.name for gap in lock.gaps if is_repository(gap.name)}
        gaps = [gap.name for gap in lock.gaps if not is_repository(gap.name)]
        self._images, self._gaps = (
            _tags_by_repository(each.origin for each in lock.images),
            _tags_by_repository(gaps),
        )

    def of(self, wanted: Wanted) -> list[str] | None:
        """Return those of a repository; None where its tags could not be listed."""
        if wanted.reference.familiar in self._unknown:
            return None
        there = wanted.name_of(wanted.reference)
        return [*self._images[wanted.repository], *self._gaps[f"{there.registry}/{there.repository}"]]


def _tags_by_repository(names: Iterable[str]) -> defaultdict[str, list[str]]:
    found = defaultdict[str, list[str]](list)
    for reference in map(Reference.parse, names):
        if reference.digest:
            continue  # it is asked for by that
        found[f"{reference.registry}/{reference.repository}"].append(reference.tag)
    return found


def _recall(job: Job, asked: Sequence[_Asked], known: Iterable[Locked], opened: Opened) -> None:
    """Tell the places what their names pointed at the last time."""
    told: dict[str, dict[str, Digest]] = {}
    for each in known:
        told.setdefault(each.place, {})[each.origin] = each.told
    for place in {place for one in asked for place in job.places(one.wanted)}:
        with suppress(ToolkitError):  # whoever asks there for an image will hear of it
            source = opened(place)
            if isinstance(source, Recalls):
                source.recall(told.get(place, {}))


def _resolved(job: Job, asked: _Asked, opened: Opened, before: Locked | None) -> Locked:
    """Return an image from the first of its places that has it; raises as `identify`."""
    missing: NotFound | None = None
    for place in job.places(asked.wanted):
        try:
            return _at(place, opened(place), asked, before)
        except NotFound as error:
            missing = missing or error
    raise missing or NotFound(f"image {asked.reference.familiar}", "has no place that it comes from")


def _at(place: str, source: Source, asked: _Asked, before: Locked | None) -> Locked:
    reference, platforms = asked.reference, asked.wanted.platforms
    if before and before.place != place:
        before = None
    told = before.told if before and reference.digest == before.told else _told(source, reference.familiar)
    if before and (before.told, before.platforms) == (told, platforms):
        return replace(before, origin=reference.familiar)
    digest = told
    if asked.is_alone and isinstance(source, TellsPlatforms):
        listed = source.platforms(by_digest(reference.familiar, told))
        digest = chosen(listed, platforms[0]) if listed else told
    index = told if digest != told else None
    return Locked(asked.name, reference.familiar, place, digest, platforms, index)


def _told(source: Source, name: str) -> Digest:
    """Return the digest of a manifest, or the image ID where the place keeps none.

    That of Docker before 1.10 is no digest of anything, and told as if it were.
    """
    told = source.identify(name)
    try:
        return Digest("sha256", told) if V1_ID.fullmatch(told) else Digest.parse(told)
    except InvalidDigest as error:
        problem = f"is in {source.place}, which does not tell it from others"
        raise Unsupported(
            f"image {name}", problem, "copy it into an oci: layout first, and name that"
        ) from error


def by_digest(name: str, digest: Digest) -> str:
    """Return how an image is asked for that a name pointed at."""
    return replace(Reference.parse(name), tag="", digest=digest).familiar
