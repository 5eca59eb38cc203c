"""Nights of a mirror against a real registry: what is asked of it, what is carried, and what is told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import gzip
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.archives import Picture, image, layout, sha256, tar, unpacked
from toolkit.bundles import open_bundle
from toolkit.errors import StoreError
from toolkit.mirror.connected.night import Night
from toolkit.mirror.connected.running import Orders, Ran, run
from toolkit.mirror.connected.site import Site
from toolkit.mirror.connected.sources import sources
from toolkit.mirror.jobs.job import Job
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.places import open_sink
from toolkit.ports import Closes
from toolkit.settings import Settings
from toolkit.stores.layout import LayoutStore

from .engines import Dockerd, Registry

pytestmark = pytest.mark.engine

FIRST = dt.datetime(2026, 11, 16, 22, tzinfo=dt.UTC)
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
BASE = tar({"base": bytes(range(256)) * 2000})


def picture(number: int) -> Picture:
    """An image of three layers, two of which others have too."""
    tars = [BASE, tar({f"group{number % 3}": b"x" * 1000}), tar({f"own{number}": bytes([number]) * 50_000})]
    packed = [gzip.compress(each, mtime=0) for each in tars]
    return image(
        *packed, created="2020-01-01T00:00:00Z", diff_ids=[*map(sha256, tars)], media_types=[GZIP] * len(tars)
    )


class Nights:
    """One site, night after night."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self.registry, self.folder, self.now = registry, folder, FIRST
        self.settings = Settings(home=folder / "home")
        self._seen = 0

    def push(self, **pictures: Picture) -> None:
        """Push images as `team/NAME:1`, or what stands behind the last `_` as the tag."""
        for name, picture_ in pictures.items():
            repository, _, tag = name.partition("_")
            full = f"{self.registry.host}/team/{repository}:{tag or 1}"
            files = unpacked(
                self.folder / "pushed" / f"{name}-{picture_.digest[-8:]}", layout((full, picture_))
            )
            sink = open_sink(f"docker://{self.registry.host}", self.settings)
            copy(LayoutStore(files), sink, [full])
            if isinstance(sink, Closes):
                sink.close()
        self.asked()

    def job(self, *images: str, **policy: str) -> Job:
        lines = "\n".join(f'{key} = "{value}"' for key, value in {"min_free": "1", **policy}.items())
        text = f'site = "plant-7"\nimages = [{", ".join(images)}]\n[policy]\n{lines}'
        return Job.parse(text.encode(), "job", self.folder)

    def named(self, name: str) -> str:
        return f'"{self.registry.host}/team/{name}"'

    def tags(self, repository: str) -> str:
        return f'{{repo = {self.named(repository)}, tags = ["*"]}}'

    def run(self, job: Job, orders: Orders | None = None) -> Ran:
        ran = run(job, self.settings, orders or Orders(), clock=self.now.timestamp)
        self.now += dt.timedelta(days=1)
        return ran

    def asked(self) -> Counter[str]:
        """What the registry was asked for since the last time, by its own log."""
        log = (self.registry.home / "log").read_bytes()[self._seen :]
        self._seen += len(log)
        found = re.findall(rb'"(GET|HEAD) /v2/\S+/(manifests|blobs|tags)/\S+ HTTP', log)
        return Counter(f"{method.decode()} {kind.decode()}" for method, kind in found)


@pytest.fixture
def nights(registry: Registry, tmp_path: Path) -> Nights:
    return Nights(registry, tmp_path)


def new(ran: Ran) -> Mapping[str, str]:
    return {one.name.rpartition("/")[2]: str(one.digest) for one in ran.finished.record.increment.new}


def test_a_week_of_nights(nights: Nights) -> None:
    pictures = {f"app{number}": picture(number) for number in range(6)}
    nights.push(**pictures)
    job = nights.job(*(nights.named(f"{name}:1") for name in pictures), nights.tags("tool"))
    nights.push(tool_1=picture(10))

    first = nights.run(job)
    assert new(first) == {f"{name}:1": each.digest for name, each in pictures.items()} | {
        "tool:1": picture(10).digest
    }
    [volume] = first.finished.record.volumes
    assert verify(open_bundle(first.folder / volume.name)).ok
    assert (
        nights.asked()["GET blobs"] == 7 * 2 + 1 + 3
    )  # configs and layers of their own, and shared ones once

    unchanged = nights.run(job)
    assert nights.asked() == {"HEAD manifests": 7, "GET tags": 1}
    assert not unchanged.finished.record.increment.images[0].is_new
    assert unchanged.finished.record.size < 100_000

    nights.push(app0=picture(20), tool_2=picture(11))
    moved = nights.run(job)
    assert new(moved) == {"app0:1": picture(20).digest, "tool:2": picture(11).digest}
    shared = {picture(20).layers[0], picture(20).layers[1], picture(11).layers[1]}
    assert {str(blob.digest) for blob in moved.finished.record.increment.requires} == shared
    assert nights.asked()["GET blobs"] == 4

    dead = nights.run(nights.job(nights.named("app0:1"), nights.named("dead:1")))
    assert (dead.outcome.state, [gap.name.rpartition("/")[2] for gap in dead.outcome.gaps]) == (
        "gaps",
        ["dead:1"],
    )
    with pytest.raises(StoreError, match="all or nothing"):
        nights.run(nights.job(nights.named("app0:1"), nights.named("dead:1")), Orders(strict=True))
    nights.now += dt.timedelta(days=1)
    nights.push(dead=picture(30))
    risen = nights.run(nights.job(nights.named("app0:1"), nights.named("dead:1")))
    assert (risen.outcome.state, new(risen)) == ("done", {"dead:1": picture(30).digest})

    site = Site(nights.settings.home, "plant-7")
    assert [found.number for found in site.sets()] == [1, 2, 3, 4, 5]
    site.trail.proven()
    assert verify(LayoutStore(nights.settings.home / "store")).ok


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder], check=False)
    if done.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_too_small_is_refused_with_figures_before_any_layer(
    nights: Nights, small_disk: Path
) -> None:
    nights.push(app=image(tar({"large": bytes(2_000_000)})))
    job = nights.job(nights.named("app:1"))
    for settings, orders in (
        (nights.settings, Orders(into=str(small_disk / "out"))),
        (dataclasses.replace(nights.settings, home=small_disk / "home"), Orders()),
    ):
        nights.settings = settings
        with pytest.raises(StoreError, match=r"needs \d{7} bytes \(.*\) and its file system has \d+ free"):
            nights.run(job, orders)
        nights.now -= dt.timedelta(days=1)
        assert nights.asked()["GET blobs"] == 1  # the config
        assert not (settings.home / "store").exists()


def load_into_engine(nights: Nights, pictures: Mapping[str, Picture]) -> None:
    """Put images into the engine that the environment names."""
    bundle = nights.folder / "loaded.tar"
    bundle.write_bytes(tar(layout(*pictures.items())))
    copy(open_bundle(bundle), open_sink("docker-daemon:", nights.settings), list(pictures))


@pytest.mark.root
@pytest.mark.parametrize("compression", ["keep", "gzip"])
def test_images_of_an_engine_are_the_same_on_the_other_side(
    nights: Nights, dockerd: Dockerd, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    load_into_engine(nights, {"app:1": picture(40), "tool:1": picture(41)})
    ids = dockerd.images()
    text = f'''site = "plant-7"\nsources = ["docker-daemon:"]\nimages = ["app:1", "tool:1"]
[bundle]\ncompression = "{compression}"\n[policy]\nmin_free = "1"'''
    job = Job.parse(text.encode(), "job", nights.folder)
    first = nights.run(job)
    assert (first.outcome.state, first.outcome.images_new) == ("done", 2)
    second = nights.run(job)
    assert (second.outcome.images_new, second.finished.record.increment.contains) == (0, ())
    [volume] = first.finished.record.volumes
    dockerd.forget()
    dockerd.load(first.folder / volume.name)
    assert dockerd.images() == ids


@pytest.mark.root
def test_an_image_that_has_gone_from_an_engine_is_a_gap(
    nights: Nights, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    load_into_engine(nights, {"app:1": picture(42), "tool:1": picture(43)})
    text = 'site = "plant-7"\nsources = ["docker-daemon:"]\nimages = ["app:1", "tool:1"]\n[policy]\nmin_free = "1"'
    job = Job.parse(text.encode(), "job", nights.folder)
    with sources(nights.settings) as opened:
        Night(job, nights.settings, opened, clock=nights.now.timestamp).locked(nights.now.date())
    dockerd.docker("rmi", "tool:1")
    ran = nights.run(job)
    [gap] = ran.outcome.gaps
    assert gap.name == "tool:1"
    assert "is not in docker-daemon: any more as sha256:" in gap.problem
