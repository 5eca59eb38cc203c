from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.connected.site import Site
from toolkit.mirror.records.baseline import Baseline
from toolkit.mirror.records.blob import Blob, ImageBlobs
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.received import Received

NIGHT = datetime(2026, 11, 27, 2, tzinfo=UTC)
A, B = Digest.of(b"A"), Digest.of(b"B")


@pytest.fixture
def closed(tmp_path: Path) -> ClosedSide:
    return ClosedSide(tmp_path / "closed", "plant-7")


def increment(number: int, site: str = "plant-7", **images: Digest) -> Increment:
    blobs = [ImageBlobs(name, top, (Blob(top, 1),)) for name, top in images.items()]
    return Increment.of(site, number, date(2026, 11, 26), blobs, Baseline.full())


def test_sets_are_remembered_in_the_order_they_came(closed: ClosedSide) -> None:
    for number in (1, 3, 2, 1):
        closed.take(increment(number, app=A), NIGHT)
    assert [each.number for each in closed.received()] == [3, 2, 1]
    assert [line.facts["set"][-1] for line in closed.trail.lines()] == ["1", "3", "2", "1"]


def test_a_record_is_read_as_it_was_written(closed: ClosedSide) -> None:
    found = closed.take(increment(7, app=A, tool=B), NIGHT)
    assert closed.received() == [found]
    assert Received.parse(bytes(found), "record") == found


def test_a_set_that_comes_late_puts_no_name_back(closed: ClosedSide) -> None:
    closed.take(increment(9, app=B), NIGHT)
    closed.take(increment(8, app=A, tool=A), NIGHT)
    assert closed.names() == {"app": B, "tool": A}


def test_a_set_for_another_site_is_refused(closed: ClosedSide) -> None:
    with pytest.raises(
        Mismatch, match="set plant-8_0001: site is plant-8, expected plant-7; it was made for"
    ):
        closed.take(increment(1, "plant-8", app=A), NIGHT)
    assert closed.received() == []


def test_a_receipt_names_what_is_whole_and_where_the_log_stands(closed: ClosedSide) -> None:
    closed.take(increment(1, app=A, tool=B), NIGHT)
    receipt = closed.receipt("j.doe", NIGHT, {A}.__contains__)
    assert receipt.images == {"app": A}
    assert receipt.sets == (1,)
    assert receipt.trail == closed.trail.tip()
    assert closed.trail.proven(receipt.trail).lines == 2


def test_each_receipt_follows_the_one_before_in_the_same_second_too(closed: ClosedSide) -> None:
    first = closed.receipt("j.doe", NIGHT, {A}.__contains__)
    closed.receipt("j.doe", NIGHT, {A}.__contains__).must_follow(first, "r.json")


def test_what_the_closed_side_writes_the_connected_side_takes(closed: ClosedSide, tmp_path: Path) -> None:
    site = Site(tmp_path / "connected", "plant-7")
    images = [ImageBlobs("app:1", A, (Blob(A, 1), Blob(B, 2)))]
    sent = site.begin(Increment.of("plant-7", 0, NIGHT.date(), images, site.baseline("assumed")), images)
    site.sent(sent.number, [], NIGHT)
    closed.take(Increment.parse(bytes(sent), "increment.json"), NIGHT)
    closed.take_log(site.trail.raw(), "set 1", NIGHT)
    receipt = closed.receipt("j.doe", NIGHT, lambda _: True)
    assert site.take(receipt, "r.json", NIGHT)
    assert site.baseline("confirmed").blobs == {A, B}


def test_the_log_that_travelled_is_kept_and_where_it_stands_is_logged(
    closed: ClosedSide, tmp_path: Path
) -> None:
    site = Site(tmp_path / "connected", "plant-7")
    tip = site.trail.append("sent", NIGHT)
    assert closed.take_log(site.trail.raw(), "set 1", NIGHT) == tip
    closed.take_log(site.trail.raw(), "set 1", NIGHT)
    (line,) = closed.trail.lines()
    assert (line.event, line.facts["last"]) == ("log", str(tip.last))
    with pytest.raises(CorruptContent, match=r"^set 2: line 1 was changed"):
        closed.take_log(site.trail.raw().replace(b'"n":1', b'"n":one'), "set 2", NIGHT)


def test_a_record_that_was_copied_is_refused(closed: ClosedSide) -> None:
    closed.take(increment(1, app=A), NIGHT)
    shutil.copy(closed.folder / "received/0001.json", closed.folder / "received/0002.json")
    with pytest.raises(Mismatch, match=r"set is plant-7_0001, expected plant-7_0002"):
        closed.received()
