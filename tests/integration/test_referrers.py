"""Referrers and a real registry: Debian's docker-registry, which has no referrers API, so that lists lie
under tags; and real engines, which must find the images of a bundle that has referrers beside them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.archives import (
    INDEX,
    ONE,
    TWO,
    Picture,
    artifact,
    described,
    encode,
    image,
    index,
    layout,
    sha256,
    signature,
    unpacked,
)
from toolkit.bundles import create_bundle, named, open_bundle
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.places import open_sink, open_source
from toolkit.ports import Closes, Source
from toolkit.reading import Reading
from toolkit.settings import Settings
from toolkit.stores.layout import LayoutStore

from .conftest import started
from .engines import Containerd, Registry
from .loading import Held, held, says
from .workplace import EngineRefused, Workplace

if TYPE_CHECKING:
    from toolkit.image import ProvenImage

    from .engines import Skopeo

pytestmark = pytest.mark.engine

CREATED = "2020-01-01T00:00:00Z"
APP = image(ONE, created=CREATED, config={"Cmd": ["/bin/sh"]})
MULTI = index(APP, image(TWO, architecture="arm64", created=CREATED))
OF_APP = artifact(APP, b"an SBOM", annotations={"org.example": "kept"})
OF_THAT = artifact(OF_APP, b"its signature", "application/vnd.example.signature")
OF_INDEX = artifact(MULTI, b"an attestation", "application/vnd.example.attestation")
TAG, SIGNED = signature(MULTI)
COMPANIONS = (OF_APP, OF_THAT, OF_INDEX, SIGNED)
SETTINGS, WITH = Settings(), Reading(referrers=True)


@pytest.fixture
def closed() -> Iterator[Registry]:
    """The registry of the closed side."""
    yield from started(Registry)


def sent(registry: Registry, method: str, path: str, body: bytes = b"", **headers: str) -> Mapping[str, str]:
    """Ask a registry as no code of ours does; return the headers of the answer."""
    url = path if path.startswith("http") else f"http://{registry.host}/v2/{path}"
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return dict(answer.headers)


def got(registry: Registry, reference: str, repository: str = "team/app") -> bytes:
    accept = {"Accept": f"{INDEX}, {APP.media_type}"}
    url = f"http://{registry.host}/v2/{repository}/manifests/{reference}"
    with urllib.request.urlopen(urllib.request.Request(url, headers=accept)) as answer:
        found: bytes = answer.read()
    return found


def push(registry: Registry, picture: Picture, *tags: str, repository: str = "team/app") -> None:
    """Push an image or artifact, and what it is made of."""
    manifests = [raw for raw in picture.blobs.values() if b'"schemaVersion"' in raw]
    for digest, raw in picture.blobs.items():
        if raw not in manifests:
            place = sent(registry, "POST", f"{repository}/blobs/uploads/")["Location"]
            word = {"Content-Type": "application/octet-stream"}
            sent(registry, "PUT", f"{place}&digest={digest}", raw, **word)
    for raw in sorted(manifests, key=lambda raw: raw == picture.raw):
        kind = {"Content-Type": json.loads(raw)["mediaType"]}
        for reference in (sha256(raw), *(tags if raw == picture.raw else ())):
            sent(registry, "PUT", f"{repository}/manifests/{reference}", raw, **kind)


def push_list(registry: Registry, subject: Picture, *listed: Picture) -> None:
    """Push the list of what refers to something, as whoever pushes an artifact has to."""
    entries = [described(one.raw, one.media_type, artifactType="x") for one in listed]
    body = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    tag = subject.digest.replace(":", "-")
    sent(registry, "PUT", f"team/app/manifests/{tag}", body, **{"Content-Type": INDEX})


@pytest.fixture(name="signed")
def a_registry_with_referrers(registry: Registry) -> Registry:
    push(registry, MULTI, "1")
    for one in (OF_APP, OF_THAT, OF_INDEX):
        push(registry, one)
    push(registry, SIGNED, TAG)
    for subject, referrer in ((APP, OF_APP), (OF_APP, OF_THAT), (MULTI, OF_INDEX)):
        push_list(registry, subject, referrer)
    return registry


def carried(source: Source, sink: Any, *names: str) -> list[ProvenImage]:
    try:
        return copy(source, sink, names or [line.names[0] for line in source.listings()])
    finally:
        for place in (source, sink):
            if isinstance(place, Closes):
                place.close()


def digests(image_: ProvenImage) -> set[str]:
    return {str(one.top.digest) for one in image_.referrers}


@pytest.mark.parametrize("format_name", ["universal", "docker", "oci"])
def test_they_go_from_a_registry_into_a_bundle_and_into_another_registry(
    signed: Registry, closed: Registry, tmp_path: Path, format_name: str
) -> None:
    source = open_source(f"docker://{signed.host}/team/app", SETTINGS, WITH)
    path = tmp_path / "app.tar"
    [found] = carried(source, create_bundle(path, format_name), "team/app:1")
    assert digests(found) == {one.digest for one in COMPANIONS}
    assert verify(open_bundle(path)).ok
    for _ in range(2):  # the second time, all of it is there
        bundle = open_source(str(path), SETTINGS, WITH)
        carried(bundle, open_sink(f"docker://{closed.host}/closed/app:2", SETTINGS))
    for one in (MULTI, APP, *COMPANIONS):
        assert got(closed, one.digest, "closed/app") == one.raw
    assert got(closed, "2", "closed/app") == MULTI.raw
    assert got(closed, TAG, "closed/app") == SIGNED.raw
    list_ = json.loads(got(closed, APP.digest.replace(":", "-"), "closed/app"))
    assert list_["manifests"] == [
        described(
            OF_APP.raw,
            OF_APP.media_type,
            artifactType="application/vnd.example.sbom",
            annotations={"org.example": "kept"},
        )
    ]
    again = open_source(f"docker://{closed.host}/closed/app", SETTINGS, WITH)
    assert [line.names for line in again.listings()] == [(f"{closed.host}/closed/app:2",)]
    [back] = carried(again, LayoutStore(tmp_path / "back"), "closed/app:2")
    assert digests(back) == digests(found)


def test_a_second_import_adds_to_the_list_that_is_there(
    signed: Registry, closed: Registry, tmp_path: Path
) -> None:
    theirs = artifact(APP, b"made on the closed side")
    push(closed, APP, "1")
    push(closed, theirs)
    push_list(closed, APP, theirs)
    source = open_source(f"docker://{signed.host}/team/app:1", SETTINGS, WITH)
    carried(source, open_sink(f"docker://{closed.host}/team/app:1", SETTINGS))
    list_ = json.loads(got(closed, APP.digest.replace(":", "-")))
    assert [one["digest"] for one in list_["manifests"]] == [theirs.digest, OF_APP.digest]
    [back] = carried(
        open_source(f"docker://{closed.host}/team/app:1", SETTINGS, WITH), LayoutStore(tmp_path / "back")
    )
    assert digests(back) == {theirs.digest, *(one.digest for one in COMPANIONS)}


def test_skopeo_finds_each_by_its_digest(
    skopeo: Skopeo, signed: Registry, closed: Registry, tmp_path: Path
) -> None:
    store = LayoutStore(tmp_path / "store")
    source = open_source(f"docker://{signed.host}/team/app:1", SETTINGS, WITH)
    carried(source, store)
    carried(
        open_source(f"oci:{tmp_path}/store", SETTINGS, WITH), open_sink(f"docker://{closed.host}", SETTINGS)
    )
    for reference in (*(f"@{one.digest}" for one in COMPANIONS), f":{TAG}"):
        raw = skopeo.skopeo(
            "inspect", "--raw", "--tls-verify=false", f"docker://{closed.host}/team/app{reference}"
        )
        assert sha256(raw.encode()) in {one.digest for one in COMPANIONS}


def test_without_the_wish_none_goes(signed: Registry, closed: Registry) -> None:
    carried(
        open_source(f"docker://{signed.host}/team/app:1", SETTINGS),
        open_sink(f"docker://{closed.host}/team/app:1", SETTINGS),
    )
    for one in COMPANIONS:
        with pytest.raises(urllib.error.HTTPError):
            got(closed, one.digest)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Workplace:
    """The engine of that name, with nothing in it."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Workplace)
    return found


@pytest.mark.root
@pytest.mark.parametrize("format_name", ["universal", "docker", "oci"])
@pytest.mark.parametrize("engine", ["dockerd", "containerd", "podman", "skopeo"], indirect=True)
@pytest.mark.parametrize("is_tagged", [True, False])
def test_an_engine_finds_the_image_beside_its_referrers_where_it_is_said_to(
    engine: Workplace, tmp_path: Path, format_name: str, *, is_tagged: bool
) -> None:
    tag, signed = signature(APP)
    beside = [("", OF_APP), ("", OF_THAT), *([(f"app:{tag}", signed)] if is_tagged else [])]
    store = LayoutStore(unpacked(tmp_path / "layout", layout(("app:1", APP), *beside)))
    store.referrers = True
    path = tmp_path / "app.tar"
    [found] = carried(store, create_bundle(path, format_name), "app:1")
    assert len(found.referrers) == len(beside)
    if not says(named(format_name).engines.of([found]), engine):
        with pytest.raises(EngineRefused):
            loaded(engine, path)
        if isinstance(engine, Containerd):
            engine.load(path, "--no-unpack")
    else:
        assert loaded(engine, path) == Held.of_config(APP.config)


def loaded(engine: Workplace, path: Path) -> Held:
    """Load a bundle as people do: nobody asks containerd for what has no name."""
    if not isinstance(engine, Containerd):
        return held(engine, path, ["app:1"])["app:1"]
    engine.load(path)
    assert engine.images()["docker.io/library/app:1"] == APP.digest
    return Held.of_config(engine.content(sha256(APP.config)))
