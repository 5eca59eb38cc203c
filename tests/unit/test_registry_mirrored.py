from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, artifact, image, index, sha256, signature
from tests.registries import BASE, EMPTY, TOP, schema1, three_layers
from tests.webregistry import MemoryRegistry, at_once, refusal
from tests.webs import DROP, Asked, Reply, Web, ranged
from toolkit.errors import CorruptContent, Mismatch, NotFound, RegistryError
from toolkit.image import Finding
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.plumbing.http import Transport
from toolkit.plumbing.patience import Patience
from toolkit.registry_mirrors import Rows
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.address import Address
from toolkit.stores.registry.client import Client
from toolkit.stores.registry.mirrored import MirroredClient
from toolkit.stores.registry.store import RegistryStore
from toolkit.stores.registry_auth import Doorman

APP, OTHER = image(ONE, TWO), image(TWO)
BOTH = index(APP, image(ONE, architecture="arm64"))
NOBODY = "127.0.0.1:1"  # nothing listens there
Opened = Callable[..., RegistryStore]


@pytest.fixture(name="web")
def a_registry() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        yield web.push("team/app:1", APP).push("team/app:both", BOTH)


@pytest.fixture(name="near")
def a_mirror() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as near:
        yield near.push("cache/team/app:1", APP)


@pytest.fixture
def opened(web: MemoryRegistry, tmp_path: Path) -> Iterator[Opened]:
    """Open a registry behind mirrors, as somebody with the logins of a file."""
    with ExitStack() as stack:

        def made(*mirrors: str, host: str = web.host, rows: Rows = (), path: str = "") -> RegistryStore:
            environ = {"HOME": str(tmp_path)}

            def client(there: Address) -> Client:
                transport = Transport(patience=Patience(2, sleep=lambda _: None), timeouts=(5.0, 5.0))
                return Client(there, transport, Doorman(there.host, transport, environ))

            address, transport = Address.parse(f"//{host}{path}"), at_once()
            doorman = Doorman(host, transport, environ)
            table = rows or ((host, mirrors),)
            store = RegistryStore(
                address, MirroredClient(address, transport, table, client, doorman), f"docker://{host}"
            )
            stack.callback(store.close)
            return store

        yield made


def note(subject: str, problem: str) -> Finding:
    return Finding(subject, problem, "note")


def test_a_mirror_is_asked_first_and_is_told(
    opened: Opened, web: MemoryRegistry, near: MemoryRegistry
) -> None:
    store = opened(f"{near.host}/cache", NOBODY)
    found = store.image("team/app:1")
    assert web.asked == []
    assert found.findings == (note("image team/app:1", f"comes from the mirror {near.host}/cache/team/app"),)
    name = f"{web.host}/team/app:1"
    found = store.image(name)
    assert note(f"image {name}", f"comes from the mirror {near.host}/cache/team/app") in found.findings
    assert found.names == (name,)
    assert store.remarks() == []


def test_layers_come_from_the_mirror_too(
    opened: Opened, web: MemoryRegistry, near: MemoryRegistry, tmp_path: Path
) -> None:
    [copied] = copy(opened(f"{near.host}/cache"), LayoutStore(tmp_path / "o"), ["team/app:1"])
    assert str(copied.top.digest) == APP.digest
    assert web.asked == []
    assert not verify(LayoutStore(tmp_path / "o")).errors


def test_docker_hub_s_own_images_are_in_library(opened: Opened, near: MemoryRegistry) -> None:
    near.push("cache/library/app:1", OTHER)
    store = opened(f"{near.host}/cache", host="docker.io")
    assert store.identify("app:1") == store.identify("docker.io/library/app:1") == OTHER.digest
    assert store.image("app:1").names == ("app:1",)


def test_a_row_of_a_repository_stands_for_it_alone(
    opened: Opened, web: MemoryRegistry, near: MemoryRegistry
) -> None:
    near.push("mine:1", OTHER)
    web.push("team/apps:1", APP)
    store = opened(rows=((f"{web.host}/team/app", (f"{near.host}/mine",)),))
    assert store.identify("team/app:1") == OTHER.digest
    assert store.identify("team/apps:1") == APP.digest


def test_by_tag_the_first_that_has_it_decides(
    opened: Opened, near: MemoryRegistry, web: MemoryRegistry
) -> None:
    near.push("cache/team/app:1", OTHER).push("team/app:1", APP)
    assert opened(f"{near.host}/cache", near.host).identify("team/app:1") == OTHER.digest
    assert opened(near.host, f"{near.host}/cache").identify("team/app:1") == APP.digest
    assert web.asked == []


@pytest.mark.parametrize(
    ("mirror", "odd", "told"),
    [
        (NOBODY, None, "is passed over: no connection can be made"),
        ("mirror.example", None, "is passed over: no such host"),
        ("{}", DROP, "is passed over: the connection broke off"),
        ("{}/no", None, "does not have no/team/app:1"),
        ("{}", refusal(403, "DENIED", "no"), "does not give team/app:1: answered 403 (DENIED, no)"),
        ("{}", refusal(503, "BUSY", "x"), "does not give team/app:1: answered 503 (BUSY, x)"),
        ("{}", Reply(401, headers={"WWW-Authenticate": 'Basic realm="a"'}), "does not give team/app:1: refuses us"),
        ("{}", Reply(401, headers={"WWW-Authenticate": "Negotiate"}), "does not give team/app:1: asks for a login by negotiate, expected Basic or Bearer"),
        ("{}/" + "a" * 250, None, "names no repository"),
    ],
)  # fmt: skip
def test_a_mirror_that_does_not_serve_is_passed_over_and_told(  # noqa: PLR0917 - fixtures
    mirror: str, odd: Reply | None, told: str, opened: Opened, web: MemoryRegistry, near: MemoryRegistry
) -> None:
    near.odd = lambda _: odd
    store = opened(mirror.format(near.host))
    assert store.identify("team/app:1") == APP.digest
    [remark] = store.remarks()
    assert remark.severity == "note"
    assert told in f"{remark.subject} {remark.problem}"
    assert remark.subject.startswith(f"mirror {mirror.format(near.host)[:9]}")
    assert "comes from the mirror" not in str(store.image("team/app:1").findings)
    assert web.targets("GET")


def test_a_mirror_without_a_repository_is_passed_over(opened: Opened, web: MemoryRegistry) -> None:
    store = opened(rows=((f"{web.host}/team/app", ("mirror.example",)),))
    assert store.identify("team/app:1") == APP.digest
    assert [remark.problem for remark in store.remarks()] == ["is passed over: it names no repository"]


def test_the_next_mirror_is_told_with_what_the_one_before_said(opened: Opened, near: MemoryRegistry) -> None:
    store = opened(f"{near.host}/none", f"{near.host}/cache")
    served = note("image team/app:1", f"comes from the mirror {near.host}/cache/team/app")
    assert store.image("team/app:1").findings == (served,)
    assert store.remarks() == [note(f"mirror {near.host}", "does not have none/team/app:1")]
    assert not [target for target in near.targets() if "none/team/app/blobs" in target]


def test_a_mirror_that_is_down_is_asked_once(opened: Opened, web: MemoryRegistry) -> None:
    with Web(lambda _: DROP) as dead:
        store = opened(dead.host)
        for name in ("team/app:1", "team/app:both"):
            store.image(name)
        assert len(dead.asked) == 2  # a second time, as the connection was there
    assert len(store.remarks()) == 1
    assert web.asked


def test_what_a_mirror_lacks_of_an_image_comes_from_the_registry(
    opened: Opened, web: MemoryRegistry, near: MemoryRegistry, tmp_path: Path
) -> None:
    near.push("cache/team/app:both", BOTH)
    arm64 = image(ONE, architecture="arm64").digest
    del near.manifests["cache/team/app", arm64], near.blobs["cache/team/app", sha256(TWO)]
    store = opened(f"{near.host}/cache")
    copy(store, LayoutStore(tmp_path / "o"), ["team/app:both"])
    assert not verify(LayoutStore(tmp_path / "o")).errors
    assert LayoutStore(tmp_path / "o").identify("team/app:both") == BOTH.digest
    assert {asked.path.rpartition("/")[2] for asked in web.asked} == {arm64, sha256(TWO)}
    assert set(store.remarks()) == {
        note(f"mirror {near.host}", f"does not have cache/team/app@{arm64}"),
        note(f"mirror {near.host}", "does not have a blob of cache/team/app"),
    }


def test_bytes_that_break_off_on_a_mirror_go_on_where_they_come_from(
    opened: Opened, web: MemoryRegistry, near: MemoryRegistry, tmp_path: Path
) -> None:
    large = image(bytes(range(250)) * 2048)
    [layer] = large.layers
    web.push("team/app:large", large)
    near.push("cache/team/app:large", large)
    near.odd = lambda asked: ranged(asked, large.blobs[layer], cut=100_000) if layer in asked.path else None
    copy(opened(f"{near.host}/cache"), LayoutStore(tmp_path / "a"), ["team/app:large"])
    assert web.asked == []
    near.odd = lambda asked: ranged(asked, large.blobs[layer], cut=0) if layer in asked.path else None
    store = opened(f"{near.host}/cache")
    copy(store, LayoutStore(tmp_path / "b"), ["team/app:large"])
    assert store.remarks() == [note(f"mirror {near.host}", "breaks off in a blob of cache/team/app")]
    assert LayoutStore(tmp_path / "b").identify("team/app:large") == large.digest


def test_wrong_bytes_of_a_mirror_are_an_error(
    opened: Opened, near: MemoryRegistry, web: MemoryRegistry, tmp_path: Path
) -> None:
    near.blobs["cache/team/app", sha256(TWO)] = bytes(len(TWO))
    with pytest.raises(Mismatch, match="digest"):
        copy(opened(f"{near.host}/cache"), LayoutStore(tmp_path / "o"), ["team/app:1"])
    near.manifests["cache/team/app", APP.digest] = ("", OTHER.raw)
    with pytest.raises(Mismatch, match=f"; it comes from the mirror {near.host}/cache/team/app$"):
        opened(f"{near.host}/cache").identify(f"{web.host}/team/app@{APP.digest}")
    near.manifests["cache/team/app", "1"] = ("", b"<html>")
    with pytest.raises(CorruptContent, match="it comes from the mirror"):
        opened(f"{near.host}/cache").identify("team/app:1")


def test_where_nobody_has_it_all_that_were_asked_are_told(
    opened: Opened, web: MemoryRegistry, near: MemoryRegistry
) -> None:
    store = opened(f"{near.host}/cache", "down.example")
    with pytest.raises(NotFound) as caught:
        store.identify(f"{web.host}/team/app:9")
    assert str(caught.value) == (
        f"image {web.host}/team/app:9: is not in docker://{web.host}, "
        f"and mirror {near.host} does not have cache/team/app:9, "
        "and mirror down.example is passed over: no such host; "
        f"near it: {web.host}/team/app:1, {web.host}/team/app:both"
    )
    store = opened(f"{near.host}/cache", host="registry.example")
    with pytest.raises(RegistryError) as failed:
        store.identify("registry.example/team/app:9")
    assert str(failed.value) == (
        "GET https://registry.example/v2/team/app/manifests/9: no such host, "
        f"and mirror {near.host} does not have cache/team/app:9"
    )


def test_each_is_shown_its_own_login(
    opened: Opened, web: MemoryRegistry, near: MemoryRegistry, tmp_path: Path
) -> None:
    words = {web.host: "up", near.host: "near"}
    auths = {host: {"auth": base64.b64encode(f"me:{word}".encode()).decode()} for host, word in words.items()}
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": auths}))

    def locked(asked: Asked) -> Reply | None:
        return None if "authorization" in asked.headers else Reply(401, headers={"WWW-Authenticate": "Basic"})

    web.odd = near.odd = locked
    del near.blobs["cache/team/app", sha256(TWO)]
    copy(opened(f"{near.host}/cache"), LayoutStore(tmp_path / "o"), ["team/app:1"])
    for one in (web, near):
        shown = {asked.headers["authorization"] for asked in one.asked if "authorization" in asked.headers}
        assert shown == {f"Basic {auths[one.host]['auth']}"}


def test_tags_are_those_of_the_first_that_has_any(
    opened: Opened, web: MemoryRegistry, near: MemoryRegistry
) -> None:
    near.push("team/app:more", APP)
    store = opened(f"{near.host}/none", NOBODY, near.host)
    assert store.tags(f"{web.host}/team/app") == ["more"]
    assert web.asked == []
    near.odd = lambda _: refusal(403, "DENIED")
    assert opened(near.host).tags(f"{web.host}/team/app") == ["1", "both"]


def test_every_page_of_tags_comes_from_the_mirror_with_its_own_login(
    opened: Opened, web: MemoryRegistry, near: MemoryRegistry, tmp_path: Path
) -> None:
    auths = {one.host: {"auth": base64.b64encode(one.host.encode()).decode()} for one in (web, near)}
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": auths}))

    def paged(asked: Asked) -> Reply | None:
        if "authorization" not in asked.headers:
            return Reply(401, headers={"WWW-Authenticate": 'Basic realm="a"'})
        if not asked.path.endswith("/tags/list"):
            return None
        last = "last" in asked.query
        more = {} if last else {"Link": f'<{asked.path}?last=a>; rel="next"'}
        return Reply(200, json.dumps({"tags": ["b"] if last else ["a"]}).encode(), more)

    near.odd = paged
    assert opened(f"{near.host}/cache").tags(f"{web.host}/team/app") == ["a", "b"]
    assert web.asked == []
    shown = {asked.headers["authorization"] for asked in near.asked if "authorization" in asked.headers}
    assert shown == {f"Basic {auths[near.host]['auth']}"}


def test_where_nobody_lists_tags_all_are_told(
    opened: Opened, web: MemoryRegistry, near: MemoryRegistry
) -> None:
    web.odd = near.odd = lambda _: refusal(503, "BUSY", "x")
    with pytest.raises(RegistryError, match=f"and mirror {near.host} does not give the tags of team/app: "):
        opened(near.host).tags(f"{web.host}/team/app")


def test_a_manifest_of_schema_1_comes_from_a_mirror(opened: Opened, near: MemoryRegistry) -> None:
    payload = schema1(three_layers(thrown_away=False))
    for layer in (BASE, TOP, EMPTY):
        near.blobs["team/old", sha256(layer)] = layer
    near.manifests["team/old", "1"] = ("", payload)
    findings = opened(near.host).image("team/old:1").findings
    assert any("comes from the mirror" in finding.problem for finding in findings)


def test_what_refers_to_an_image_the_registry_tells_and_a_mirror_may_have(
    opened: Opened, web: MemoryRegistry, near: MemoryRegistry, tmp_path: Path
) -> None:
    sbom, (tag, signed) = artifact(APP, b"sbom"), signature(APP)
    web.lists_referrers = 9
    web.push("team/app", sbom).push(f"team/app:{tag}", signed)
    near.push("cache/team/app", sbom).push(f"cache/team/app:{tag}", signature(APP, b"older")[1])
    store = opened(f"{near.host}/cache")
    store.referrers = True
    [copied] = copy(store, LayoutStore(tmp_path / "o"), ["team/app:1"])
    assert {str(one.top.digest) for one in copied.referrers} == {sbom.digest, signed.digest}
    assert near.targets("GET").count(f"/v2/cache/team/app/manifests/{sbom.digest}") == 1
