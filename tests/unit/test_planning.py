from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archives import ONE, TWO, image, tar
from tests.mirrors import ConnectedSide
from tests.webregistry import MemoryRegistry
from toolkit.errors import StoreError
from toolkit.mirror.connected.night import Night
from toolkit.mirror.connected.planning import Planned, Room
from toolkit.mirror.connected.sources import sources
from toolkit.mirror.jobs.job import Job

LARGE = tar({"large": bytes(5_000_000)})
APP, BIG = image(ONE, TWO), image(ONE, LARGE)


@pytest.fixture
def side(tmp_path: Path) -> Iterator[ConnectedSide]:
    with MemoryRegistry() as web:
        web.push("app:1", APP).push("big:1", BIG)
        yield ConnectedSide(web, tmp_path / "home")


def planned(side: ConnectedSide, job: Job, folder: Path | None = None, kind: str = "assumed") -> Planned:
    with sources(side.settings) as opened:
        night = Night(job, side.settings, opened, clock=side.clock)
        return night.planned(night.resolved(side.today), kind, folder or night.folder)


def sizes(*blobs: bytes) -> int:
    return sum(map(len, blobs))


def test_a_plan_tells_what_is_new_shared_and_there_and_reads_manifests_alone(side: ConnectedSide) -> None:
    side.run(side.job("app:1"))
    side.asked()
    found = planned(side, side.job("app:1", "big:1"))
    app, big = found.shares
    assert (app.new, app.shared, app.there) == (0, 0, sizes(*APP.blobs.values()))
    own = sizes(*BIG.blobs.values()) - len(ONE)
    assert (big.new, big.shared, big.there, big.image.is_new) == (own, 0, len(ONE), True)
    assert found.fetch == own
    assert [one.name for one in found.missing] == [side.name("big:1")]
    assert not any(BIG.layers[1] in one.path for one in side.web.asked)


def test_against_nothing_a_shared_layer_counts_once(side: ConnectedSide) -> None:
    found = planned(side, side.job("app:1", "big:1"), kind="full")
    assert [share.shared for share in found.shares] == [0, len(ONE)]
    assert sum(share.new for share in found.shares) == found.fetch


@pytest.mark.parametrize(
    "bundle", [{}, {"volume": "2MiB"}, {"volume": "2MiB", "parity": 1}, {"format": "oci"}]
)
def test_a_set_is_as_large_as_was_planned_or_a_little_smaller(
    side: ConnectedSide, bundle: dict[str, Any]
) -> None:
    job = side.job("app:1", "big:1", bundle=bundle)
    found = planned(side, job)
    record = side.run(job).finished.record
    [room] = found.rooms
    assert room.needed - found.fetch - 200_000 < record.size <= room.needed - found.fetch
    assert found.volumes == len(record.volumes)


def test_each_file_system_has_its_own_figures(side: ConnectedSide) -> None:
    here, there = planned(side, side.job("big:1"), Path("/dev/shm/lading-none")).rooms
    assert here.needed == sizes(*BIG.blobs.values())
    assert there.needed > here.needed
    assert str(there.folder) == "/dev/shm"


def test_what_does_not_fit_is_refused_with_its_figures(tmp_path: Path) -> None:
    Room(tmp_path, 10, 20, 10, "all").must_be_enough()
    Room(tmp_path, 0, 0, 10, "nothing").must_be_enough()
    with pytest.raises(
        StoreError, match=r"needs 11 bytes \(all\) and its .* has 20 free, of which 10 stay free"
    ) as raised:
        Room(tmp_path, 11, 20, 10, "all").must_be_enough()
    assert raised.value.exit_code == 7


def test_a_medium_that_cannot_be_written_to_is_found_before_anything_is_fetched(
    side: ConnectedSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    medium = tmp_path / "medium"
    medium.mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != medium and access(path, mode))
    side.asked()
    with pytest.raises(StoreError, match=f"{medium}: cannot be written to; mount it for writing"):
        side.run(side.job("app:1"), into=str(medium))
    assert side.asked()["GET blobs"] <= 1  # the config, of which a plan reads the documents
    assert not side.store.path.exists()


def test_what_failed_the_last_time_comes_first(side: ConnectedSide) -> None:
    zoo = image(tar({"zoo": b"zoo"}))
    side.web.push("zoo:1", zoo)
    lost = side.web.blobs.pop(("zoo", zoo.layers[0]))
    side.run(side.job("zoo:1", "app:1"))
    side.web.blobs["zoo", zoo.layers[0]] = lost
    side.sleep()
    found = planned(side, side.job("zoo:1", "app:1", "big:1"))
    assert [one.name for one in found.missing] == [side.name("zoo:1"), side.name("big:1")]
