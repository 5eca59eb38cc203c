"""What an EngineSink sends, and when it does not; what a real engine makes of it is in tests/integration."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.archives import LAYER, ONE, TWO, artifact, image, index, layout, sha256, signature, written
from tests.daemons import Answer, FakeEngine, fake_engine
from toolkit.bundles import open_bundle
from toolkit.errors import CorruptContent, InvalidReference, StoreError, Unsupported, UsageError
from toolkit.image import ProvenImage
from toolkit.operations.copy import copy
from toolkit.ports import HoldsReferrers, Source
from toolkit.stores.engine import Engine
from toolkit.stores.engine_host import Host
from toolkit.stores.engine_sink import EngineSink

APP, OTHER = image(ONE), image(TWO, architecture="arm64")
ID = sha256(APP.config)


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    with fake_engine() as engine:
        engine.answers["/images/load"] = Answer(b'{"stream":"Loaded"}\n')
        engine.has({"Id": ID, "RepoTags": ["app:1"]})
        yield engine


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return open_bundle(written(tmp_path / "in.tar", layout(("app:1", APP))))


def put(source: Source, fake: FakeEngine, called: str = "", names: Any = ("app:1",)) -> list[ProvenImage]:
    return copy(
        source, EngineSink(Engine(Host(fake.host, "the test")), f"docker-daemon:{called}", called), names
    )


def sent(fake: FakeEngine, tmp_path: Path) -> Source:
    (body,) = fake.taken
    (tmp_path / "sent.tar").write_bytes(body)
    return open_bundle(tmp_path / "sent.tar")


@pytest.mark.parametrize(("component", "format_"), [("Engine", "docker"), ("Podman Engine", "docker-v1.2")])
def test_each_engine_gets_the_bundle_that_it_reads_best(
    fake: FakeEngine, source: Source, tmp_path: Path, component: str, format_: str
) -> None:
    fake.says("/version", {"Version": "20.10.24", "Components": [{"Name": component}]})
    put(source, fake)
    found = sent(fake, tmp_path)
    assert getattr(found, "format", "") == format_
    assert [line.names for line in found.listings()] == [("app:1",)]


def test_a_place_with_a_name_gives_it(fake: FakeEngine, source: Source, tmp_path: Path) -> None:
    fake.has({"Id": ID, "RepoTags": ["host:5000/b:2"]})
    (carried,) = put(source, fake, "host:5000/b:2")
    assert [line.names for line in sent(fake, tmp_path).listings()] == [("host:5000/b:2",)]
    assert carried.names == ("host:5000/b:2",)


def test_a_place_names_one_image_by_a_tag(fake: FakeEngine, tmp_path: Path) -> None:
    both = open_bundle(written(tmp_path / "both.tar", layout(("app:1", APP), ("b:1", OTHER))))
    with pytest.raises(UsageError, match="names one image, and 2 are to be loaded"):
        put(both, fake, "c:1", ("app:1", "b:1"))
    with pytest.raises(UsageError, match="names a digest, which no one chooses"):
        put(both, fake, f"c@{APP.digest}")
    with pytest.raises(InvalidReference):
        put(both, fake, "C:1")
    assert fake.taken == []


@pytest.mark.parametrize(("held", "told"), [(sha256(TWO), sha256(TWO)), ("", "nothing")])
def test_another_image_under_the_name_is_an_error(
    fake: FakeEngine, source: Source, held: str, told: str
) -> None:
    if held:
        fake.has({"Id": held, "RepoTags": ["app:1"]})
    else:
        del fake.answers["/images/app:1/json"]
    with pytest.raises(StoreError, match=f"has {told} as app:1, expected {ID}"):
        put(source, fake)


def test_the_digest_of_the_manifest_is_the_same_image(fake: FakeEngine, source: Source) -> None:
    fake.has({"Id": APP.digest, "RepoTags": ["app:1"]})  # as a Docker whose containerd keeps the images
    put(source, fake)


def test_an_image_without_a_name_is_asked_for_by_its_id(fake: FakeEngine, source: Source) -> None:
    put(source, fake, names=[ID])
    assert f"GET /images/{ID}/json" in fake.asked


def test_what_an_engine_says_against_it_is_told_and_nothing_is_left(
    fake: FakeEngine, source: Source, temporary: Path
) -> None:
    fake.answers["/images/load"] = Answer(b'{"errorDetail":{"message":"no space left on device"}}\n')
    with pytest.raises(StoreError, match="says: no space left on device"):
        put(source, fake)
    assert os.listdir(temporary) == []


def test_nothing_is_sent_of_a_bundle_that_is_damaged(fake: FakeEngine, tmp_path: Path) -> None:
    files = layout(("app:1", APP))
    (layer,) = (name for name in files if name.endswith(sha256(ONE).removeprefix("sha256:")))
    files[layer] = bytes(len(ONE))
    with pytest.raises(CorruptContent):
        put(open_bundle(written(tmp_path / "bad.tar", files)), fake)
    assert fake.taken == []


@pytest.mark.parametrize(("version", "works"), [("20.10.24", False), ("23.0.1", True), ("dev", True)])
def test_zstd_is_for_engines_that_know_it(
    fake: FakeEngine, tmp_path: Path, version: str, *, works: bool
) -> None:
    packed = image(zstandard.compress(ONE), diff_ids=[sha256(ONE)], media_types=[f"{LAYER}+zstd"])
    source = open_bundle(written(tmp_path / "packed.tar", layout(("app:1", packed))))
    fake.says("/version", {"Version": version})
    fake.has({"Id": sha256(packed.config), "RepoTags": ["app:1"]})
    if works:
        put(source, fake)
        return
    with pytest.raises(
        Unsupported, match=r"is Docker 20\.10\.24, and these images need Docker 23\.0 or later"
    ):
        put(source, fake)
    assert fake.taken == []


def test_what_is_no_image_is_named_and_nothing_is_sent(fake: FakeEngine, tmp_path: Path) -> None:
    files = layout(("app:1", APP), ("chart:1", artifact(None, b"chart")))
    source = open_bundle(written(tmp_path / "in.tar", files))
    fake.says("/version", {"Version": "20.10.24"})
    with pytest.raises(Unsupported, match=r"^chart:1: is no image that .* can load; name the images$"):
        put(source, fake, names=("app:1", "chart:1"))
    assert fake.taken == []


@pytest.mark.parametrize("keeps", [False, True])
def test_what_an_engine_does_not_keep_is_told(fake: FakeEngine, tmp_path: Path, *, keeps: bool) -> None:
    source = open_bundle(written(tmp_path / "both.tar", layout(("app:1", index(APP, OTHER)))))
    fake.says("/info", {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]] if keeps else []})
    (carried,) = put(source, fake)
    lost = [finding for finding in carried.findings if "loses its other platforms" in finding.problem]
    assert bool(lost) is not keeps


@pytest.mark.parametrize("keeps", [False, True])
def test_an_engine_gets_no_referrers_and_that_is_told(
    fake: FakeEngine, tmp_path: Path, *, keeps: bool
) -> None:
    tag, signed = signature(APP)
    files = layout(("app:1", APP), (f"app:{tag}", signed), ("", artifact(APP, b"sbom")))
    source = open_bundle(written(tmp_path / "in.tar", files))
    assert isinstance(source, HoldsReferrers)
    source.referrers = True
    fake.says("/info", {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]] if keeps else []})
    (carried,) = put(source, fake)
    assert any("loses what refers to it in docker-daemon: 2" in each.problem for each in carried.findings)
    assert [line.names for line in sent(fake, tmp_path).listings()] == [("app:1",)]
