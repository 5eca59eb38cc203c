"""The page of the closed side: which sets came, what became of them, and what they changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from toolkit.digest import Digest
from toolkit.figures import size_text
from toolkit.mirror.news.runpage import changed_names, trail_told
from toolkit.mirror.records import papers
from toolkit.mirror.records.changes import changes
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.reception import INCOMPLETE, RECEIVED, REFUSED, THERE
from toolkit.pages.mirror import (
    BAD,
    GOOD,
    MIXED,
    Fact,
    Head,
    ReceivedSet,
    ReceptionPage,
    Told,
    reception_page,
)
from toolkit.pages.room import counted
from toolkit.report import ERROR

WORDS = {RECEIVED: "received", THERE: "there already", INCOMPLETE: "incomplete", REFUSED: "refused"}
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReceptionFacts:
    """What a run on the closed side knows when it ends."""

    site: str
    now: datetime
    receptions: Sequence[Json]  # of each set, as `lading mirror receive --json` tells it
    before: Mapping[str, Digest]  # what each name meant
    after: Mapping[str, Digest]
    receipt: Receipt | None = None  # to carry back


def received_page(facts: ReceptionFacts) -> bytes:
    """Return the page of what was received, one HTML file; the same facts give the same bytes."""
    sets = [_set(each) for each in facts.receptions]
    return reception_page(
        ReceptionPage(
            head=_head(facts),
            sets=sets,
            findings=[finding for each in facts.receptions for finding in _findings(each)],
            changes=changed_names(changes(facts.before, facts.after)),
            receipt=list(_receipt(facts.receipt)),
        )
    )


def _head(facts: ReceptionFacts) -> Head:
    states = Counter(each["state"] for each in facts.receptions)
    out, all_sets = states[REFUSED] + states[INCOMPLETE], len(facts.receptions)
    tone, word = (GOOD, "Received") if states[RECEIVED] else (GOOD, "Nothing new")
    if out and out < all_sets:
        tone, word = MIXED, "Received in part"
    elif out:
        tone, word = (BAD, "Refused") if states[REFUSED] else (MIXED, "Incomplete")
    subject = f"{facts.site}, {papers.as_moment(facts.now)}"
    title = f"{facts.site}: {word.lower()}"
    return Head(title, tone, word, subject, _sentence(states), list(_figures(facts, states)))


def _sentence(states: Counter[str]) -> str:
    parts = [f"{counted(states[state], 'set')} {word}" for state, word in WORDS.items() if states[state]]
    told = f"{', '.join(parts) or 'No set came'}."
    if states[REFUSED] or states[INCOMPLETE]:
        told += " Nothing of a set that was not received was stored; what to do is said of each below."
    return told


def _figures(facts: ReceptionFacts, states: Counter[str]) -> Iterator[Fact]:
    yield "Sets brought", f"{len(facts.receptions):,}", ""
    yield "Refused", f"{states[REFUSED]:,}", ""
    yield "Stored", size_text(sum(each["stored"] for each in facts.receptions)), "that was not here before"
    if facts.receipt:
        yield "Images whole here", f"{len(facts.receipt.images):,}", ""
    yield "Names", f"{len(facts.after):,}", ""


def _set(each: Json) -> ReceivedSet:
    date, images, new = ("" if each[key] is None else str(each[key]) for key in ("date", "images", "new"))
    state: str = each["state"]
    return ReceivedSet(each["set"], WORDS.get(state, state), date, images, new, each["stored"])


def _findings(each: Json) -> Iterator[Json]:
    """Yield why a set was refused, then all that was found."""
    subject = f"set {each['set']}"
    if each["error"]:
        yield {"severity": ERROR, "subject": subject, "problem": each["error"].removeprefix(f"{subject}: ")}
    yield from each["findings"]


def _receipt(receipt: Receipt | None) -> Iterator[Told]:
    if receipt is None:
        yield "Receipt", "none was made"
        return
    yield "Carry back", receipt.file_name
    yield "Made", f"{papers.as_moment(receipt.made)} by {receipt.operator or 'nobody named'}"
    yield "Sets received so far", f"{len(receipt.sets):,}"
    yield from trail_told(receipt.trail)
