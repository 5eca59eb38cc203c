"""ClosedSide: what the closed side knows of itself, in the folder `<home>/mirror/<site>/`.

run.lock               held by the run that works on the site
received/0007.json     each set that was taken in (toolkit.mirror.records.received)
trail.jsonl            the log
carried.jsonl          the log of the connected side, as it came with the last set
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, NotFound
from toolkit.mirror.records import papers
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.folder import RECEIVED_SETS, SENT_SETS, keep, numbered, numbers, record
from toolkit.mirror.records.hold import held
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.received import Received, in_order, names
from toolkit.mirror.records.trail import Trail
from toolkit.plumbing.files import Stamp

DIGITS = re.compile(r"[0-9]{1,9}")


class ClosedSide:
    """The records of one site, kept there; whoever changes them holds it."""

    def __init__(self, home: Path, name: str) -> None:
        self.name = papers.site_name(name)
        self.folder = home / "mirror" / self.name
        self.trail = Trail(self.folder / "trail.jsonl")
        self.carried = Trail(self.folder / "carried.jsonl")
        self._received = self.folder / RECEIVED_SETS
        self._known: dict[int, tuple[Stamp | None, Received]] = {}  # records, as their files stood
        self._tops: dict[Digest, Digest] = {}  # each once in memory: most are in every record

    def held(self, what: str, now: datetime) -> AbstractContextManager[None]:
        """Hold the site for one run; raises TryAgain that says who holds it, UsageError over there."""
        return held(self.folder, f"site {self.name}", what, now, apart=SENT_SETS)

    def received(self) -> list[Received]:
        """Return the sets that were taken in, in the order in which they came."""
        return in_order(self._set(number) for number in numbers(self._received))

    def names(self) -> Mapping[str, Digest]:
        """Return what each name is to mean: a set that comes late puts no name back."""
        return names(self.received())

    def take(self, increment: Increment, now: datetime) -> Received:
        """Record a set that is whole in the store by now; once more is harmless. Raises Mismatch."""
        self.must_be_for(increment)
        before = self.received()
        found = Received.of(increment, before[-1].place + 1 if before else 1, now)
        facts = {"set": increment.name, "images": str(len(increment.images)), "new": str(len(increment.new))}
        self.trail.append("received", now, facts)
        keep(numbered(self._received, increment.number), found)
        return found

    def must_be_for(self, increment: Increment) -> None:
        """Raise Mismatch where a set is for another site."""
        if increment.site != self.name:
            subject, advice = f"set {increment.name}", "it was made for another site: nothing was taken"
            raise Mismatch(subject, "site", advice, increment.site, self.name)

    def take_log(self, came: bytes, subject: str, now: datetime, *, anew: bool = False) -> Tip:
        """Take in the log of the connected side that travelled with a set, and note where it stands.

        With `anew` also one that is not the log that is known. Raises CorruptContent that says which line was
        changed, here or there.
        """
        before, event = self.carried.tip(), "log"
        try:
            tip = self.carried.take(came, subject)
        except CorruptContent:
            if not anew:
                raise
            tip, event = self.carried.replace(came, subject), "another log"
        if tip != before:
            facts = {"from": subject, "lines": str(tip.lines), "last": str(tip.last)}
            self.trail.append(event, now, facts)
        return tip

    def told_of(self, *events: str) -> list[frozenset[int]]:
        """Return of each event the numbers of the sets of which the log of the connected side tells it."""
        told: dict[str, set[int]] = {event: set() for event in events}
        for line in self.carried.lines():
            number = line.facts.get("set", "").removeprefix(f"{self.name}_")
            if line.event in told and DIGITS.fullmatch(number):
                told[line.event].add(int(number))
        return list(map(frozenset, told.values()))

    def receipt(self, operator: str, now: datetime, is_whole: Callable[[Digest], bool]) -> Receipt:
        """Return the receipt of all that is there, by what it is called and `is_whole` says of its top."""
        there = {name: top for name, top in self.names().items() if is_whole(top)}
        made = now.astimezone(UTC).replace(microsecond=0)
        tip = self.trail.append("receipt", now, {"images": str(len(there)), "operator": operator})
        sets = tuple(each.number for each in self.received())
        return Receipt(self.name, made, operator, sets, there, tip)

    def _set(self, number: int) -> Received:
        path = numbered(self._received, number)
        stamp, known = Stamp.of(path), self._known.get(number)
        if known and stamp == known[0]:
            return known[1]
        found = self._read(path, number)
        images = {sys.intern(name): self._tops.setdefault(top, top) for name, top in found.images.items()}
        found = replace(found, images=images)
        self._known[number] = stamp, found
        return found

    def _read(self, path: Path, number: int) -> Received:
        if (found := record(path, Received.parse)) is None:
            raise NotFound(str(path), "is not there any more", "somebody works on this site: run again")
        if (found.site, found.number) != (self.name, number):
            actual, wanted = papers.set_name(found.site, found.number), papers.set_name(self.name, number)
            raise Mismatch(str(path), "set", "it was renamed or copied here", actual, wanted)
        return found
