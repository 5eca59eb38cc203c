"""Registries behind mirrors, all of them docker's own: one that caches, one that is down, one with another image."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.archives import ONE, TWO, image, layout, unpacked
from toolkit.errors import RegistryError
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.places import open_sink, open_source, settled
from toolkit.ports import Closes
from toolkit.settings import Settings
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.store import RegistryStore

from .conftest import started
from .engines import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine

APP, OTHER = image(ONE, TWO), image(TWO)
DOWN = "127.0.0.1:1"
REPOSITORY = "team/app"


@pytest.fixture
def cache(registry: Registry) -> Iterator[Registry]:
    yield from started(lambda: Registry(cache_of=registry.host))


@pytest.fixture
def second() -> Iterator[Registry]:
    yield from started(Registry)


@pytest.fixture(name="files")
def a_layout(tmp_path: Path) -> Path:
    return unpacked(tmp_path / "layout", layout(("app", APP), ("other", OTHER)))


def pushed(files: Path, name: str, place: str, settings: Settings) -> None:
    sink = open_sink(place, settings)
    try:
        copy(LayoutStore(files), sink, [name])
    finally:
        assert isinstance(sink, Closes)
        sink.close()


def pulled(registry: Registry, what: str, settings: Settings, folder: Path) -> tuple[str, list[str]]:
    """Pull an image; return its digest, and what was remarked."""
    source = open_source(f"docker://{registry.host}/{REPOSITORY}", settings)
    assert isinstance(source, RegistryStore)
    try:
        [found] = copy(source, LayoutStore(folder), [f"{registry.host}/{REPOSITORY}{what}"])
        findings = dict.fromkeys([*found.findings, *source.remarks()])
    finally:
        source.close()
    assert not verify(LayoutStore(folder)).errors
    return str(found.top.digest), [f"{finding.subject} {finding.problem}" for finding in findings]


def test_a_mirror_that_caches_serves_and_goes_on_when_the_registry_is_gone(
    registry: Registry, cache: Registry, files: Path, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home", mirrors=((registry.host, (DOWN, cache.host)),))
    pushed(files, "app", f"docker://{registry.host}/{REPOSITORY}:1", settings)
    name = f"{registry.host}/{REPOSITORY}:1"
    told = [
        f"image {name} comes from the mirror {cache.host}/{REPOSITORY}",
        f"mirror {DOWN} is passed over: no connection can be made: connection refused",
    ]
    assert pulled(registry, ":1", settings, tmp_path / "a") == (APP.digest, told)
    assert settled("auto", name, settings) == f"docker://{registry.host}/{REPOSITORY}"
    registry.stopped()
    assert pulled(registry, ":1", settings, tmp_path / "b") == (APP.digest, told)
    assert pulled(registry, f"@{APP.digest}", settings, tmp_path / "c")[0] == APP.digest
    with pytest.raises(
        RegistryError,
        match=f"no connection can be made: connection refused, and mirror {DOWN} is passed over",
    ):
        pulled(registry, ":2", settings, tmp_path / "d")


def test_a_mirror_with_another_image_decides_by_tag_and_never_by_digest(
    registry: Registry, second: Registry, files: Path, tmp_path: Path
) -> None:
    settings = Settings(mirrors=((registry.host, (f"{second.host}/of",)),))
    pushed(files, "app", f"docker://{registry.host}/{REPOSITORY}:1", settings)
    pushed(files, "other", f"docker://{second.host}/of/{REPOSITORY}:1", settings)
    digest, told = pulled(registry, ":1", settings, tmp_path / "a")
    assert digest == OTHER.digest
    assert told[0].endswith(f"comes from the mirror {second.host}/of/{REPOSITORY}")
    digest, told = pulled(registry, f"@{APP.digest}", settings, tmp_path / "b")
    assert digest == APP.digest
    assert told == [f"mirror {second.host} does not have of/{REPOSITORY}@{APP.digest}"]
    assert pulled(registry, ":1", Settings(), tmp_path / "c") == (APP.digest, [])


def test_a_mirror_has_its_own_login(
    registry: Registry, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    pushed(files, "app", f"docker://{registry.host}/{REPOSITORY}:1", Settings())
    for private in started(lambda: Registry(login=True)):
        settings = Settings(mirrors=((registry.host, (private.host,)),))
        told = [
            f"mirror {private.host} does not give {REPOSITORY}:1: refuses us (401, UNAUTHORIZED, authentication required)"
        ]
        assert pulled(registry, ":1", settings, tmp_path / "a") == (APP.digest, told)
        word = base64.b64encode(f"{Registry.USERNAME}:{Registry.PASSWORD}".encode()).decode()
        (tmp_path / ".docker").mkdir()
        logins = {"auths": {f"{private.host}/team": {"auth": word}, registry.host: {"auth": "bm86bm8="}}}
        (tmp_path / ".docker/config.json").write_text(json.dumps(logins))
        pushed(files, "other", f"docker://{private.host}/{REPOSITORY}:1", Settings())
        assert pulled(registry, ":1", settings, tmp_path / "b")[0] == OTHER.digest
