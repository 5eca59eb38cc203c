"""Every byte of a blob is counted once, whatever happens to it on its way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.follow import tallied
from toolkit.digest import Digest
from toolkit.event import (
    PRESENT,
    BlobBegun,
    BlobDone,
    BlobEvent,
    BlobFailed,
    BlobProgress,
    BlobRetried,
    BlobsExpected,
    BlobSkipped,
    Event,
    ImageBegun,
    ImageDone,
)
from toolkit.image import Layer
from toolkit.tally import Tally

BASE, TOP = Layer("base", 3000), Layer("top", 1000)


def figures(tally: Tally) -> tuple[int, int, int]:
    return tally.done, tally.skipped, tally.size


def test_a_blob_of_two_images_is_one() -> None:
    tally = tallied([ImageBegun(("a",), (BASE, TOP)), ImageBegun(("b",), (BASE,)), BlobsExpected((TOP,))])
    assert (figures(tally), tally.blobs) == ((0, 0, 4000), 2)


def test_a_blob_that_is_read_again_counts_what_is_new() -> None:
    told: list[Event] = [BlobsExpected((BASE, TOP)), BlobBegun(BASE), BlobProgress(BASE, 2000)]
    assert figures(tallied(told)) == (2000, 0, 4000)
    told += [BlobRetried(BASE, 0), BlobProgress(BASE, 1000), BlobProgress(BASE, 2000)]
    assert figures(tallied(told)) == (2000, 0, 4000)
    told += [BlobProgress(BASE, 3000), BlobDone(BASE)]
    assert figures(tallied(told)) == (3000, 0, 4000)


def test_what_need_not_be_carried_is_told_apart() -> None:
    told = [BlobsExpected((BASE, TOP)), BlobSkipped(BASE, PRESENT), BlobBegun(TOP), BlobDone(TOP)]
    assert figures(tallied(told)) == (1000, 3000, 4000)
    assert tallied(told).over == 2


def test_what_is_done_is_not_skipped_as_well() -> None:
    assert figures(tallied([BlobBegun(TOP), BlobDone(TOP), BlobSkipped(TOP, PRESENT)])) == (1000, 0, 1000)


def test_a_blob_is_in_flight_until_it_ends() -> None:
    tally = tallied([BlobBegun(BASE), BlobBegun(TOP)])
    assert list(tally.in_flight.values()) == [BASE, TOP]
    for event in (BlobFailed(BASE), BlobDone(TOP)):
        tally.take(event)
    assert tally.in_flight == {}
    assert (tally.over, tally.blobs) == (1, 2)


def test_a_name_counts_nothing() -> None:
    assert figures(tallied([ImageDone(("a",), Digest.of(b""))])) == (0, 0, 0)


EVENTS = st.one_of(
    st.builds(BlobProgress, st.sampled_from([BASE, TOP]), st.integers(0, 5000)),
    st.builds(BlobRetried, st.sampled_from([BASE, TOP]), st.integers(0, 3000)),
    st.builds(BlobSkipped, st.sampled_from([BASE, TOP]), st.just(PRESENT)),
    *(st.builds(kind, st.sampled_from([BASE, TOP])) for kind in (BlobBegun, BlobDone, BlobFailed)),
)


@pytest.mark.property
@given(st.lists(EVENTS))
def test_there_is_never_more_than_all_and_in_the_end_as_much(told: list[BlobEvent]) -> None:
    for length in range(len(told) + 1):
        tally = tallied([BlobsExpected((BASE, TOP)), *told[:length]])
        assert tally.done + tally.skipped <= tally.size == 4000
    tally = tallied([BlobsExpected((BASE, TOP)), *told, BlobDone(BASE), BlobDone(TOP)])
    assert tally.done + tally.skipped == tally.size
