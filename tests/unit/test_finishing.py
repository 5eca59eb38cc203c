from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, layout, unpacked, written
from toolkit.bundles import open_bundle
from toolkit.digest import Digest
from toolkit.errors import Mismatch, StoreError, UsageError
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.closed.takenlog import take_logs
from toolkit.mirror.connected.finishing import Wishes, finish, gaps_error, strict_error
from toolkit.mirror.connected.site import Site
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.records.lock import Gap, Lock, Locked
from toolkit.mirror.records.setrecord import BUILDING, LOST, SENT
from toolkit.operations.copy import copy
from toolkit.stores.layout import LayoutStore

NIGHT = date(2026, 11, 27)
NOW = datetime(2026, 11, 27, 2, tzinfo=UTC)
JOB = Job.parse(b"site = 'plant-7'\nimages = ['app:1']", "job")
APP, TOOL = image(ONE, TWO), image(TWO)
GAP = Gap("dead:1", "is gone", NIGHT)


def locked(name: str, digest: str) -> Locked:
    return Locked(name, name, "oci:/srv/drop", Digest.parse(digest))


LOCK = Lock("plant-7", NIGHT, (locked("app:1", APP.digest), locked("tool:1", TOOL.digest)))


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    found = LayoutStore(tmp_path / "store")
    copy(open_bundle(written(tmp_path / "in.tar", layout(("app:1", APP)))), found, ["app:1"])
    return found


def test_what_is_not_there_is_a_gap_for_the_cause_that_is_known(store: LayoutStore, tmp_path: Path) -> None:
    site, wishes = Site(tmp_path / "home", "plant-7"), Wishes(tmp_path / "out")
    done = finish(site, JOB, LOCK, store, wishes, failed={"tool:1": "answered 500"}, now=NOW)
    assert done.gaps == (Gap("tool:1", "answered 500", NIGHT),)
    assert done.record.increment.gaps == ("tool:1",)
    assert site.gaps() == done.gaps
    assert [carried.name for carried in done.record.increment.new] == ["app:1"]
    assert site.set(1).status == SENT


def test_the_log_travels_beside_the_volumes_and_is_taken_in(store: LayoutStore, tmp_path: Path) -> None:
    site, wishes = Site(tmp_path / "home", "plant-7"), Wishes(tmp_path / "out")
    finish(site, JOB, LOCK, store, wishes, failed={}, now=NOW)
    log = tmp_path / "out" / "plant-7.trail.jsonl"
    assert [line.event for line in site.trail.lines()] == ["sent"]
    assert log.read_bytes() == site.trail.raw()
    log.unlink()  # a run may be ended before it writes it
    assert not finish(site, JOB, LOCK, store, wishes, failed={}, now=NOW).is_new
    assert log.read_bytes() == site.trail.raw()
    side = ClosedSide(tmp_path / "closed", "plant-7")
    assert list(take_logs(side, [tmp_path / "out"], NOW)) == []
    assert str(site.trail.tip().last) in side.trail.raw().decode()


def test_a_rerun_once_the_medium_has_left_is_done(store: LayoutStore, tmp_path: Path) -> None:
    site, wishes = Site(tmp_path / "home", "plant-7"), Wishes(tmp_path / "out")
    finish(site, JOB, LOCK, store, wishes, failed={}, now=NOW)
    (tmp_path / "out").rename(tmp_path / "carried")
    assert not finish(site, JOB, LOCK, store, wishes, failed={}, now=NOW).is_new


def test_a_set_of_another_home_is_not_overwritten(store: LayoutStore, tmp_path: Path) -> None:
    """As by a run by hand without the LADING_HOME that the scheduled one has."""
    site, wishes = Site(tmp_path / "home", "plant-7"), Wishes(tmp_path / "out")
    finish(site, JOB, LOCK, store, wishes, failed={}, now=NOW)
    before = {path: path.read_bytes() for path in wishes.folder.iterdir()}
    other = Site(tmp_path / "another", "plant-7")
    for _ in range(2):
        with pytest.raises(UsageError, match=r"has a set plant-7_0001 in it that was made in another home"):
            finish(other, JOB, LOCK, store, wishes, failed={}, now=NOW)
    assert other.numbers() == []
    assert {path: path.read_bytes() for path in wishes.folder.iterdir()} == before


def test_a_set_that_was_left_unfinished_keeps_its_number(store: LayoutStore, tmp_path: Path) -> None:
    site, wishes = Site(tmp_path / "home", "plant-7"), Wishes(tmp_path / "out", verify=False)
    layer = store.path / "blobs" / APP.layers[0].replace(":", "/")
    content = layer.read_bytes()
    layer.write_bytes(bytes(len(content)))
    with pytest.raises(Mismatch, match="the store was damaged"):
        finish(site, JOB, LOCK, store, wishes, failed={}, now=NOW)
    assert site.set(1).status == BUILDING
    assert list((tmp_path / "out").iterdir()) == []
    layer.write_bytes(content)
    assert finish(site, JOB, LOCK, store, wishes, failed={}, now=NOW).record.number == 1


def test_what_a_killed_run_left_of_a_set_that_is_given_up_goes(store: LayoutStore, tmp_path: Path) -> None:
    """The next night has another date: its set gets another number."""
    site, folder = Site(tmp_path / "home", "plant-7"), tmp_path / "out"
    layer = store.path / "blobs" / APP.layers[0].replace(":", "/")
    content = layer.read_bytes()
    layer.write_bytes(bytes(len(content)))
    with pytest.raises(Mismatch):
        finish(site, JOB, LOCK, store, Wishes(folder), failed={}, now=NOW)
    (folder / ".plant-7_0001.part").mkdir()
    for name in (".plant-7_0001.part/plant-7_0001.1of2.tar", "plant-7_0001.2of2.tar", "of somebody else"):
        (folder / name).touch()
    layer.write_bytes(content)
    tomorrow = replace(LOCK, date=NIGHT + timedelta(days=1))
    assert finish(site, JOB, tomorrow, store, Wishes(folder), failed={}, now=NOW).record.number == 2
    assert site.set(1).status == LOST
    log, volumes = "plant-7.trail.jsonl", ["plant-7_0002.1of1.tar", "plant-7_0002.sha256"]
    assert sorted(path.name for path in folder.iterdir()) == ["of somebody else", log, *volumes]


def test_strict_and_gaps_say_how_many_and_the_first(store: LayoutStore, tmp_path: Path) -> None:
    site, wishes = Site(tmp_path / "home", "plant-7"), Wishes(tmp_path / "out", strict=True)
    with pytest.raises(
        StoreError, match=r"an image fails, and it is all or nothing; tool:1: .*fetch it first"
    ):
        finish(site, JOB, LOCK, store, wishes, failed={}, now=NOW)
    assert "2 images fail" in str(strict_error("plant-7", [GAP, GAP]))
    record = finish(site, JOB, LOCK, store, Wishes(tmp_path / "out"), failed={}, now=NOW).record
    error = gaps_error("plant-7", record, [GAP, GAP])
    assert error.exit_code == 8
    assert "without 2 images that could not be had; dead:1: is gone" in str(error)


def test_an_image_that_lost_a_layer_is_a_gap_and_no_half_image(tmp_path: Path) -> None:
    files = layout(("app:1", APP), ("tool:1", TOOL))
    store = LayoutStore(unpacked(tmp_path / "store", files))
    (store.path / "blobs" / APP.layers[0].replace(":", "/")).unlink()
    site = Site(tmp_path / "home", "plant-7")
    done = finish(site, JOB, LOCK, store, Wishes(tmp_path / "out"), failed={}, now=NOW)
    assert [gap.name for gap in done.gaps] == ["app:1"]
    assert [carried.name for carried in done.record.increment.images] == ["tool:1"]
