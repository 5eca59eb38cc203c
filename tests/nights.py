"""What a night of the mirror came to, as its pages are told: from literals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from toolkit.digest import Digest
from toolkit.mirror.news.receptionpage import ReceptionFacts
from toolkit.mirror.news.runpage import RunFacts
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.increment import Carried, Increment, Share
from toolkit.mirror.records.lock import Gap
from toolkit.mirror.records.outcome import GAPS, Outcome
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.setrecord import VolumeSum
from toolkit.mirror.records.staleness import Staleness
from toolkit.pages.sharing import Stack

NIGHT, BEFORE = dt.date(2026, 11, 27), dt.date(2026, 11, 26)
ENDED = 1_795_746_600  # 2026-11-27 02:30 UTC: date -u -d '2026-11-27 02:30' +%s
BASE, APP, TOOL = "base", "app", "tool"


def digest(word: object) -> Digest:
    """Return a digest of its own for each word."""
    return Digest.of(str(word).encode("utf-8", "surrogatepass"))


def a_set(number: int, images: Sequence[Carried], when: dt.date = NIGHT, site: str = "plant-7") -> Increment:
    """Return the increment of a set."""
    return Increment(site, number, when, "assumed", tuple(images), (), ())


def a_receipt(
    *, site: str = "plant-7", operator: str = "j.doe", names: Sequence[str] = ("base:1",)
) -> Receipt:
    """Return a receipt of a week ago."""
    made = dt.datetime(2026, 11, 20, 2, tzinfo=dt.UTC)
    images = {name: digest(name) for name in names}
    return Receipt(site, made, operator, (1, 2, 5), images, Tip(41, digest("line 41")))


def a_night() -> RunFacts:
    """A night of three names: app moved, tool is new, base is as it was, old is gone, and lost was left out."""
    base = Carried("base:1", digest(BASE), is_new=False)
    app = Carried("app:latest", digest(APP), is_new=True)
    tool = Carried("tool:1", digest(TOOL), is_new=True)
    previous = [Carried("app:latest", digest("old app"), is_new=True), base]
    previous += [Carried(name, digest(name), is_new=False) for name in ("lost:1", "old:1")]
    lost = Gap("lost:1", "registry r.example: GET /v2/lost/manifests/1: 404, expected 200", BEFORE)
    layers = (("base layer", 3_000_000), ("app layer", 200_000))
    return RunFacts(
        Outcome("plant-7", NIGHT, GAPS, ENDED, 125.0, 7, 4, 2, 1, (lost,), 5_200_000, 200_000, 3_000_000, 3),
        Tip(77, digest("line 77")),
        Staleness(0, 7, (6, 7)),
        a_receipt(),
        a_set(7, [app, base, tool]),
        a_set(6, previous, BEFORE),
        (
            VolumeSum("plant-7_0007.1of2.tar", 4_000_000, digest("volume 1").hex),
            VolumeSum("plant-7_0007.2of2.tar", 1_210_000, digest("volume 2").hex),
            VolumeSum("plant-7_0007.parity.tar", 4_000_512, digest("parity").hex),
        ),
        "0123456789ABCDEF",
        (Share(app, 200_000, 0, 3_000_000), Share(base, 0, 0, 3_000_000), Share(tool, 5_000_000, 200_000, 0)),
        [
            Stack(("app:latest",), tuple((str(digest(word)), size) for word, size in layers)),
            Stack(("base:1",), ((str(digest("base layer")), 3_000_000),)),
            Stack(("tool:1",), ((str(digest("tool layer")), 5_000_000), (str(digest("app layer")), 200_000))),
        ],
    )


def a_reception(name: str, state: str, **more: Any) -> dict[str, Any]:
    """Return what became of a set, as `lading mirror receive --json` tells it."""
    nothing: dict[str, Any] = {
        "date": None,
        "images": None,
        "new": None,
        "stored": 0,
        "error": None,
        "findings": [],
    }
    return {"set": name, "state": state, "behind": [], "exit_code": 0, **nothing, **more}


def a_morning(*receptions: dict[str, Any]) -> ReceptionFacts:
    """A morning on the closed side: set 6 was healed and stored, of set 7 a volume is missing."""
    healed = {
        "severity": "warning",
        "subject": "plant-7_0006.2of3.tar",
        "problem": "is damaged; parity heals it",
    }
    lacks = "set plant-7_0007: is not here whole: of its 2 volumes number 2 is missing; bring them"
    both = (
        a_reception(
            "plant-7_0006",
            "received",
            date="2026-11-26",
            images=4,
            new=1,
            stored=3_200_000,
            findings=[healed],
        ),
        a_reception("plant-7_0007", "refused", error=lacks, exit_code=75),
    )
    before = {"app:latest": digest("older app"), "base:1": digest(BASE)}
    after = {"app:latest": digest("old app"), "base:1": digest(BASE), "old:1": digest("old:1")}
    now = dt.datetime(2026, 11, 28, 9, tzinfo=dt.UTC)
    return ReceptionFacts("plant-7", now, receptions or both, before, after, a_receipt())
