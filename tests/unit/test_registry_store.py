from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, index, sha256
from tests.conformance import content, proven
from tests.registries import BASE, EMPTY, TOP, schema1, signed, three_layers
from tests.webregistry import MemoryRegistry, refusal, sink_of, store_of
from tests.webs import Asked, Reply, ranged
from toolkit.digest import Digest
from toolkit.errors import Mismatch, MissingMember, NotFound, RegistryError, Unsupported
from toolkit.image import Layer
from toolkit.operations.copy import copy
from toolkit.operations.tags import tags
from toolkit.operations.verify import verify
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.store import RegistryStore

APP = image(ONE, TWO)
OTHER = image(TWO)
BOTH = index(APP, image(ONE, architecture="arm64"))
Opened = Callable[[str], RegistryStore]


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        yield (
            web.push("app:1", APP)
            .push("app:latest", APP)
            .push("app:both", BOTH)
            .push("library/other:1", OTHER)
        )


@pytest.fixture
def opened(web: MemoryRegistry) -> Iterator[Opened]:
    with ExitStack() as stack:

        def made(path: str = "") -> RegistryStore:
            store = store_of(web, path)
            stack.callback(store.close)
            return store

        yield made


def test_tags_are_listed_without_a_look_at_what_they_point_at(opened: Opened, web: MemoryRegistry) -> None:
    assert tags(opened(""), f"{web.host}/app") == ["1", "latest", "both"]
    assert tags(opened(""), "docker.io/library/other") == ["1"]
    assert tags(opened("/app"), f"{web.host}/app") == ["1", "latest", "both"]
    assert tags(opened(""), "quay.io/app") == ["1", "latest", "both"]
    assert not [target for target in web.targets() if "/manifests/" in target]
    for path, repository in (("", f"{web.host}/none"), ("/app", f"{web.host}/none"), ("", "quay.io/none")):
        with pytest.raises(NotFound, match=repository):
            tags(opened(path), repository)


def test_a_name_of_another_host_is_served_by_its_path_as_it_was_pushed(
    opened: Opened, web: MemoryRegistry, tmp_path: Path
) -> None:
    push, name = sink_of(web), "quay.io/library/other:1"
    assert push.names_there([name]) == [f"{web.host}/library/other:1"]
    [copied] = copy(opened(""), LayoutStore(tmp_path / "o"), [name])
    assert (copied.names, str(copied.top.digest)) == ((name,), OTHER.digest)
    store = opened("")
    store.recall({})
    web.asked.clear()
    assert store.identify(name) == OTHER.digest
    assert [one.method for one in web.asked] == ["HEAD"]


def test_a_repository_lists_each_image_once(opened: Opened, web: MemoryRegistry) -> None:
    lines = opened("/app").listings()
    assert [line.names for line in lines] == [
        (f"{web.host}/app:1", f"{web.host}/app:latest"),
        (f"{web.host}/app:both",),
    ]
    assert [line.id for line in lines] == [sha256(APP.config), BOTH.digest]
    assert [line.platform for line in lines] == ["linux/amd64", "linux/amd64, linux/arm64"]


def test_one_image_lists_itself(opened: Opened, web: MemoryRegistry) -> None:
    [line] = opened("/app:1").listings()
    assert line.names == (f"{web.host}/app:1",)
    [line] = opened(f"/app@{APP.digest}").listings()
    assert line.names == (f"{web.host}/app@{APP.digest}",)


def test_a_whole_registry_is_not_listed(opened: Opened) -> None:
    with pytest.raises(Unsupported, match="name a repository: docker://127"):
        opened("").listings()


def test_what_cannot_be_read_is_a_line_that_says_why(opened: Opened, web: MemoryRegistry) -> None:
    web.push("app:2", OTHER)
    del web.blobs["app", sha256(APP.config)]
    web.manifests["app", "odd"] = ("", b"<html>")
    problems = {name: line.problem for line in opened("/app").listings() for name in line.names}
    assert "is not valid JSON" in problems[f"{web.host}/app:odd"]
    assert problems[f"{web.host}/app:1"]
    assert problems[f"{web.host}/app:2"] == ""


def test_a_registry_that_fails_is_no_line(opened: Opened, web: MemoryRegistry) -> None:
    web.odd = lambda asked: refusal(403, "DENIED") if "manifests" in asked.path else None
    with pytest.raises(RegistryError, match="403"):
        opened("/app").listings()


def test_names_are_those_that_were_asked_for(opened: Opened, web: MemoryRegistry) -> None:
    assert opened("").image("app:1").names == ("app:1",)
    assert opened("").image(f"{web.host}/app:1").names == (f"{web.host}/app:1",)
    assert opened("").image("other:1").names == ("other:1",)
    assert opened("/app").image(APP.digest).names == (f"{web.host}/app@{APP.digest}",)
    assert opened("").image(f"app@{APP.digest}").names == (f"app@{APP.digest}",)


def test_an_image_is_found_by_the_id_that_is_listed(opened: Opened) -> None:
    store = opened("/app")
    assert store.identify(sha256(APP.config)) == APP.digest
    with pytest.raises(NotFound):
        store.identify(sha256(b"nothing"))


def test_an_unknown_name_is_not_found_and_near_ones_are_told(opened: Opened, web: MemoryRegistry) -> None:
    for path in ("", "/app"):
        with pytest.raises(
            NotFound, match=f"image app:2: is not in docker://{web.host}{path}; near it: .*/app:1"
        ):
            opened(path).image("app:2")
    with pytest.raises(NotFound):
        opened("/app").image("elsewhere.example/team/app:1")
    with pytest.raises(NotFound, match=r"near it: .*app:1"):
        opened("/app:1").image("app:latest")


def test_a_repository_that_may_not_be_seen_is_passed_by_for_one_that_may(
    opened: Opened, web: MemoryRegistry
) -> None:
    web.odd = lambda asked: refusal(403, "DENIED") if asked.path.startswith("/v2/other/") else None
    assert opened("").identify("other:1") == OTHER.digest
    with pytest.raises(RegistryError, match="403"):
        opened("").identify("other:2")


def test_an_identity_is_read_once_and_then_only_compared(opened: Opened, web: MemoryRegistry) -> None:
    store = opened("/app")
    assert store.identify("app:1") == store.identify("app:1") == APP.digest
    assert [asked.method for asked in web.asked] == ["GET", "HEAD"]
    web.push("app:1", OTHER)
    assert store.identify("app:1") == OTHER.digest
    assert [asked.method for asked in web.asked][2:] == ["HEAD", "GET"]


def test_a_digest_in_a_header_alone_is_never_an_identity(opened: Opened, web: MemoryRegistry) -> None:
    lie = {"Docker-Content-Digest": OTHER.digest}
    web.odd = lambda asked: Reply(200, APP.raw, lie) if asked.path.endswith("manifests/1") else None
    store = opened("/app")
    assert store.identify("app:1") == store.identify("app:1") == APP.digest


def test_a_layer_is_found_in_the_repository_that_was_read_last(opened: Opened) -> None:
    store = opened("")
    with pytest.raises(NotFound):
        store.layer(sha256(ONE))
    assert store.layer_keys("app:1") == (sha256(ONE), sha256(TWO))
    assert store.layer(sha256(ONE)).size == len(ONE)
    for key in (sha256(b"none"), "x", ""):
        with pytest.raises(NotFound):
            store.layer(key)
    with pytest.raises(MissingMember):
        store.open(Layer("x", 1))


def test_an_attestation_is_opened_as_the_manifest_it_is(opened: Opened, web: MemoryRegistry) -> None:
    odd = image(TWO)
    odd.platform = {"os": "unknown", "architecture": "unknown"}
    web.push("app:attested", index(APP, odd))
    store = opened("/app")
    [manifest] = [layer for layer in store.image("app:attested").layers if str(layer.digest) == odd.digest]
    assert content(store, manifest) == odd.raw


@pytest.mark.parametrize("name", ["app:1", "app:both"])
def test_an_image_is_carried_into_a_layout(opened: Opened, tmp_path: Path, name: str) -> None:
    copied = copy(opened("/app"), LayoutStore(tmp_path / "store"), [name])
    layout = LayoutStore(tmp_path / "store")
    assert layout.identify(name) == str(copied[0].top.digest) == {"app:1": APP, "app:both": BOTH}[name].digest
    assert not verify(layout).errors


def test_wrong_bytes_never_arrive(opened: Opened, web: MemoryRegistry, tmp_path: Path) -> None:
    web.blobs["app", sha256(TWO)] = TWO[:600] + b"x" + TWO[601:]
    with pytest.raises(Mismatch, match="digest"):
        copy(opened("/app"), LayoutStore(tmp_path / "store"), ["app:1"])
    assert LayoutStore(tmp_path / "store").listings() == []


def test_connections_that_break_do_no_harm(opened: Opened, web: MemoryRegistry, tmp_path: Path) -> None:
    large = image(bytes(range(250)) * 8192)
    [layer] = large.layers
    web.push("app:large", large)

    def odd(asked: Asked) -> Reply | None:
        return ranged(asked, large.blobs[layer], cut=200_000) if layer in asked.path else None

    web.odd = odd
    copy(opened("/app"), LayoutStore(tmp_path / "store"), ["app:large"])
    assert LayoutStore(tmp_path / "store").identify("app:large") == large.digest
    assert web.sent <= 1.3 * len(large.blobs[layer])


def test_a_manifest_of_schema_1_is_read_as_history(opened: Opened, web: MemoryRegistry) -> None:
    payload = schema1(three_layers(thrown_away=False))
    for layer in (BASE, TOP, EMPTY):
        web.blobs["app", sha256(layer)] = layer
    web.manifests["app", "old"] = web.manifests["app", sha256(payload)] = ("", signed(payload))
    web.odd = lambda asked: (
        Reply(200, signed(payload), {"Docker-Content-Digest": sha256(payload)})
        if asked.path.endswith("/old")
        else None
    )
    store = opened("/app:old")
    [line] = store.listings()
    assert line.id == sha256(payload)
    assert store.outline("app:old").id == sha256(payload)
    assert len(proven(store, "app:old").images()) == 1


def test_it_says_what_it_is(opened: Opened, web: MemoryRegistry) -> None:
    assert opened("/app").described() == {"kind": "registry", "host": web.host}


def test_what_is_held_stays_though_the_tag_moves(opened: Opened, web: MemoryRegistry) -> None:
    held: dict[tuple[str, str], Digest] = {}
    first, second = opened("/app"), opened("/app")
    first.hold(held)
    second.hold(held)
    assert first.identify("app:1") == APP.digest
    web.push("app:1", OTHER)
    for store in (first, second):
        assert store.identify("app:1") == APP.digest
        assert str(store.image("app:1").layers[0].digest) == sha256(ONE)
    assert web.targets().count("/v2/app/manifests/1") == 1
    assert opened("/app").identify("app:1") == OTHER.digest
    assert held == {("app", "1"): Digest.parse(APP.digest)}


def test_an_image_is_in_one_repository_of_a_registry(opened: Opened, web: MemoryRegistry) -> None:
    assert opened("").narrowed("other:1") == f"docker://{web.host}/library/other"
    assert opened("/app:1").narrowed("app:1") == f"docker://{web.host}/app:1"
    with pytest.raises(NotFound):
        opened("").narrowed("other:2")


def test_one_image_that_is_not_there_is_no_line(opened: Opened, web: MemoryRegistry) -> None:
    with pytest.raises(NotFound, match=f"image {web.host}/app:2: is not in .*; near it: {web.host}/app:"):
        opened("/app:2").listings()
    with pytest.raises(NotFound, match="is not in"):
        opened(f"/app@sha256:{'0' * 64}").listings()
