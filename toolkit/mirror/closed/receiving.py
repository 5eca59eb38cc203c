"""receive: sets of volumes, from media in any order, into the base store of the closed side.

Nothing is stored before a set is proven as a whole; then its blobs come first, and its names last, all at
once. Whatever ends a run, the same one again ends with the same bytes. Media are read, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from toolkit.errors import (
    Mismatch,
    NotFound,
    StoreError,
    ToolkitError,
    TryAgain,
    UnsafeArchive,
    UsageError,
)
from toolkit.event import Tell, nobody
from toolkit.image import Finding
from toolkit.mirror.closed.arrival import Arrival, Refusal, arrive, glance, signers
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.closed.lack import Brought, Lack, lacking, refusal
from toolkit.mirror.closed.unloading import Unloaded, is_named, unload
from toolkit.mirror.media.searching import find_sets
from toolkit.mirror.media.setimages import SetImages
from toolkit.mirror.media.volumeset import VolumeSet
from toolkit.mirror.records import papers
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.received import Received
from toolkit.mirror.records.reception import INCOMPLETE, RECEIVED, REFUSED, THERE, Reception
from toolkit.pages.room import first_of
from toolkit.report import NOTE, WARNING
from toolkit.signature import PublicKey

NUMBER = re.compile(r"_([0-9]{1,9})$")
ANEW = (
    "if the connected side was set up anew, carry the receipt back, and there: lading mirror receipt --anew; "
    "its next set is then the newest"
)
SHOWN = 3  # names, or blobs, that are told


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms sets are taken in."""

    folders: tuple[Path, ...]  # where the volumes, or those files themselves, are
    now: datetime
    keys: tuple[PublicKey, ...] = ()  # one of which has to have signed; none is no matter who
    jobs: int = 0
    progress: Tell = field(default=nobody, repr=False)


def sets_in(folders: Sequence[Path]) -> list[VolumeSet]:
    """Return the sets of which there is a volume, in the order of their numbers; raises NotFound for none."""
    found = find_sets(folders)
    if not found:
        advice = "name the folder that the volumes lie in, as NAME.1of3.tar"
        raise NotFound(", ".join(map(str, folders)), "has no volume of a set in it", advice)
    return sorted(found, key=lambda one: (one.site, _number(one), one.name))


def folders_of(places: Iterable[Path]) -> list[Path]:
    """Return the folders that the lists of sets lie in."""
    return [place if place.is_dir() else place.parent for place in places]


def site_of(home: Path, sets: Iterable[VolumeSet], asked: str | None = None) -> str:
    """Return the site that this side is: as asked for, as it was before, or as the sets say.

    What is no name for a site has no say. Raises UsageError where the others say several, UnsafeArchive
    where there is no other.
    """
    known = [path.parent.name for path in sorted((home / "mirror").glob("*/received"))]
    named = sorted({one.site for one in sets})
    said = [site for site in named if papers.SITE.fullmatch(site)]
    candidates = [asked] if asked else known if len(known) == 1 else said
    if len(candidates) == 1:
        return candidates[0]
    if named and not said:
        problem = f"name a site {named[0][:100]!r}, which is no name for one"
        raise UnsafeArchive("the sets", problem, "bring others")
    raise UsageError(
        "the sets", f"are for {len(said)} sites, {first_of(said, SHOWN)}", "say which: --site NAME"
    )


class Receiving:
    """One run over the sets that were brought; whoever starts it holds the site."""

    def __init__(
        self,
        sets: Sequence[VolumeSet],
        side: ClosedSide,
        inventory: Inventory,
        terms: Terms,
    ) -> None:
        self.side, self.inventory = side, inventory
        self._sets, self._terms = sets, terms
        self._folders = folders_of(terms.folders)
        self._told: dict[VolumeSet, Reception] = {}

    def receive(self) -> list[Reception]:
        """Take in what can be taken in, in the order of the sets' numbers.

        One that has to wait for another is tried again when that is there. Nothing is raised for a set that
        is refused: its reception says why. Raises StoreError where the base store fails.
        """
        looked_at = ((one, self._looked_at(one)) for one in self._sets)  # what is known goes when it is taken
        waiting = [(one, found) for one, found in looked_at if found and not self._taken(one, found)]
        count = 0
        while len(waiting) != count:
            count = len(waiting)
            waiting = [(volumes, found) for volumes, found in waiting if not self._taken(volumes, found)]
        self._refuse_lacking(waiting)
        return [self._told[volumes] for volumes in self._sets]

    def _looked_at(self, volumes: VolumeSet) -> Arrival | None:
        """Return a set that is sound; None of one that is told of already."""
        if volumes.site != self.side.name:
            advice = f"it is for another site, and this is {self.side.name}: nothing was taken"
            self._refuse(volumes, Mismatch(volumes.subject, "site", advice, volumes.site, self.side.name))
            return None
        if (increment := glance(volumes)) and self._is_there(increment) and self._is_listed(volumes):
            self._tell_signed(volumes, increment)
            return None
        found = arrive(volumes, self._folders, self._terms.keys)
        if isinstance(found, Refusal):
            state = INCOMPLETE if isinstance(found.error, TryAgain) else REFUSED
            self._refuse(volumes, found.error, (*found.findings, *self._had_before(volumes)), state)
            return None
        if self._is_there(found.increment):  # which parity had to make before it could be seen
            self._tell_there(volumes, found.increment, found.findings)
            return None
        return found

    def _had_before(self, volumes: VolumeSet) -> Iterator[Finding]:
        """Say that a set of this name was taken in: whoever lacks a volume of it need not go for that."""
        before = self._record(_number(volumes))
        if before and volumes.name == papers.set_name(before.site, before.number):
            problem = f"was received under this name on {before.time.date()}"
            yield Finding(volumes.subject, problem, NOTE, advice="if it is the same, nothing is lacking")

    def _is_listed(self, volumes: VolumeSet) -> bool:
        """Tell whether the list that a key has to have signed is there, where one has to."""
        return volumes.list_path is not None or not self._terms.keys

    def _tell_signed(self, volumes: VolumeSet, increment: Increment) -> None:
        """Say that a set is there, which has to be signed all the same."""
        try:
            self._tell_there(volumes, increment, signers(volumes, self._folders, self._terms.keys))
        except ToolkitError as error:
            self._refuse(volumes, error)

    def _tell_there(self, volumes: VolumeSet, increment: Increment, findings: Sequence[Finding]) -> None:
        note = Finding(volumes.subject, "was received before, and all of it is there", NOTE)
        behind = self._behind(increment)
        self._told[volumes] = Reception(volumes.name, THERE, increment, (*findings, note), behind=behind)

    def _is_there(self, increment: Increment) -> bool:
        """Tell whether just this set was received, and nothing of it is missing: then nothing has to be read.

        What it says of itself is held against what it said when it was proven: its list vouches for volumes
        that nobody has read by now.
        """
        before = self._record(increment.number)
        if before is None or not before.is_of(increment):
            return False
        sizes = (self.inventory.size(blob.digest) == blob.size for blob in increment.contains)
        if self.inventory.unheld(increment.held):
            return False
        if not all(sizes) or not all(self.inventory.is_whole(image.digest) for image in increment.images):
            return False
        meant = self.side.names()
        return all(is_named(image.name, meant[image.name], self.inventory) for image in increment.images)

    def _taken(self, volumes: VolumeSet, arrival: Arrival) -> bool:
        """Take a set in, or say why not; False where it has to wait for another one."""
        try:
            images, lack = self._compared(arrival)
            if lack:
                return False
            before = self._record(arrival.increment.number)
            terms = self._terms
            done = unload(
                arrival,
                images,
                self.side,
                self.inventory,
                terms.now,
                progress=terms.progress,
                jobs=terms.jobs,
            )
        except ToolkitError as error:
            if isinstance(error, StoreError) and error.subject not in arrival.stamps:
                raise  # the base store fails, not a medium
            self._refuse(volumes, error, arrival.findings)
            return True
        findings = (*arrival.findings, *_remarks(volumes, arrival.increment, before, done))
        self._told[volumes] = Reception(
            volumes.name, RECEIVED, arrival.increment, findings, stored=done.stored, behind=done.behind
        )
        return True

    def _compared(self, arrival: Arrival) -> tuple[SetImages, Lack]:
        images = SetImages(arrival.increment, arrival.blobs, self.inventory.store.folder)
        return images, lacking(arrival.increment, images, self.inventory)

    def _refuse_lacking(self, waiting: Sequence[tuple[VolumeSet, Arrival]]) -> None:
        if not waiting:
            return
        brought = Brought.by(one for one in self._sets if self._is_refused(one))
        received = {each.number for each in self.side.received()}
        for volumes, arrival in waiting:
            _, lack = self._compared(arrival)
            error = refusal(lack, arrival.increment, brought, received, self.inventory.store.place)
            self._refuse(volumes, error, arrival.findings)

    def _is_refused(self, volumes: VolumeSet) -> bool:
        return volumes not in self._told or self._told[volumes].error is not None

    def _refuse(
        self,
        volumes: VolumeSet,
        error: ToolkitError,
        findings: Sequence[Finding] = (),
        state: str = REFUSED,
    ) -> None:
        error = error.with_traceback(None)  # which holds all that was read of the set
        self._told[volumes] = Reception(volumes.name, state, None, tuple(findings), error)

    def _record(self, number: int) -> Received | None:
        return next((each for each in self.side.received() if each.number == number), None)

    def _behind(self, increment: Increment) -> tuple[str, ...]:
        meant = self.side.names()
        return tuple(image.name for image in increment.images if meant[image.name] != image.digest)


def _remarks(
    volumes: VolumeSet, increment: Increment, before: Received | None, done: Unloaded
) -> Iterator[Finding]:
    if done.mended:
        problem = (
            f"has put back what was damaged in the store: {first_of(list(map(str, done.mended)), SHOWN)}"
        )
        yield Finding(volumes.subject, problem, WARNING, advice="look after the disk that it is on")
    if before is not None and before.images != increment.tops:
        problem = "was received before with other images under the same number"
        yield Finding(volumes.subject, problem, WARNING, advice=ANEW)
    if done.behind:
        names, stay = first_of(done.behind, SHOWN), "stays" if len(done.behind) == 1 else "stay"
        problem = f"is older than what was received: {names} {stay} as a later set has it"
        yield Finding(volumes.subject, problem, NOTE if before is None else WARNING)


def _number(volumes: VolumeSet) -> int:
    found = NUMBER.search(volumes.name)
    return int(found[1]) if found else 0
