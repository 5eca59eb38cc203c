from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.archives import LAYER, ONE, TWO, image, index, layout, sha256, unpacked
from tests.conformance import Bytes
from tests.follow import tallied, words
from tests.webregistry import MemoryRegistry, forgetful, refusal, sink_of, store_of
from tests.webs import Asked, Reply
from toolkit.digest import Digest
from toolkit.errors import Mismatch, MissingMember, NotFound, RegistryError, UsageError
from toolkit.event import BlobSkipped, Event
from toolkit.image import Layer
from toolkit.operations.copy import copy
from toolkit.plumbing.streams import Stream
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.sink import AGAIN, RegistrySink
from toolkit.stores.registry.upload import WINDOW

APP, OTHER = image(ONE, TWO), image(TWO)
BOTH = index(APP, image(ONE, architecture="arm64"))
BIG = bytes(range(251)) * (WINDOW // 251 + 9)
LARGE = image(BIG)


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        yield web


@pytest.fixture
def sink(web: MemoryRegistry) -> Iterator[Callable[[str], RegistrySink]]:
    with ExitStack() as stack:

        def made(path: str = "") -> RegistrySink:
            sink = sink_of(web, path)
            stack.callback(sink.close)
            return sink

        yield made


@pytest.fixture
def source(tmp_path: Path) -> LayoutStore:
    attested = image(TWO, architecture="unknown")
    attested.platform = {"os": "unknown", "architecture": "unknown"}
    named = [
        ("app:1", APP),
        ("other:1", OTHER),
        ("both:1", BOTH),
        ("large:1", LARGE),
        ("attested:1", index(APP, attested)),
    ]
    return LayoutStore(unpacked(tmp_path / "layout", layout(*named)))


Made = Callable[[str], RegistrySink]


@pytest.mark.parametrize("name", ["app:1", "both:1", "large:1", "attested:1"])
def test_an_image_arrives_with_its_digest(
    sink: Made, web: MemoryRegistry, source: LayoutStore, name: str
) -> None:
    [copied] = copy(source, sink("/team/x"), [name])
    kind, raw = web.manifests["team/x", "1"]
    assert (kind, sha256(raw)) == (copied.top.media_type, source.identify(name))
    store = store_of(web, "/team/x")
    assert store.identify(f"{web.host}/team/x:1") == source.identify(name)
    store.close()


def test_children_come_first_and_tags_last(sink: Made, web: MemoryRegistry, source: LayoutStore) -> None:
    copy(source, sink(""), ["both:1", "app:1"])
    put = [asked.path for asked in web.asked if asked.method == "PUT" and "manifests" in asked.path]
    assert put[-2:] == ["/v2/both/manifests/1", "/v2/app/manifests/1"]
    assert put.index(f"/v2/both/manifests/{APP.digest}") < put.index(f"/v2/both/manifests/{BOTH.digest}")
    first = next(number for number, asked in enumerate(web.asked) if "manifests" in asked.path)
    assert not [asked for asked in web.asked[first:] if "uploads" in asked.path and asked.method == "PATCH"]


def test_what_is_there_is_not_sent(sink: Made, web: MemoryRegistry, source: LayoutStore) -> None:
    copy(source, sink("/app"), ["app:1"])
    web.asked.clear()
    copy(source, sink("/app"), ["app:1"])
    assert {asked.method for asked in web.asked if "blobs" in asked.path} == {"HEAD"}


def test_a_blob_of_another_size_is_not_the_one(sink: Made, web: MemoryRegistry, source: LayoutStore) -> None:
    web.blobs["app", sha256(TWO)] = TWO[:-1]
    copy(source, sink("/app"), ["app:1"])
    assert web.blobs["app", sha256(TWO)] == TWO


def test_an_absent_blob_is_asked_for_once(sink: Made, web: MemoryRegistry, source: LayoutStore) -> None:
    copy(source, sink("/app"), ["app:1"])
    asked = [asked.path for asked in web.asked if asked.method == "HEAD"]
    assert len(asked) == len(set(asked)) == 3


def test_a_second_repository_takes_a_blob_over(sink: Made, web: MemoryRegistry, source: LayoutStore) -> None:
    copy(source, sink(""), ["app:1", "other:1"])
    mounted = [asked.query for asked in web.asked if "mount" in asked.query]
    assert [query["mount"] for query in mounted] == [[sha256(TWO)]]
    assert sum(asked.body == TWO for asked in web.asked) == 1
    assert web.blobs["app", sha256(TWO)] == web.blobs["other", sha256(TWO)] == TWO


def test_where_it_takes_nothing_over_the_blob_is_sent_again(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    def odd(asked: Asked) -> Reply | None:
        return web._begun(Asked("POST", asked.path), "x") if "mount" in asked.query else None

    web.odd = odd
    copy(source, sink(""), ["app:1", "other:1"])
    assert sum(asked.body == TWO for asked in web.asked) == 2
    assert web.uploads == {}
    web.odd = lambda asked: (
        refusal(401, "UNAUTHORIZED", **{"WWW-Authenticate": "Basic"}) if "mount" in asked.query else None
    )
    web.blobs.clear()
    copy(source, sink(""), ["app:1", "other:1"])
    assert web.blobs["app", sha256(TWO)] == web.blobs["other", sha256(TWO)] == TWO


def test_an_image_of_the_same_registry_is_taken_over_without_a_download(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    copy(source, sink("/team/a"), ["app:1"])
    web.asked.clear()
    store = store_of(web, "/team/a")
    told: list[Event] = []
    copy(store, sink("/team/b"), [f"{web.host}/team/a:1"], progress=told.append)
    copy(store, sink("/team/b"), [f"{web.host}/team/a:1"], progress=told.append)
    skipped = [event.reason for event in told if isinstance(event, BlobSkipped)]
    assert skipped == ["mounted", "mounted", "present", "present"]
    store.close()
    layers = {sha256(ONE), sha256(TWO)}
    got = [asked for asked in web.asked if asked.method == "GET" and asked.path.rpartition("/")[2] in layers]
    assert got == []
    assert web.manifests["team/b", "1"] == web.manifests["team/a", "1"]


def test_an_image_by_digest_gets_no_tag_and_has_to_be_that_one(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    copy(source, sink(f"/x@{APP.digest}"), ["app:1"])
    assert set(web.manifests) == {("x", APP.digest)}
    with pytest.raises(Mismatch, match="digest of the image"):
        copy(source, sink(f"/x@{APP.digest}"), ["other:1"])
    assert set(web.manifests) == {("x", APP.digest)}


def test_two_images_under_one_tag_are_refused_before_anything_is_sent(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    with pytest.raises(UsageError, match="both as x:1"):
        copy(source, sink("/x"), ["app:1", "other:1"])
    assert web.asked == []


def test_a_digest_that_the_registry_tells_otherwise_is_refused(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    lie = {"Docker-Content-Digest": str(Digest.of(b"lie"))}
    web.odd = lambda asked: (
        Reply(201, headers=lie) if asked.method == "PUT" and "manifests" in asked.path else None
    )
    with pytest.raises(Mismatch, match="digest that the registry tells"):
        copy(source, sink("/x"), ["app:1"])


def test_wrong_bytes_are_not_named(sink: Made, web: MemoryRegistry, source: LayoutStore) -> None:
    with pytest.raises(Mismatch), sink("/x").receive([source.image("large:1")], {}) as receiver:
        receiver.write(source.image("large:1").layers[0], Bytes(bytes(len(BIG))))
    assert web.blobs == {}
    assert web.uploads == {}


@pytest.mark.parametrize("strict", [False, True])
def test_what_a_layer_unpacks_to_is_asked_for_by_who_is_strict(
    sink: Made, web: MemoryRegistry, tmp_path: Path, *, strict: bool
) -> None:
    wrong = image(gzip.compress(ONE), diff_ids=[sha256(TWO)], media_types=[f"{LAYER}+gzip"])
    source = LayoutStore(unpacked(tmp_path / "wrong", layout(("app:1", wrong))))
    if strict:
        with pytest.raises(Mismatch, match="diffID"):
            copy(source, sink("/app:1"), ["app:1"], strict=True)
        with pytest.raises(NotFound):
            store_of(web, "/app").identify("app:1")
        return
    copy(source, sink("/app:1"), ["app:1"])
    assert store_of(web, "/app").identify("app:1") == wrong.digest


def test_an_upload_that_is_forgotten_is_begun_anew(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    web.odd = forgetful(web, AGAIN - 1)
    told: list[Event] = []
    copy(source, sink("/x"), ["large:1"], progress=told.append)
    assert web.blobs["x", sha256(BIG)] == BIG
    assert words(told, sha256(BIG)) == ["blob.begun", *["blob.retried"] * (AGAIN - 1), "blob.done"]
    assert tallied(told).done == tallied(told).size == len(BIG)
    web.blobs.clear()
    web.odd = forgetful(web, AGAIN)
    with pytest.raises(RegistryError, match="does not know the upload"):
        copy(source, sink("/x"), ["large:1"])


def test_content_that_can_be_read_once_only_tells_what_was_lost(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    web.odd = forgetful(web, 1)
    image_ = source.image("large:1")
    once = Stream(len(BIG), iter([BIG]), "a stream")
    with (
        pytest.raises(RegistryError, match="does not know the upload"),
        sink("/x").receive([image_], {}) as receiver,
    ):
        receiver.write(image_.layers[0], once)


def test_a_layer_that_does_not_say_what_it_unpacks_to_is_read_and_not_sent(
    sink: Made, web: MemoryRegistry, source: LayoutStore
) -> None:
    web.blobs["x", sha256(TWO)] = TWO
    target = sink("/x")
    bare = Layer(sha256(TWO), len(TWO), Digest.of(TWO))
    assert target.present(bare) is None
    with target.receive([source.image("app:1")], {}) as receiver:
        assert receiver.write(bare, Bytes(TWO)).diff_id == Digest.of(TWO)
    assert not [asked for asked in web.asked if asked.method in {"POST", "PUT"}]


def test_a_blob_that_never_came_is_missed(sink: Made, web: MemoryRegistry, source: LayoutStore) -> None:
    image_ = source.image("app:1")
    with pytest.raises(MissingMember), sink("/x").receive([image_], {}) as receiver:
        receiver.finish([image_.offered])
    assert web.manifests == {}
