"""The page of a run, of all that it knows when it ends: what goes, what is missing, and labels to print."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from toolkit.digest import Digest
from toolkit.figures import size_text
from toolkit.image import ProvenImage
from toolkit.mirror.records import papers
from toolkit.mirror.records.baseline import ASSUMED, CONFIRMED, FULL
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.changes import Change, changes
from toolkit.mirror.records.increment import Increment, Share
from toolkit.mirror.records.outcome import DONE, FAILED, GAPS, STALE, Outcome, duration_text
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.setrecord import VolumeSum
from toolkit.mirror.records.staleness import Staleness
from toolkit.pages.mirror import (
    BAD,
    GOOD,
    MIXED,
    CarriedImage,
    ChangedName,
    Fact,
    Head,
    MissingImage,
    RunPage,
    Told,
    WrittenVolume,
    run_page,
)
from toolkit.pages.room import counted
from toolkit.pages.sharing import Stack

LOOKS = {  # of each state: its tone, and what it is called
    DONE: (GOOD, "Done"),
    GAPS: (MIXED, "Done with gaps"),
    FAILED: (BAD, "Failed"),
    STALE: (MIXED, "Stale"),
}
AGAINST = {
    FULL: "nothing: this set needs no other",
    CONFIRMED: "what its last receipt says that it has",
    ASSUMED: "what its last receipt says that it has, and what was sent since",
}
PARITY = ".parity.tar"  # the end of a parity volume's name
MOST_SETS = 12  # numbers of sets that are told


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run knows when it ends; of one that failed early most is missing."""

    outcome: Outcome
    tip: Tip  # of the log, the set's line included
    staleness: Staleness
    receipt: Receipt | None = None  # the last one
    increment: Increment | None = None  # of the set
    previous: Increment | None = None  # of the set that was sent before
    volumes: Sequence[VolumeSum] = ()
    signer: str = ""  # ID of the key that signed the list of volumes
    shares: Sequence[Share] = ()  # what each image costs
    stacks: Sequence[Stack] = ()  # what is drawn: `stacks_of` the images
    made: int = 0  # images with other digests than where they come from


def mirror_page(facts: RunFacts) -> bytes:
    """Return the page of a run, one HTML file; the same facts give the same bytes."""
    outcome, increment, previous = facts.outcome, facts.increment, facts.previous
    page = RunPage(
        head=_head(outcome),
        site=outcome.site,
        set=increment.name if increment else "",
        date=outcome.date.isoformat(),
        since=previous.name if previous else "",
        gaps=[MissingImage(gap.name, gap.problem, gap.since.isoformat()) for gap in outcome.gaps],
        changes=changed_names(_changes(facts)),
        volumes=list(_volumes(facts.volumes)),
        signer=facts.signer,
        images=_images(facts) if increment else [],
        known=list(_known(facts)),
        trail=trail_told(facts.tip),
    )
    return run_page(page, facts.stacks)


def stacks_of(images: Iterable[ProvenImage]) -> list[Stack]:
    """Return the layers of images as they are drawn: what has several names is drawn once."""
    names: dict[Digest, list[str]] = {}
    layers: dict[Digest, tuple[tuple[str, int], ...]] = {}
    for image in images:
        top = image.top.digest
        names.setdefault(top, []).extend(image.names)
        layers[top] = tuple((str(blob.digest), blob.size) for blob in image.blobs)
    return [Stack(tuple(dict.fromkeys(own)) or (str(top),), layers[top]) for top, own in names.items()]


def trail_told(tip: Tip) -> list[Told]:
    """Say where a log stands."""
    if not tip.lines:
        return [("Log", "has no line yet")]
    return [("Lines of the log", f"{tip.lines:,}"), ("sha256 of the last", tip.last.hex)]


def changed_names(found: Iterable[Change]) -> list[ChangedName]:
    """Return what changed, as a page shows it."""
    return [ChangedName(each.name, each.kind, *map(_text, (each.before, each.after))) for each in found]


def _head(outcome: Outcome) -> Head:
    tone, word = LOOKS[outcome.state]
    ended = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(outcome.ended))
    subject = f"{outcome.set_name or outcome.site}, for {outcome.date}, ended {ended}"
    return Head(outcome.title(), tone, word, subject, f"{outcome.line()}.", list(_figures(outcome)))


def _figures(outcome: Outcome) -> Iterator[Fact]:
    yield "Images wanted", f"{outcome.images:,}", ""
    yield "Carried", f"{outcome.images_new:,}", "new or changed"
    yield "Unchanged", f"{outcome.images_there:,}", ""
    if outcome.gaps:
        yield "Left out", f"{len(outcome.gaps):,}", ""
    yield "Goes", size_text(outcome.bytes_new), counted(outcome.volumes, "volume")
    yield "Goes once", size_text(outcome.bytes_shared), "several images share it"
    yield "Is there", size_text(outcome.bytes_there), "and need not go"
    yield "Took", duration_text(outcome.seconds), ""


def _changes(facts: RunFacts) -> Sequence[Change]:
    if facts.increment is None or facts.previous is None:
        return ()
    before, after = facts.previous.tops, facts.increment.tops
    return changes(before, after, {gap.name for gap in facts.outcome.gaps})


def _volumes(volumes: Sequence[VolumeSum]) -> Iterator[WrittenVolume]:
    of = sum(not volume.name.endswith(PARITY) for volume in volumes)
    number = 0
    for volume in volumes:
        is_parity = volume.name.endswith(PARITY)
        number += not is_parity
        yield WrittenVolume(*volume, number=0 if is_parity else number, of=of)


def _images(facts: RunFacts) -> list[CarriedImage]:
    """Return the images, those that cost most first."""
    costs = {share.image.name: share for share in facts.shares}
    rows = [
        CarriedImage(image.name, str(image.digest), image.is_new, cost.new, cost.shared, cost.there)
        if (cost := costs.get(image.name))
        else CarriedImage(image.name, str(image.digest), image.is_new, None, None, None)
        for image in (facts.increment.images if facts.increment else ())
    ]
    return sorted(rows, key=lambda row: (not row.is_new, -(row.new or 0), row.name))


def _known(facts: RunFacts) -> Iterator[Told]:
    if facts.increment:
        yield "Reckoned against", AGAINST[facts.increment.baseline]
    if facts.made:
        others = f"{counted(facts.made, 'image')} with other digests than where they come from"
        yield "Made on the way", f"{others}: layers packed anew, or a first manifest; image IDs stay"
    if (receipt := facts.receipt) is None:
        yield "Last receipt", "none ever came back"
    else:
        yield "Last receipt", _receipt(receipt, facts.staleness.receipt_days)
        yield "Its log then", f"{counted(receipt.trail.lines, 'line')}, the last {receipt.trail.last}"
    if sets := facts.staleness.unconfirmed:
        more = f" and {len(sets) - MOST_SETS:,} more" if len(sets) > MOST_SETS else ""
        names = ", ".join(papers.set_name(facts.outcome.site, number) for number in sets[-MOST_SETS:])
        yield "Sent, in no receipt yet", f"{names}{more}"


def _receipt(receipt: Receipt, days: int | None) -> str:
    age = f"{counted(days, 'day')} ago" if days else "today" if days == 0 else "of unknown age"
    made = f"{papers.as_moment(receipt.made)}, {age}, by {receipt.operator or 'nobody named'}"
    last = papers.set_name(receipt.site, receipt.number) if receipt.number else "no set yet"
    return f"{made}: {counted(len(receipt.images), 'image')} whole, {last} received last"


def _text(digest: Digest | None) -> str:
    return str(digest) if digest else ""
