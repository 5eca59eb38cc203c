from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image
from tests.mirrors import ConnectedSide
from tests.webregistry import MemoryRegistry
from toolkit.errors import UsageError
from toolkit.mirror.connected.night import Night
from toolkit.mirror.connected.running import Orders, run
from toolkit.mirror.connected.sources import sources
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.records.lock import Lock, Locked

APP = image(ONE, TWO)


@pytest.fixture
def side(tmp_path: Path) -> Iterator[ConnectedSide]:
    with MemoryRegistry() as web:
        yield ConnectedSide(web.push("app:1", APP).push("tool:1", image(TWO)), tmp_path / "home")


def fetched(side: ConnectedSide, job: Job, lock: Lock, name: str) -> Mapping[str, str]:
    with sources(side.settings) as opened:
        return Night(job, side.settings, opened).fetch(lock, [one for one in lock.images if one.name == name])


def test_one_image_is_fetched_by_itself_and_whoever_fails_is_told(side: ConnectedSide) -> None:
    job = side.job("app:1", "tool:1")
    lock = side.resolved(job)
    assert fetched(side, job, lock, side.name("app:1")) == {}
    assert [line.names for line in side.store.listings()] == [(side.name("app:1"),)]
    side.web.manifests.clear()
    failed = fetched(side, job, lock, side.name("tool:1"))
    assert list(failed) == [side.name("tool:1")]
    assert "tool" in failed[side.name("tool:1")]


def test_a_run_may_have_its_images_fetched_by_somebody_else(side: ConnectedSide) -> None:
    asked: list[str] = []

    def elsewhere(night: Night, lock: Lock, images: Sequence[Locked]) -> Mapping[str, str]:
        asked.extend(each.name for each in images)
        return night.fetch(lock, images)

    ran = run(side.job("app:1", "tool:1"), side.settings, Orders(), fetch=elsewhere, clock=side.clock)
    assert (ran.outcome.state, len(asked)) == ("done", 2)


def test_volumes_go_where_the_job_says_or_below_home(side: ConnectedSide, tmp_path: Path) -> None:
    with sources(side.settings) as opened:
        assert Night(side.job("app:1"), side.settings, opened).folder == side.home / "mirror/plant-7/volumes"
        job = side.job("app:1", bundle={"folder": str(tmp_path / "out")})
        with pytest.raises(UsageError, match=r"bundle.folder .*/out: is no folder that is there; mount it"):
            _ = Night(job, side.settings, opened).folder
        (tmp_path / "out").mkdir()
        assert Night(job, side.settings, opened).folder == tmp_path / "out"
