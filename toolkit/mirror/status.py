"""status: what is known of a site, on either side: its sets, receipts, images, gaps, and their age."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from toolkit.digest import Digest
from toolkit.errors import NotFound
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.closed.unloading import is_named
from toolkit.mirror.connected.site import Site
from toolkit.mirror.records import papers
from toolkit.mirror.records.lock import Gap
from toolkit.mirror.records.receipt import Receipt, receipt_name
from toolkit.mirror.records.received import Received, names
from toolkit.mirror.records.setrecord import SENT, SetRecord
from toolkit.mirror.records.staleness import Staleness, days_since, why_old
from toolkit.pages.room import first_of
from toolkit.stores.layout import LayoutStore

NOTHING = "lading mirror run makes sets, lading mirror receive takes them in"
SHOWN = 5  # sites
MOST = 1_000  # numbers of sets that did not come, and are told one by one


@dataclass(frozen=True, slots=True)
class Where:
    """One image by its name on the closed side."""

    name: str
    digest: Digest
    number: int  # of the last set that names it
    is_current: bool  # the last set of all names it too
    is_confirmed: bool  # a receipt says that it is over there; on the closed side, that it is in the store

    def to_json(self) -> dict[str, Any]:
        """Return the stable form."""
        return {
            "name": self.name,
            "digest": str(self.digest),
            "set": self.number,
            "current": self.is_current,
            "confirmed": self.is_confirmed,
        }


@dataclass(frozen=True, slots=True)
class Connected:
    """What the connected side knows of a site."""

    sets: tuple[SetRecord, ...] = field(repr=False)
    receipt: Receipt | None
    gaps: tuple[Gap, ...]
    staleness: Staleness

    @classmethod
    def of(cls, site: Site, now: datetime) -> Self:
        """Read all records; raises InvalidDocument."""
        sets, receipt = tuple(site.sets()), site.receipt()
        return cls(sets, receipt, site.gaps(), Staleness.of(sets, receipt, now))

    def why_stale(self, limit: timedelta) -> str:
        """Return what has been late for longer than the limit; empty where nothing is."""
        return self.staleness.why_stale(limit)

    def is_received(self, number: int) -> bool:
        """Tell whether the last receipt names a set."""
        return self.receipt is not None and number in self.receipt.sets

    def images(self) -> list[Where]:
        """Return what was sent, each name as the last set that has it says."""
        sent = [each for each in self.sets if each.status == SENT]
        there = self.receipt.images if self.receipt else {}
        named = {each.number: each.increment.tops for each in sent}
        return list(_where(named, there))

    def to_json(self) -> dict[str, Any]:
        """Return the stable form."""
        return {
            "sets": [self._set(each) for each in self.sets],
            "receipt": _receipt_json(self.receipt) if self.receipt else None,
            "unconfirmed": list(self.staleness.unconfirmed),
            "set_days": self.staleness.set_days,
            "receipt_days": self.staleness.receipt_days,
            "waiting_days": self.staleness.waiting.days if self.staleness.waiting else None,
            "gaps": [_gap_json(gap) for gap in self.gaps],
            "images": [each.to_json() for each in self.images()],
        }

    def _set(self, each: SetRecord) -> dict[str, Any]:
        return {
            "set": each.increment.name,
            "status": each.status,
            "date": each.increment.date.isoformat(),
            "baseline": each.increment.baseline,
            "images": len(each.increment.images),
            "new": len(each.increment.new),
            "size": each.size,
            "received": self.is_received(each.number),
            "volumes": [volume._asdict() for volume in each.volumes],
        }


@dataclass(frozen=True, slots=True)
class Closed:
    """What the closed side knows of itself."""

    sets: tuple[Received, ...] = field(repr=False)  # by their numbers
    days: int | None  # since the date of the last set; None where none came
    receipt: Path | None  # the receipt of what is there
    inventory: Inventory = field(repr=False)
    sent: frozenset[int] = frozenset()  # by the log of the connected side, as far as that travelled
    lost: frozenset[int] = frozenset()  # and given up there

    @classmethod
    def of(cls, side: ClosedSide, inventory: Inventory, now: datetime) -> Self:
        """Read all records; raises InvalidDocument."""
        sets = tuple(sorted(side.received(), key=lambda each: each.number))
        last = sets[-1].number if sets else 0
        receipt = side.folder / receipt_name(side.name, last)
        days = days_since(max(each.date for each in sets), now) if sets else None
        path = receipt if receipt.is_file() else None
        return cls(sets, days, path, inventory, *side.told_of("sent", "lost"))

    def why_stale(self, limit: timedelta) -> str:
        """Return that the last set is older than the limit; empty where it is not."""
        return why_old(self.days, limit)

    def missing(self) -> list[int]:
        """Return the numbers of sets that did not come, as far as is known here.

        They are below the last one that came, or in the log that travelled, and not given up by that.
        """
        known = {each.number for each in self.sets}
        last = max(known | self.sent, default=0)
        return [number for number in range(max(1, last - MOST), last + 1) if number not in known | self.lost]

    def images(self) -> list[Where]:
        """Return what each name means here, by the last set that has it, and whether that is in the store."""
        named = {each.number: each.images for each in self.sets}
        there = {name: digest for name, digest in names(self.sets).items() if self._is_there(name, digest)}
        return list(_where(named, there))

    def _is_there(self, name: str, digest: Digest) -> bool:
        return is_named(name, digest, self.inventory) and self.inventory.seems_whole(digest)

    def to_json(self) -> dict[str, Any]:
        """Return the stable form."""
        return {
            "sets": [
                {
                    "set": papers.set_name(each.site, each.number),
                    "date": each.date.isoformat(),
                    "received": papers.as_moment(each.time),
                    "images": len(each.images),
                }
                for each in self.sets
            ],
            "missing": self.missing(),
            "set_days": self.days,
            "receipt": str(self.receipt) if self.receipt else None,
            "images": [each.to_json() for each in self.images()],
        }


@dataclass(frozen=True, slots=True)
class Status:
    """One site, as far as it is known here: from the one side, the other, or both."""

    site: str
    connected: Connected | None
    closed: Closed | None

    @classmethod
    def of(cls, home: Path, name: str, now: datetime) -> Self:
        """Read what is known; raises NotFound where that is nothing."""
        site, side = Site(home, name), ClosedSide(home, name)
        connected = Connected.of(site, now) if site.numbers() or site.gaps() else None
        inventory = Inventory(LayoutStore(home / "store"))
        closed = Closed.of(side, inventory, now) if side.received() else None
        if not connected and not closed:
            raise NotFound(f"site {name}", f"is not known in {home}", _advice(home))
        return cls(name, connected, closed)

    def why_stale(self, limit: timedelta) -> str:
        """Return what of either side has been late for longer than the limit; empty where nothing is."""
        sides = (side.why_stale(limit) for side in (self.connected, self.closed) if side)
        return ", ".join(filter(None, sides))

    def to_json(self) -> dict[str, Any]:
        """Return the stable form."""
        connected = self.connected.to_json() if self.connected else None
        return {
            "site": self.site,
            "connected": connected,
            "closed": self.closed.to_json() if self.closed else None,
        }


def sites_in(home: Path) -> list[str]:
    """Return the sites of which sets were made, or received, here."""
    folders = (*home.glob("mirror/*/sets"), *home.glob("mirror/*/received"))
    return sorted({folder.parent.name for folder in folders})


def _where(named: Mapping[int, Mapping[str, Digest]], there: Mapping[str, Digest]) -> Iterator[Where]:
    last = max(named, default=0)
    found = {name: (digest, number) for number in sorted(named) for name, digest in named[number].items()}
    for name, (digest, number) in sorted(found.items()):
        yield Where(name, digest, number, number == last, there.get(name) == digest)


def _receipt_json(receipt: Receipt) -> dict[str, Any]:
    return {
        "made": papers.as_moment(receipt.made),
        "operator": receipt.operator,
        "sets": list(receipt.sets),
        "images": len(receipt.images),
    }


def _gap_json(gap: Gap) -> dict[str, str]:
    return {"name": gap.name, "problem": gap.problem, "since": gap.since.isoformat()}


def _advice(home: Path) -> str:
    known = sites_in(home)
    return f"known are {first_of(known, SHOWN)}" if known else NOTHING
