"""Whatever is lost, delayed or comes in another order: what a set takes for granted is there.

A model of both sides: sets are made against a baseline, some are lost, the closed side takes what reached it
in any order, refuses what it lacks something for, and sends receipts, of which some arrive.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.digest import Digest
from toolkit.errors import UsageError
from toolkit.mirror.records.baseline import ASSUMED, CONFIRMED, FULL, Baseline
from toolkit.mirror.records.blob import Blob, ImageBlobs
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.imagerecord import ImageRecord
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.receipt import Receipt

pytestmark = pytest.mark.property

Night = dict[str, tuple[Blob, frozenset[Blob]]]  # name → top, and what it consists of besides

NIGHT, START = date(2026, 11, 27), datetime(2026, 11, 27, tzinfo=UTC)
# Few of each, so that what is sent is often what was sent before, in part.
BLOBS = [Blob(Digest.of(b"blob %d" % number), number) for number in range(3)]
TOPS = [Blob(Digest.of(b"top %d" % number), number) for number in range(2)]
NAMES = ["app:1", "tool:1", "tool:latest"]

contents = st.dictionaries(  # of one night: the same top may come with other blobs than before
    st.sampled_from(NAMES),
    st.tuples(st.sampled_from(TOPS), st.frozensets(st.sampled_from(BLOBS))),
    min_size=1,
    max_size=2,
)
places = st.integers(0, 3)
kinds = st.sampled_from([CONFIRMED, ASSUMED, FULL])
made = st.fixed_dictionaries(
    {"kind": kinds, "night": contents, "is_delivered": st.booleans(), "is_reported": st.booleans()}
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("make"), made),
        st.tuples(st.just("make"), made),
        st.tuples(st.sampled_from(["deliver", "lose", "arrive"]), st.fixed_dictionaries({"place": places})),
        st.just(("write", {})),
        st.tuples(st.just("forget"), st.fixed_dictionaries({"name": st.sampled_from(NAMES)})),
    ),
    min_size=3,
    max_size=15,
)


@dataclass
class ClosedSide:
    """What really is there."""

    images: dict[str, tuple[Digest, frozenset[Digest]]] = field(default_factory=dict)
    blobs: set[Digest] = field(default_factory=set)
    whole: dict[Digest, frozenset[Digest]] = field(default_factory=dict)  # top → what it came with last
    received: list[int] = field(default_factory=list)
    lines: int = 0

    def takes(self, increment: Increment, images: Sequence[ImageBlobs]) -> bool:
        """Take a set in if all that it requires is there."""
        needed = {blob.digest for blob in increment.requires}
        held = {digest.hex[:8] for digest in self.blobs}
        if not held.issuperset(increment.held):
            return False
        if not needed <= self.blobs or not increment.requires_images <= self.whole.keys():
            return False
        self.blobs |= {blob.digest for blob in increment.contains}
        by_name = {image.name: image for image in images}
        for carried in increment.new:
            parts = frozenset(blob.digest for blob in by_name[carried.name].blobs)
            assert parts <= self.blobs  # an image is never there in part
            self.whole[carried.digest] = parts
        for carried in increment.images:  # also what did not change is there as it is over there
            assert {blob.digest for blob in by_name[carried.name].blobs} <= self.blobs
            self.images[carried.name] = carried.digest, self.whole[carried.digest]
        self.received = [number for number in self.received if number != increment.number]
        self.received.append(increment.number)
        self.lines += 1
        return True

    def forget(self, name: str) -> None:
        """Remove an image, and what nothing else needs."""
        self.images.pop(name, None)
        tops = {top for top, _ in self.images.values()}
        self.whole = {top: parts for top, parts in self.whole.items() if top in tops}
        self.blobs = set().union(*self.whole.values())
        self.lines += 1

    def receipt(self) -> Receipt:
        tops = {name: top for name, (top, _) in self.images.items()}
        made = START + timedelta(hours=self.lines)
        return Receipt("plant-7", made, "j.doe", tuple(self.received), tops, Tip(self.lines, TOPS[0].digest))


@dataclass
class ConnectedSide:
    """What is known there."""

    sets: dict[int, Increment] = field(default_factory=dict)
    carried: dict[int, Sequence[ImageBlobs]] = field(default_factory=dict)
    records: dict[Digest, ImageRecord] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    receipt: Receipt | None = None

    def baseline(self, kind: str) -> Baseline:
        sent = [increment for number, increment in self.sets.items() if number not in self.lost]
        if kind == FULL:
            return Baseline.full()
        if kind == CONFIRMED:
            return Baseline.confirmed(self.receipt, self.records.get)
        return Baseline.assumed(self.receipt, sent, self.records.get)

    def take(self, receipt: Receipt) -> None:
        with suppress(UsageError):  # it is older than the last one
            receipt.must_follow(self.receipt, "receipt")
            self.receipt = receipt

    def make(self, kind: str, images: Sequence[ImageBlobs]) -> Increment:
        number = len(self.sets) + 1
        increment = Increment.of("plant-7", number, NIGHT, images, self.baseline(kind))
        new = {carried.name for carried in increment.new}
        for image in images:
            if image.name in new:
                record = self.records.get(image.top, ImageRecord(image.top))
                self.records[image.top] = record.sent(number, image.blobs)
        self.sets[number], self.carried[number] = increment, images
        return increment


def images_of(night: Night) -> list[ImageBlobs]:
    """Return the images of one night, in which a top has one content."""
    parts = dict(night.values())
    return [
        ImageBlobs(name, top.digest, (top, *sorted(parts[top]))) for name, (top, _) in sorted(night.items())
    ]


@dataclass
class World:
    """Both sides, and what is carried between them; a step is a method."""

    connected: ConnectedSide = field(default_factory=ConnectedSide)
    closed: ClosedSide = field(default_factory=ClosedSide)
    on_its_way: list[Receipt] = field(default_factory=list)

    def make(self, kind: str, night: Night, *, is_delivered: bool, is_reported: bool) -> None:
        increment = self.connected.make(kind, images_of(night))
        if kind == CONFIRMED:
            assert {blob.digest for blob in increment.requires} <= self.closed.blobs
            assert increment.requires_images <= self.closed.whole.keys()
            assert {digest.hex[:8] for digest in self.closed.blobs}.issuperset(increment.held)
        if is_delivered:
            self.closed.takes(increment, images_of(night))
        if is_reported:
            self.connected.take(self.closed.receipt())

    def deliver(self, place: int) -> None:
        if sets := len(self.connected.sets):
            number = place % sets + 1
            self.closed.takes(self.connected.sets[number], self.connected.carried[number])

    def lose(self, place: int) -> None:
        if sets := len(self.connected.sets):
            self.connected.lost.add(place % sets + 1)

    def write(self) -> None:
        self.on_its_way.append(self.closed.receipt())

    def arrive(self, place: int) -> None:
        if self.on_its_way:
            self.connected.take(self.on_its_way[place % len(self.on_its_way)])

    def forget(self, name: str) -> None:
        """Remove an image over there; its receipt arrives at once, since nobody can know without."""
        self.closed.forget(name)
        self.connected.take(self.closed.receipt())
        self.on_its_way.clear()


@settings(max_examples=500)
@given(steps)
def test_what_a_confirmed_set_requires_is_really_there(taken: list[tuple[str, dict[str, Any]]]) -> None:
    world = World()
    for step, facts in taken:
        getattr(world, step)(**facts)


@settings(max_examples=500)
@given(st.lists(contents, min_size=1, max_size=8), st.data())
def test_sets_that_are_assumed_to_arrive_are_all_taken_in_the_end(
    nights: list[Night], data: st.DataObject
) -> None:
    """Some are lost and said to be: the last one is taken once all others that were not lost have come."""
    connected, closed = ConnectedSide(), ClosedSide()
    for night in nights:
        connected.make(ASSUMED, images_of(night))
        if data.draw(st.booleans(), "is one lost"):
            connected.lost.add(data.draw(st.integers(1, len(connected.sets)), "lost"))
    final = connected.make(ASSUMED, images_of(nights[-1]))
    waiting = data.draw(
        st.permutations([number for number in connected.sets if number not in connected.lost])
    )
    for _ in connected.sets:
        waiting = [
            each for each in waiting if not closed.takes(connected.sets[each], connected.carried[each])
        ]
    assert final.number in closed.received
    for image in images_of(nights[-1]):
        assert {blob.digest for blob in image.blobs} <= closed.blobs


@given(contents, contents)
def test_the_same_set_twice_changes_nothing(one: Night, other: Night) -> None:
    connected, closed = ConnectedSide(), ClosedSide()
    for night in (one, other):
        increment = connected.make(ASSUMED, images_of(night))
        assert closed.takes(increment, images_of(night))
    before = dict(closed.images), set(closed.blobs), list(closed.received)
    assert closed.takes(increment, images_of(other))
    assert (closed.images, closed.blobs, closed.received) == before
