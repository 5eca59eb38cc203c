from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image
from tests.mirrors import ConnectedSide
from tests.webregistry import MemoryRegistry
from toolkit.errors import NotFound, RegistryError
from toolkit.mirror.job import Job
from toolkit.mirror.lock import Lock
from toolkit.mirror.night import Night
from toolkit.mirror.running import Orders, run
from toolkit.mirror.sources import sources

APP = image(ONE, TWO)


@pytest.fixture
def side(tmp_path: Path) -> Iterator[ConnectedSide]:
    with MemoryRegistry() as web:
        yield ConnectedSide(web.push("app:1", APP).push("tool:1", image(TWO)), tmp_path / "home")


def fetch_one(side: ConnectedSide, job: Job, lock: Lock, name: str) -> None:
    with sources(side.settings) as opened:
        Night(job, side.settings, opened).fetch_one(lock, name)


def test_one_image_is_fetched_by_itself_and_once(side: ConnectedSide) -> None:
    job = side.job("app:1", "tool:1")
    lock = side.resolved(job)
    fetch_one(side, job, lock, side.name("app:1"))
    assert [line.names for line in side.store.listings()] == [(side.name("app:1"),)]
    side.asked()
    fetch_one(side, job, lock, side.name("app:1"))
    assert not side.asked()
    with pytest.raises(NotFound, match="is not in the lock of 2026-11-27 of site plant-7"):
        fetch_one(side, job, lock, "none:1")
    side.web.blobs.pop(("tool", image(TWO).layers[0]))
    side.web.manifests.clear()
    with pytest.raises((NotFound, RegistryError)):
        fetch_one(side, job, lock, side.name("tool:1"))


def test_a_run_may_have_its_images_fetched_by_somebody_else(side: ConnectedSide) -> None:
    asked: list[str] = []

    def elsewhere(night: Night, lock: Lock, images: object) -> dict[str, str]:
        del images
        for each in lock.images:
            asked.append(each.name)
            night.fetch_one(lock, each.name)
        return {}

    ran = run(side.job("app:1", "tool:1"), side.settings, Orders(), fetch=elsewhere, clock=side.clock)
    assert (ran.outcome.state, len(asked)) == ("done", 2)


def test_volumes_go_where_the_job_says_or_below_home(side: ConnectedSide, tmp_path: Path) -> None:
    with sources(side.settings) as opened:
        assert Night(side.job("app:1"), side.settings, opened).folder == side.home / "mirror/plant-7/volumes"
        job = side.job("app:1", bundle={"folder": str(tmp_path / "out")})
        assert Night(job, side.settings, opened).folder == tmp_path / "out"
