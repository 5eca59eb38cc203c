"""Site: what the connected side knows of one closed side, in the folder `<home>/mirror/<site>/`.

    run.lock                 held by the run that works on the site, and says who that is
    sets/0007.json           each set that was made (toolkit.mirror.records.setrecord)
    images/<hex>.json        of which blobs each image was that was sent (toolkit.mirror.records.imagerecord)
    receipts/0003.json       the receipts that were taken, in their order, as they came
    locks/2026-11-27.json    what the names of the job meant that night (mirror.records.lock)
    made/<hex>-zstd.json     what an image is in the store that is not carried as it is (`made`)
    gaps.json                what could not be had: the gaps of the last run
    trail.jsonl              the log

Every file is replaced whole, and durable when a call returns. An event is logged before the record says so:
a run that is killed between logs it again.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from toolkit.digest import Digest
from toolkit.errors import Mismatch, NotFound, UsageError
from toolkit.mirror.connected.made import Made
from toolkit.mirror.jobs.job import KEEP
from toolkit.mirror.records import papers
from toolkit.mirror.records.baseline import ASSUMED, CONFIRMED, FULL, KINDS, Baseline
from toolkit.mirror.records.blob import ImageBlobs, total
from toolkit.mirror.records.folder import RECEIVED_SETS, SENT_SETS, keep, numbered, numbers, record
from toolkit.mirror.records.hold import held
from toolkit.mirror.records.imagerecord import ImageRecord
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.lock import Gap, Lock
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.setrecord import BUILDING, LOST, SENT, SetRecord, VolumeSum
from toolkit.mirror.records.trail import Trail
from toolkit.plumbing.files import storing

LOCK = re.compile(r"(\d{4}-[01]\d-[0-3]\d)\.json")
MOST_LOGGED = 100  # volumes of a set whose sums stand in a line of the log; all stand in its record


class Site:
    """The records of one site; whoever changes them holds it."""

    def __init__(self, home: Path, name: str) -> None:
        self.name = papers.site_name(name)
        self.folder = home / "mirror" / self.name
        self.trail = Trail(self.folder / "trail.jsonl")
        self._sets, self._images = self.folder / SENT_SETS, self.folder / "images"
        self._receipts, self._locks = self.folder / "receipts", self.folder / "locks"

    def volumes(self, asked: str) -> Path:
        """Return where the volumes of its sets are: in the folder that a job asks for, else in its own."""
        return Path(asked) if asked else self.folder / "volumes"

    def made(self, compression: str = KEEP) -> Made:
        """Return which images were made for it where layers are packed so."""
        return Made(self.folder / "made", compression)

    def held(self, what: str, now: dt.datetime) -> AbstractContextManager[None]:
        """Hold the site for one run; raises TryAgain that says who holds it, UsageError over there."""
        return held(self.folder, f"site {self.name}", what, now, apart=RECEIVED_SETS)

    # Sets

    def numbers(self) -> list[int]:
        """Return the numbers of the sets that were begun, in order."""
        return numbers(self._sets)

    def sets(self, after: int = 0) -> Iterator[SetRecord]:
        """Yield the sets with higher numbers than this, in order."""
        return (self.set(number) for number in self.numbers() if number > after)

    def set(self, number: int) -> SetRecord:
        """Return one set; raises NotFound."""
        path = numbered(self._sets, number)
        if (found := record(path, SetRecord.parse)) is None:
            raise NotFound(
                f"set {papers.set_name(self.name, number)}", "is not known", "lading mirror status"
            )
        if (found.increment.site, found.number) != (self.name, number):
            wanted = papers.set_name(self.name, number)
            raise Mismatch(str(path), "set", "it was renamed or copied here", found.increment.name, wanted)
        return found

    def coming(self, draft: Increment) -> Increment:
        """Return a set with the number that it is begun with: that of one left unfinished, or the next."""
        last = self._last()
        if last and last.status == BUILDING and draft.is_same_content(last.increment):
            return last.increment
        return replace(draft, number=self._next(last))

    def begin(self, draft: Increment, images: Iterable[ImageBlobs]) -> Increment:
        """Give a set its number, and record what it will hold, before it is built.

        A set that a killed run left unfinished is taken up if it is the same, else its number is given up:
        the closed side may have got hold of it. Raises UsageError as `must_follow`.
        """
        self.must_follow(draft.date)
        last, increment = self._last(), self.coming(draft)
        if last is None or last.number != increment.number:
            if last and last.status == BUILDING:
                self._keep(last.as_(LOST))
            self._keep(SetRecord(increment))
        new = {image.name for image in increment.new}
        self._note_images(increment.number, [image for image in images if image.name in new])
        return increment

    def must_follow(self, when: dt.date) -> None:
        """Raise UsageError where a set of a later date was made: one of `when` would put its names back."""
        last = self._last()
        if last and last.increment.date > when:
            problem = f"is over: set {last.increment.name} is of {last.increment.date}"
            raise UsageError(f"the night of {when} of site {self.name}", problem, "run without --date")

    def sent(self, number: int, volumes: Sequence[VolumeSum], now: dt.datetime) -> SetRecord:
        """Record that a set is whole: its last volume is closed and its list written."""
        found = self.set(number)
        if found.status == LOST:
            raise UsageError(f"set {found.increment.name}", "was given up, and cannot be sent", "run again")
        done = replace(found, status=SENT, volumes=tuple(volumes))
        images, new = len(found.increment.images), len(found.increment.new)
        facts = {"set": found.increment.name, "images": str(images), "new": str(new)}
        facts |= {"blobs": str(total(found.increment.contains)), "volumes": str(len(volumes))}
        facts |= {"baseline": found.increment.baseline}
        facts |= {f"sha256 of {volume.name}": volume.sha256 for volume in volumes[:MOST_LOGGED]}
        self.trail.append("sent", now, facts)
        self._keep(done)
        return done

    def lost(self, number: int, now: dt.datetime) -> None:
        """Record that a set did not arrive, and never will: what it brought is sent again.

        Raises UsageError where the last receipt names it: what that says is there counts, whatever is lost.
        """
        found = self.set(number)
        if (receipt := self.receipt()) and number in receipt.sets:
            problem = f"has arrived, by the receipt of {papers.as_moment(receipt.made)}"
            advice = "if it is gone over there, bring a new receipt: lading mirror receipt"
            raise UsageError(f"set {found.increment.name}", problem, advice)
        if found.status != LOST:
            self.trail.append("lost", now, {"set": found.increment.name})
            self._keep(found.as_(LOST))

    # Images and what the closed side has

    def image(self, top: Digest) -> ImageRecord | None:
        """Return of which blobs an image was; None of one that was never sent."""
        path = self._images / f"{top.hex}.json"
        found = record(path, ImageRecord.parse)
        if found and found.digest != top:
            raise Mismatch(str(path), "digest", "it was renamed or copied here", found.digest, top)
        return found

    def baseline(self, kind: str) -> Baseline:
        """Return what the closed side has, as far as that is known; raises UsageError for another kind."""
        receipt = self.receipt()
        if kind == FULL:
            return Baseline.full()
        if kind == CONFIRMED:
            return Baseline.confirmed(receipt, self.image)
        if kind != ASSUMED:
            raise UsageError(f"baseline {kind[:50]!r}", "is not known", f"one of {', '.join(KINDS)}")
        after = max(receipt.sets, default=0) if receipt else 0
        sent = (found.increment for found in self.sets(after) if found.status == SENT)
        return Baseline.assumed(receipt, sent, self.image)

    def receipt(self) -> Receipt | None:
        """Return the last receipt that was taken."""
        taken = numbers(self._receipts)
        return record(numbered(self._receipts, taken[-1]), Receipt.parse) if taken else None

    def take(self, receipt: Receipt, subject: str, now: dt.datetime, *, anew: bool = False) -> bool:
        """Take a receipt that came back; False for the last one once more, which changes nothing.

        Raises Mismatch for another site's. Unless one of the sides was set up `anew`, UsageError for an older
        one, or one that names a set that was never made, and CorruptContent for one of another trail.
        """
        receipt.must_be_of(self.name, subject)
        last = self.receipt()
        if receipt == last:
            return False
        if not anew:
            receipt.must_follow(last, subject)
            receipt.must_be_of_sets(max(self.numbers(), default=0), subject)
        facts = {"set": papers.set_name(self.name, receipt.number), "images": str(len(receipt.images))}
        facts |= {"made": papers.as_moment(receipt.made), "operator": receipt.operator}
        facts |= {"trail": f"{receipt.trail.lines} {receipt.trail.last}"}
        self.trail.append("receipt", now, facts)
        taken = numbers(self._receipts)
        keep(numbered(self._receipts, taken[-1] + 1 if taken else 1), receipt)
        return True

    # Each night

    def gaps(self) -> tuple[Gap, ...]:
        """Return what could not be had the last time, which is tried first the next time."""
        found = record(self.folder / "gaps.json", Lock.parse)
        return found.gaps if found else ()

    def keep_gaps(self, gaps: Sequence[Gap], when: dt.date) -> None:
        """Record what could not be had in the run of a date; nothing where all could."""
        keep(self.folder / "gaps.json", Lock(self.name, when, (), tuple(gaps)))

    def lock(self, when: dt.date) -> Lock | None:
        """Return what names meant in the run of a date; None where it has not resolved them."""
        return record(self._locks / f"{when.isoformat()}.json", Lock.parse)

    def last_lock(self, when: dt.date = dt.date.max) -> Lock | None:
        """Return the last lock of this date, or before it."""
        with storing(self._locks):
            names = os.listdir(self._locks) if self._locks.is_dir() else []
        dates = (date for name in names if (date := _date_of(name)))
        last = max((date for date in dates if date <= when), default=None)
        return self.lock(last) if last else None

    def keep_lock(self, lock: Lock) -> None:
        """Record what names mean in the run of its date."""
        keep(self._locks / f"{lock.date.isoformat()}.json", lock)

    def _last(self) -> SetRecord | None:
        known = self.numbers()
        return self.set(known[-1]) if known else None

    def _next(self, last: SetRecord | None) -> int:
        """Return a number that never stood for a set, as far as either side knows."""
        receipt = self.receipt()
        return 1 + max(last.number if last else 0, max(receipt.sets, default=0) if receipt else 0)

    def _keep(self, found: SetRecord) -> None:
        keep(numbered(self._sets, found.number), found)

    def _note_images(self, number: int, images: Iterable[ImageBlobs]) -> None:
        for image in images:
            known = self.image(image.top) or ImageRecord(image.top)
            if (found := known.sent(number, image.blobs)) != known:
                keep(self._images / f"{image.top.hex}.json", found)


def _date_of(name: str) -> dt.date | None:
    """Return the date of a lock by the name of its file; None of another file."""
    try:
        return dt.date.fromisoformat(found[1]) if (found := LOCK.fullmatch(name)) else None
    except ValueError:
        return None
