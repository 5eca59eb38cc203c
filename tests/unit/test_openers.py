"""What `auto` means: the first place that has an image, and what is said where none has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.archives import ONE, image, layout, sha256, unpacked
from tests.daemons import fake_engine
from tests.webregistry import MemoryRegistry, refusal
from toolkit.errors import NotFound, StoreError
from toolkit.openers import first_that_has
from toolkit.place import Place
from toolkit.places import open_sink, open_source, settled
from toolkit.ports import Closes
from toolkit.reading import AS_IT_IS
from toolkit.settings import Settings
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.client import Client
from toolkit.stores.registry.sink import RegistrySink

APP = image(ONE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def test_auto_is_the_embedded_store(settings: Settings) -> None:
    with pytest.raises(NotFound, match="is not there yet"):
        open_source("auto", settings).listings()
    unpacked(settings.home / "store", layout(("app:1", APP)))
    assert open_source("auto", settings).place == f"oci:{settings.home}/store"
    assert open_source("auto", settings).identify("app:1") == APP.digest
    assert [line.names for line in open_source("auto", settings).listings()] == [("app:1",)]
    assert isinstance(sink := open_sink("auto", settings), LayoutStore)
    assert sink.path == settings.home / "store"


def test_auto_is_a_running_engine_for_what_the_embedded_store_lacks(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = sha256(b"held")
    with fake_engine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        engine.has({"Id": held, "RepoTags": ["app:1", "b:1"]})
        source = open_source("auto", settings)
        assert (source.identify("app:1"), source.place) == (held, "docker-daemon:")
        assert settled("auto", "b:1", settings) == "docker-daemon:"
        unpacked(settings.home / "store", layout(("app:1", APP)))
        source = open_source("auto", settings)
        assert (source.identify("app:1"), source.identify("b:1")) == (APP.digest, held)
        assert settled("auto", "app:1", settings) == f"oci:{settings.home}/store"
        assert [line.names for line in source.listings()] == [("app:1",)]
        assert isinstance(source, Closes)
        source.close()


def test_auto_is_the_registry_that_the_name_says_for_what_is_nowhere_else(settings: Settings) -> None:
    with MemoryRegistry() as web:
        name = f"{web.push('team/app:1', APP).host}/team/app:1"
        assert settled("auto", name, settings) == f"docker://{web.host}/team/app"
        source = open_source("auto", settings)
        assert (source.identify(name), source.place) == (APP.digest, f"docker://{web.host}/team/app")
        assert isinstance(source, Closes)
        source.close()
        asked = len(web.asked)
        unpacked(settings.home / "store", layout((name, APP)))
        assert settled("auto", name, settings) == f"oci:{settings.home}/store"
        assert len(web.asked) == asked


def test_a_registry_as_a_whole_is_settled_to_the_repository(settings: Settings) -> None:
    with MemoryRegistry() as web:
        web.push("library/app:1", APP)
        assert settled(f"docker://{web.host}", "app:1", settings) == f"docker://{web.host}/library/app"
        with pytest.raises(NotFound, match="near it: "):
            settled(f"docker://{web.host}", "app:2", settings)
    for text in ("docker://h.example/app", "docker://h.example/app:1"):
        assert settled(text, "app:1", settings) == text


def test_mirrors_of_the_settings_are_asked_first(settings: Settings) -> None:
    with MemoryRegistry() as web:
        web.push("cache/library/app:1", APP)
        mirrored = replace(settings, mirrors=(("docker.io", (f"{web.host}/cache",)),))
        for place in ("auto", "docker://docker.io"):
            assert settled(place, "app:1", mirrored) == "docker://docker.io/library/app"
        sink = open_sink("docker://docker.io", mirrored)
        assert isinstance(sink, RegistrySink)
        assert type(sink.client) is Client


def test_auto_tells_all_that_was_tried(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///none/s")
    engine = "the Docker engine at unix:///none/s is not there: no such socket"
    registry = "docker://docker.io/library/app cannot be asked: no such host"
    with pytest.raises(StoreError) as caught:
        settled("auto", "app:2", settings)
    store = f"oci:{settings.home}/store"
    assert str(caught.value) == (
        f"image app:2: the embedded store {store} is not there yet, {engine}, and {registry}; "
        "name a source (--from graph:PATH, or [lading] source), or import a bundle first"
    )
    unpacked(settings.home / "store", layout(("app:1", APP)))
    with pytest.raises(StoreError) as caught:
        open_source("auto", settings).image("app:2")
    assert str(caught.value) == f"image app:2: is not in {store}, {engine}, and {registry}; near it: app:1"


def test_what_every_place_of_auto_lacks_is_not_found(settings: Settings) -> None:
    with MemoryRegistry() as web, pytest.raises(NotFound) as caught:
        settled("auto", f"{web.host}/team/app:1", settings)
    assert str(caught.value).startswith(f"image {web.host}/team/app:1: the embedded store ")
    assert f", and it is not in docker://{web.host}/team/app; " in str(caught.value)
    for id_ in (APP.digest, "192ecff0be21", "a" * 64):
        with pytest.raises(NotFound, match="it is no name, and a registry is asked for nothing else"):
            settled("auto", id_, settings)


def test_a_registry_that_refuses_is_told_with_what_to_do(settings: Settings) -> None:
    with MemoryRegistry(lambda _: refusal(403, "DENIED")) as web, pytest.raises(StoreError) as caught:
        settled("auto", f"{web.host}/app:1", settings)
    assert f"docker://{web.host}/app cannot be asked: answered 403 (DENIED, no); no login" in str(
        caught.value
    )


def test_each_name_is_asked_of_its_own_registry(settings: Settings) -> None:
    with MemoryRegistry() as one, MemoryRegistry() as other:
        source = first_that_has(Place("auto", ""), settings, AS_IT_IS)
        for web in (one, other):
            web.push("team/app:1", APP)
            assert source.holder(f"{web.host}/team/app:1").place == f"docker://{web.host}/team/app"
        assert source.place == f"docker://{one.host}/team/app and docker://{other.host}/team/app"
        assert source.at_once == 6
        source.close()
