"""Referrers on their way into a registry: with its referrers API, and with lists under tags."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    INDEX,
    MANIFEST,
    ONE,
    SBOM,
    TWO,
    artifact,
    described,
    encode,
    image,
    index,
    layout,
    signature,
    unpacked,
)
from tests.webregistry import MemoryRegistry, client_of, sink_of, store_of
from toolkit.bundles.modern import ModernImage
from toolkit.digest import Digest
from toolkit.errors import Unsupported
from toolkit.model import Descriptor
from toolkit.operations.copy import copy
from toolkit.operations.renaming import Renamed, Renaming
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.sink import RegistrySink
from toolkit.stores.registry.subjects import with_referrers

LIMIT = 4 << 20
APP = image(ONE)
MULTI = index(APP, image(TWO, architecture="arm64"))
OF_APP = artifact(APP, b"sbom", annotations={"org.example": "kept"})
OF_THAT = artifact(OF_APP, b"signature of the sbom", "application/vnd.example.signature")
OF_INDEX = artifact(MULTI, b"of the index")
TAG, SIGNED = signature(APP)
ARTIFACTS = (OF_APP, OF_THAT, OF_INDEX)
NAME = "h:5000/app:1"

Made = Callable[..., RegistrySink]


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        yield web


@pytest.fixture
def sink(web: MemoryRegistry) -> Iterator[Made]:
    with ExitStack() as stack:

        def made(path: str = "/team/x") -> RegistrySink:
            sink = sink_of(web, path)
            stack.callback(sink.close)
            return sink

        yield made


@pytest.fixture
def source(tmp_path: Path) -> LayoutStore:
    named = [(NAME, MULTI), (f"h:5000/app:{TAG}", SIGNED), *(("", one) for one in ARTIFACTS)]
    store = LayoutStore(unpacked(tmp_path / "layout", layout(*named)))
    store.referrers = True
    return store


def puts(web: MemoryRegistry) -> list[str]:
    return [
        asked.path.rpartition("/")[2]
        for asked in web.asked
        if asked.method == "PUT" and "/manifests/" in asked.path
    ]


def list_of(web: MemoryRegistry, digest: str, repository: str = "team/x") -> list[dict[str, Any]]:
    kind, raw = web.manifests[repository, digest.replace(":", "-")]
    assert kind == INDEX
    return list(json.loads(raw)["manifests"])


@pytest.mark.parametrize("api", [0, 2])
def test_all_arrive_with_their_digests_and_come_back(
    sink: Made, web: MemoryRegistry, source: LayoutStore, api: int
) -> None:
    web.lists_referrers = api
    copy(source, sink(), [NAME])
    for one in (MULTI, APP, *ARTIFACTS, SIGNED):
        assert web.manifests["team/x", one.digest] == (one.media_type, one.raw)
    store = store_of(web, "/team/x")
    store.referrers = True
    found = {one.digest for one in (*ARTIFACTS, SIGNED)}
    back = store.image(f"{web.host}/team/x:1")
    store.close()
    assert isinstance(back, ModernImage)
    assert {str(one.top.digest) for one in back.referrers} == found


def test_each_comes_after_what_it_refers_to_and_names_last(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    copy(source, sink(), [NAME])
    order = puts(web)
    assert order.index(APP.digest) < order.index(MULTI.digest) < order.index(OF_INDEX.digest)
    assert order.index(MULTI.digest) < order.index(OF_APP.digest) < order.index(OF_THAT.digest)
    lists = {one.digest.replace(":", "-") for one in (APP, MULTI, OF_APP)}
    assert set(order[-5:-2]) == lists
    assert order[-2:] == [TAG, "1"]


def test_a_registry_that_lists_them_itself_gets_no_lists(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    web.lists_referrers = 9
    copy(source, sink(), [NAME])
    assert {tag for _, tag in web.manifests if ":" not in tag} == {"1", TAG}
    assert not [asked for asked in web.asked if asked.method == "GET"]


def test_a_list_says_what_the_specification_asks_for(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    copy(source, sink(), [NAME])
    wanted = described(OF_APP.raw, MANIFEST, artifactType=SBOM, annotations={"org.example": "kept"})
    assert list_of(web, APP.digest) == [wanted]


def test_a_list_keeps_what_others_put_there(sink: Made, web: MemoryRegistry, source: LayoutStore) -> None:
    theirs = described(b"theirs", MANIFEST, artifactType="x", urls=["kept"])
    raw = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [theirs], "annotations": {"a": "b"}})
    tag = APP.digest.replace(":", "-")
    web.manifests["team/x", tag] = (INDEX, raw)
    for _ in range(2):
        copy(source, sink(), [NAME])
    assert [one["digest"] for one in list_of(web, APP.digest)] == [theirs["digest"], OF_APP.digest]
    assert list_of(web, APP.digest)[0] == theirs
    assert json.loads(web.manifests["team/x", tag][1])["annotations"] == {"a": "b"}


@pytest.mark.parametrize("raw", [b"no JSON", APP.raw, encode({"schemaVersion": 2, "manifests": [1]})])
def test_something_else_under_that_tag_is_not_written_over(
    sink: Made, web: MemoryRegistry, source: LayoutStore, raw: bytes
) -> None:
    tag = APP.digest.replace(":", "-")
    web.manifests["team/x", tag] = (MANIFEST, raw)
    with pytest.raises(Unsupported, match=f"tag {tag} of team/x: is no list of referrers"):
        copy(source, sink(), [NAME])
    assert web.manifests["team/x", tag] == (MANIFEST, raw)
    assert ("team/x", "1") not in web.manifests


def test_a_list_that_would_be_too_long_is_told(web: MemoryRegistry) -> None:
    client = client_of(web)
    new = [
        Descriptor(MANIFEST, Digest.of(b"%d" % number), 1, annotations={"x": "y" * 2_000})
        for number in range(LIMIT // 2_000)
    ]
    with pytest.raises(Unsupported, match=r"would be a list of [0-9]+ bytes, expected at most 4194304"):
        with_referrers(client, "app", Digest.parse(APP.digest), new)
    client.close()


def test_signatures_are_tagged_beside_the_image_whatever_it_is_called_now(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    copy(source, sink("/other:2"), [NAME])
    copy(Renamed(source, Renaming.of(["z/new:3"], [NAME])), sink(""), [NAME])
    for repository, tag in (("other", "2"), ("z/new", "3")):
        assert web.manifests[repository, tag] == (MULTI.media_type, MULTI.raw)
        assert web.manifests[repository, TAG] == (SIGNED.media_type, SIGNED.raw)


def test_all_images_of_a_place_go_each_with_its_own(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    names = [line.names[0] for line in source.listings()]
    copy(source, sink("/x:1"), names)
    assert {tag for _, tag in web.manifests if not tag.startswith("sha256")} == {"1"}


def test_without_them_nothing_more_is_asked_or_put(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    source.referrers = False
    copy(source, sink(), [NAME])
    assert not [asked for asked in web.asked if asked.method == "GET"]
    platforms = {entry["digest"] for entry in json.loads(MULTI.raw)["manifests"]}
    assert {reference for _, reference in web.manifests} == {"1", MULTI.digest, *platforms}


def test_what_an_image_took_over_from_another_repository_takes_its_referrers_too(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    copy(source, sink("/a"), [NAME])
    web.asked.clear()
    store = store_of(web, "/a")
    store.referrers = True
    copy(store, sink("/b"), [f"{web.host}/a:1"])
    store.close()
    assert not [asked for asked in web.asked if asked.method == "PATCH"]
    for one in (*ARTIFACTS, SIGNED):
        assert web.manifests["b", one.digest] == (one.media_type, one.raw)
