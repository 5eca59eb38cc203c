"""Images as their places offer them, those without a manifest too: what they become, and what is said before."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, A, B, image, layout, sha256, tar, unpacked, v1_folder, written
from tests.conformance import IMAGE_ID, NAME
from tests.mirrors import ConnectedSide, carried, increment_of
from tests.registries import BASE, EMPTY, SIGNED, TOP, schema1, signed, three_layers
from tests.webregistry import MemoryRegistry
from tests.webs import Asked, Reply
from toolkit.bundles import create_bundle
from toolkit.digest import Digest
from toolkit.errors import NotFound, TryAgain
from toolkit.image import SourceImage
from toolkit.mirror.connected.night import Night
from toolkit.mirror.connected.offers import Offers
from toolkit.mirror.connected.planning import Planned
from toolkit.mirror.connected.running import Ran
from toolkit.mirror.connected.sources import sources
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.records.lock import Locked
from toolkit.operations.copy import copy
from toolkit.operations.through import Through
from toolkit.outline import Outline
from toolkit.platform import Platform
from toolkit.stores.layout import LayoutStore
from toolkit.stores.sample import sample_store

APP = image(ONE, TWO)


@pytest.fixture
def side(tmp_path: Path) -> Iterator[ConnectedSide]:
    with MemoryRegistry() as web:
        yield ConnectedSide(web.push("app:1", APP), tmp_path / "home")


def job_of(place: str, *names: str, more: str = "") -> Job:
    lines = (
        f'site = "plant-7"\nsources = ["{place}"]\nimages = {json.dumps(names)}\nplatforms = ["linux/amd64"]'
    )
    return Job.parse(f'{lines}\n[policy]\nmin_free = "1"\n{more}'.encode(), "job.toml")


def planned(side: ConnectedSide, job: Job) -> Planned:
    with sources(side.settings) as opened:
        night = Night(job, side.settings, opened, clock=side.clock)
        return night.planned(night.resolved(side.today), "assumed", night.folder)


def image_id(side: ConnectedSide, name: str) -> str:
    [picture] = side.store.image(name).offered.images()
    return str(picture.config.image_id)


def saved(folder: Path, format_name: str) -> str:
    """Write the sample as a bundle; return its place."""
    copy(sample_store(folder / "sample"), create_bundle(folder / "saved.tar", format_name), [NAME])
    return f"docker-archive:{folder / 'saved.tar'}"


@pytest.mark.parametrize("packed", ["", '[bundle]\ncompression = "zstd"'])
@pytest.mark.parametrize("kind", ["sample", "docker-v1", "docker-v1.2"])
def test_an_image_without_a_manifest_gets_one_and_is_fetched_once(
    side: ConnectedSide, tmp_path: Path, kind: str, packed: str
) -> None:
    place = "sample:" if kind == "sample" else saved(tmp_path, kind)
    job = job_of(place, NAME, more=packed)
    ran = side.run(job)
    assert ran.outcome.state == "done"
    assert image_id(side, NAME) == IMAGE_ID
    [locked] = side.resolved(job).images
    made = side.site.made(job.bundle.compression).top(locked)
    assert made != locked.digest
    assert carried(ran) == {NAME: str(made)}
    side.sleep()
    before = (side.store.path / "index.json").stat().st_mtime_ns
    again = side.run(job)
    assert (again.outcome.images_new, increment_of(again).contains) == (0, ())
    assert (side.store.path / "index.json").stat().st_mtime_ns == before


def test_an_image_of_a_v1_archive_that_moves_is_fetched_again(side: ConnectedSide, tmp_path: Path) -> None:
    path = tmp_path / "v1.tar"
    names = json.dumps({"app": {"1": A}}).encode()
    written(path, {**v1_folder(A, layer=ONE), "repositories": names})
    job = job_of(f"docker-archive:{path}", "app:1")
    first = image_diff_ids(side, side.run(job))
    side.sleep()
    moved = json.dumps({"app": {"1": B}}).encode()
    written(path, {**v1_folder(A, layer=ONE), **v1_folder(B, A, TWO), "repositories": moved})
    ran = side.run(job)
    assert (first, image_diff_ids(side, ran)) == ([sha256(ONE)], [sha256(ONE), sha256(TWO)])
    assert {str(blob.digest) for blob in increment_of(ran).requires} == {sha256(ONE)}


def image_diff_ids(side: ConnectedSide, ran: Ran) -> list[str]:
    assert ran.outcome.state == "done"
    [picture] = side.store.image("app:1").offered.images()
    return list(map(str, picture.config.diff_ids))


@pytest.mark.parametrize("packed", ["keep", "none", "zstd"])
def test_a_manifest_of_schema_1_becomes_the_image_that_docker_pulls(side: ConnectedSide, packed: str) -> None:
    raw = schema1(three_layers(thrown_away=False))
    for layer in (BASE, TOP, EMPTY):
        side.web.blobs["old", sha256(layer)] = layer

    def old(asked: Asked) -> Reply | None:
        told = {"Docker-Content-Digest": sha256(raw), "Content-Type": SIGNED}
        return Reply(200, signed(raw), told) if "/old/manifests/" in asked.path else None

    side.web.odd = old
    job = side.job("old:1", bundle={"compression": packed})
    assert planned(side, job).about == (side.name("old:1"),)
    assert side.run(job).outcome.state == "done"
    [picture] = side.store.image(side.name("old:1")).offered.images()
    assert [str(each) for each in picture.config.diff_ids] == [
        sha256(gzip.decompress(layer)) for layer in (BASE, EMPTY, TOP)
    ]
    side.sleep()
    side.asked()
    assert side.run(job).outcome.images_new == 0
    assert side.asked() == {"HEAD manifests": 1}


def test_an_image_for_another_platform_is_a_gap_with_its_sentence(
    side: ConnectedSide, tmp_path: Path
) -> None:
    side.web.push("arm:1", image(ONE, architecture="arm64"))
    text = f'site = "plant-7"\nplatforms = ["linux/arm64"]\nimages = ["{side.name("app:1")}", '
    text += f'{{reference = "{NAME}", source = "{saved(tmp_path, "docker-v1")}"}}, '
    text += f'{{reference = "{side.name("arm:1")}"}}]\n[policy]\nmin_free = "1"'
    ran = side.run(Job.parse(text.encode(), "job.toml"))
    gap = next(gap for gap in ran.outcome.gaps if gap.name == NAME)
    assert "platform linux/arm64: is not in the image; it has linux/amd64" in gap.problem


def test_a_layer_that_nobody_can_prove_is_a_gap_with_its_sentence(
    side: ConnectedSide, tmp_path: Path
) -> None:
    """With half of its tar-split, nobody knows the tar that a layer was."""
    root = tmp_path / "graph"
    shutil.copytree(sample_store(tmp_path).root.path, root, symlinks=True)
    for found in root.glob("graph/*/tar-data.json.gz"):
        found.write_bytes(found.read_bytes()[:40])
    text = f'site = "plant-7"\nimages = ["{side.name("app:1")}", {{reference = "{NAME}", source = "graph:{root}"}}]'
    ran = side.run(Job.parse(f'{text}\n[policy]\nmin_free = "1"'.encode(), "job.toml"))
    [gap] = ran.outcome.gaps
    assert gap.name == NAME
    assert "tar-data.json.gz: ends amid its compressed data" in gap.problem


def test_before_layers_are_packed_anew_sizes_are_those_of_the_place(side: ConnectedSide) -> None:
    large = image(tar({"large": bytes(3_000_000)}))
    side.web.push("large:1", large)
    job = side.job("large:1", "app:1", bundle={"compression": "zstd"})
    found = planned(side, job)
    assert set(found.about) == {side.name("large:1"), side.name("app:1")}
    assert 3_000_000 < found.fetch < 3_100_000
    side.run(job)
    again = planned(side, job)
    assert (again.about, again.missing, again.fetch) == ((), (), 0)
    assert planned(side, side.job("large:1")).about == ()


class Engine(Through):
    """A source that would have to fetch all of an image to offer it, as an engine does."""

    def __init__(self, store: LayoutStore) -> None:
        super().__init__(store)

    def gather(self, names: object, land: object = None) -> None:
        raise NotImplementedError

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        raise AssertionError(f"{name} {platform} is fetched")

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        return self.source.outline(name, platform)


def test_of_what_would_be_fetched_whole_the_outline_tells_sizes(tmp_path: Path) -> None:
    history = [{"created_by": "one"}, {"created_by": "nothing", "empty_layer": True}, {"created_by": "two"}]
    picture = image(ONE, TWO, history=history)
    store = LayoutStore(unpacked(tmp_path / "layout", layout(("app:1", picture))))
    locked = Locked("app:1", "app:1", "docker-daemon:", Digest.parse(picture.digest))
    offered = Offers(lambda _: Engine(store)).blobs(locked)
    assert (offered.is_exact, offered.blobs.top) == (False, locked.digest)
    assert sum(blob.size for blob in offered.blobs.blobs) == len(ONE) + len(TWO)


def test_an_image_that_has_gone_from_its_place_is_told_by_its_name(side: ConnectedSide) -> None:
    locked = Locked("gone:1", "gone:1", "sample:", Digest.of(b"gone"))
    with sources(side.settings) as opened:
        with pytest.raises(NotFound, match=r"image gone:1: is not in sample: any more as sha256:"):
            Offers(opened).image(locked)
        with pytest.raises(TryAgain, match="outside of its window"):
            Offers(opened, go_on=lambda: False).blobs(locked)
