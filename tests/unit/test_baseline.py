from __future__ import annotations

from datetime import UTC, date, datetime

from toolkit.digest import Digest
from toolkit.mirror.records.baseline import ASSUMED, CONFIRMED, FULL, Baseline
from toolkit.mirror.records.blob import Blob, ImageBlobs
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.imagerecord import ImageRecord
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.receipt import Receipt

NIGHT = date(2026, 11, 27)
A, B, C, D, E = (Digest.of(letter.encode()) for letter in "ABCDE")
APP = ImageBlobs("app:1", A, (Blob(A, 1), Blob(B, 20)))
TOOL = ImageBlobs("tool:1", C, (Blob(C, 4), Blob(B, 20), Blob(D, 5_000)))


def receipt(*sets: int, **images: Digest) -> Receipt:
    return Receipt("plant-7", datetime(2026, 11, 27, tzinfo=UTC), "j.doe", sets, images, Tip())


def increment(number: int, baseline: Baseline, *images: ImageBlobs) -> Increment:
    return Increment.of("plant-7", number, NIGHT, images, baseline)


RECORDS = {A: ImageRecord(A).sent(1, APP.blobs), C: ImageRecord(C).sent(2, TOOL.blobs)}


def test_without_a_receipt_nothing_is_confirmed() -> None:
    baseline = Baseline.confirmed(None, RECORDS.get)
    assert baseline == Baseline.full() == Baseline(FULL)
    assert not baseline.holds(APP)


def test_what_a_receipt_names_is_there_with_all_its_blobs() -> None:
    baseline = Baseline.confirmed(receipt(1, app=A), RECORDS.get)
    assert baseline == Baseline(CONFIRMED, frozenset({A}), frozenset({A, B}))
    assert baseline.holds(APP)
    assert not baseline.holds(TOOL)


def test_an_image_that_others_brought_there_is_told_and_not_counted() -> None:
    baseline = Baseline.confirmed(receipt(1, app=A, foreign=E, also=E), RECORDS.get)
    assert baseline.unknown == ("foreign", "also")
    assert baseline.blobs == {A, B}


def test_an_image_that_came_by_no_set_of_the_receipt_is_not_counted() -> None:
    assert Baseline.confirmed(receipt(1, app=A, tool=C), RECORDS.get).unknown == ("tool",)


def test_a_variant_that_did_not_arrive_is_not_counted() -> None:
    signed = ImageRecord(A).sent(1, APP.blobs).sent(2, (*APP.blobs, Blob(E, 6)))
    assert E not in Baseline.confirmed(receipt(1, app=A), {A: signed}.get).blobs
    assert E in Baseline.confirmed(receipt(1, 2, app=A), {A: signed}.get).blobs


def test_what_was_sent_since_is_assumed_to_arrive() -> None:
    first = increment(1, Baseline.full(), APP)
    second = increment(2, Baseline.assumed(None, [first], RECORDS.get), APP, TOOL)
    assert {blob.digest for blob in second.contains} == {C, D}
    baseline = Baseline.assumed(receipt(1, app=A), [second], RECORDS.get)
    assert baseline == Baseline(ASSUMED, frozenset({A, C}), frozenset({A, B, C, D}))


def test_a_set_that_stands_on_a_lost_one_is_not_counted() -> None:
    first = increment(1, Baseline.full(), APP)
    second = increment(2, Baseline.assumed(None, [first], RECORDS.get), APP, TOOL)
    assert Baseline.assumed(None, [second], RECORDS.get) == Baseline(ASSUMED)


def test_a_set_before_the_one_that_was_received_is_not_awaited() -> None:
    first = increment(1, Baseline.full(), TOOL)
    assert not Baseline.assumed(receipt(2, app=A), [first], RECORDS.get).holds(TOOL)


def test_what_came_before_a_set_that_did_not_count_on_it_is_not_counted() -> None:
    told = receipt(1, app=A)
    second = increment(2, Baseline.assumed(told, [], RECORDS.get), APP, TOOL)
    third = increment(3, Baseline.confirmed(told, RECORDS.get), APP)
    assert Baseline.assumed(told, [second], RECORDS.get).holds(TOOL)
    assert Baseline.assumed(told, [second, third], RECORDS.get) == Baseline(
        ASSUMED, frozenset({A}), frozenset({A, B})
    )
