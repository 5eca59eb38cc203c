"""`docker://` against a real registry: what skopeo and Docker push we pull, and the other way round."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.archives import ONE, TWO, image, index, layout, sha256, tar, unpacked
from tests.follow import tallied, words
from toolkit.errors import RegistryError
from toolkit.event import Event, Tell, nobody
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.places import open_sink, open_source
from toolkit.ports import Closes
from toolkit.settings import Settings
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.sink import RegistrySink
from toolkit.stores.registry.store import RegistryStore

from .conftest import started
from .cutting import CuttingProxy
from .engines import Registry

if TYPE_CHECKING:
    from .engines import Dockerd, Skopeo

pytestmark = pytest.mark.engine

CREATED = "2020-01-01T00:00:00Z"
PACKED = gzip.compress(tar({"etc/three": b"333"}), mtime=0)
APP = image(
    ONE,
    PACKED,
    created=CREATED,
    config={"Cmd": ["/bin/sh"]},
    diff_ids=[sha256(ONE), sha256(tar({"etc/three": b"333"}))],
    media_types=[f"application/vnd.oci.image.layer.v1.tar{suffix}" for suffix in ("", "+gzip")],
)
MULTI = index(APP, image(TWO, architecture="arm64", created=CREATED))
NAMES = ("app", "multi")
PLAIN = ("--dest-tls-verify=false", "--src-tls-verify=false", "--quiet", "--all")
SETTINGS = Settings()


@pytest.fixture
def private_registry() -> Iterator[Registry]:
    """A registry with a login."""
    yield from started(lambda: Registry(login=True))


@pytest.fixture
def tls_registry() -> Iterator[Registry]:
    """A registry with TLS by an authority of its own, and a login."""
    yield from started(lambda: Registry(login=True, tls=True))


@pytest.fixture(name="files")
def a_layout(tmp_path: Path) -> Path:
    """An image and an index, and one of 30 MB in three layers."""
    rng = random.Random(1)
    layers = [tar({f"file{number}": rng.randbytes(10 << 20)}) for number in range(3)]
    named = [("app", APP), ("multi", MULTI), ("large", image(*layers, created=CREATED))]
    return unpacked(tmp_path / "layout", layout(*named))


def remembered(home: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry, password: str) -> Path:
    """Log in to a registry, in a home of our own."""
    file = home / "auth.json"
    word = base64.b64encode(f"{registry.USERNAME}:{password}".encode()).decode()
    file.write_text(json.dumps({"auths": {registry.host: {"auth": word}}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))
    return file


def pulled(place: str, name: str, folder: Path, tell: Tell = nobody) -> str:
    """Copy an image from a registry into a layout, verified; return its digest."""
    source = open_source(place, SETTINGS)
    assert isinstance(source, RegistryStore)
    try:
        [image_] = copy(source, LayoutStore(folder), [name], progress=tell)
    finally:
        source.close()
    assert not verify(LayoutStore(folder)).errors
    return str(image_.top.digest)


def pushed(files: Path, name: str, place: str, tell: Tell = nobody) -> None:
    sink = open_sink(place, SETTINGS)
    assert isinstance(sink, RegistrySink)
    try:
        copy(LayoutStore(files), sink, [name], progress=tell)
    finally:
        sink.close()


def told(skopeo: Skopeo, image_: str, *words: str) -> str:
    """The digest that skopeo tells of an image."""
    raw = skopeo.skopeo("inspect", "--raw", *words, image_).encode()
    return sha256(raw)


@pytest.mark.parametrize(("name", "format_"), [(name, kind) for name in NAMES for kind in ("oci", "v2s2")])
def test_what_skopeo_pushes_is_pulled_with_its_digest(  # noqa: PLR0917 - fixtures
    skopeo: Skopeo, registry: Registry, files: Path, tmp_path: Path, name: str, format_: str
) -> None:
    remote = f"docker://{registry.host}/team/{name}:1"
    skopeo.skopeo("copy", *PLAIN, "--format", format_, f"oci:{files}:{name}", remote)
    digest = told(skopeo, remote, "--tls-verify=false")
    assert pulled(remote, f"{registry.host}/team/{name}:1", tmp_path / "pulled") == digest
    by_digest = f"{registry.host}/team/{name}@{digest}"
    assert pulled(f"docker://{registry.host}", by_digest, tmp_path / "by digest") == digest


@pytest.mark.parametrize("name", [*NAMES, "large"])
def test_what_we_push_skopeo_pulls_with_its_digest(
    skopeo: Skopeo, registry: Registry, files: Path, tmp_path: Path, name: str
) -> None:
    remote = f"docker://{registry.host}/team/{name}:1"
    for _ in range(2):
        pushed(files, name, remote)
    assert told(skopeo, remote, "--tls-verify=false") == LayoutStore(files).identify(name)
    skopeo.skopeo("copy", *PLAIN, "--preserve-digests", remote, f"oci:{tmp_path}/back:{name}")
    assert LayoutStore(tmp_path / "back").identify(name) == LayoutStore(files).identify(name)
    assert not verify(LayoutStore(tmp_path / "back")).errors


@pytest.mark.root
def test_docker_pulls_by_digest_what_we_pushed(dockerd: Dockerd, registry: Registry, files: Path) -> None:
    for name in NAMES:
        pushed(files, name, f"docker://{registry.host}/team/{name}")
        by_digest = f"{registry.host}/team/{name}@{LayoutStore(files).identify(name)}"
        dockerd.docker("pull", "--quiet", by_digest)
        assert dockerd.inspect(by_digest)["Id"] == sha256(APP.config)


def test_an_index_is_pulled_by_platform(
    skopeo: Skopeo, registry: Registry, files: Path, tmp_path: Path
) -> None:
    del skopeo
    from toolkit.platform import Platform

    pushed(files, "multi", f"docker://{registry.host}/multi:1")
    source = open_source(f"docker://{registry.host}/multi:1", SETTINGS)
    [line] = source.listings()
    assert line.platform == "linux/amd64, linux/arm64"
    [image_] = copy(source, LayoutStore(tmp_path / "o"), [line.names[0]], platform=Platform("linux", "arm64"))
    assert str(image_.images()[0].config.platform) == "linux/arm64"
    assert isinstance(source, Closes)
    source.close()


def test_a_login_is_needed_and_a_wrong_one_is_named(
    private_registry: Registry, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    remote = f"docker://{private_registry.host}/team/app:1"
    with pytest.raises(RegistryError, match="no login is known"):
        pushed(files, "app", remote)
    file = remembered(tmp_path, monkeypatch, private_registry, "wrong")
    with pytest.raises(RegistryError) as caught:
        pushed(files, "app", remote)
    assert str(file) in str(caught.value)
    assert "wrong;" not in str(caught.value)
    remembered(tmp_path, monkeypatch, private_registry, Registry.PASSWORD)
    pushed(files, "app", remote)
    assert pulled(remote, "team/app:1", tmp_path / "o") == LayoutStore(files).identify("app")


def test_a_private_authority_is_believed_from_certs_d(
    skopeo: Skopeo, tls_registry: Registry, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    remembered(tmp_path, monkeypatch, tls_registry, Registry.PASSWORD)
    remote = f"docker://{tls_registry.host}/team/app:1"
    with pytest.raises(RegistryError, match=r"if it speaks TLS, put its certificate authority into certs\.d"):
        pushed(files, "app", remote)
    folder = tmp_path / ".config/containers/certs.d" / tls_registry.host
    folder.mkdir(parents=True)
    with pytest.raises(RegistryError, match=r"cannot be trusted: .*certificate"):
        pushed(files, "app", remote)
    (folder / "ca.crt").write_bytes(tls_registry.authority.read_bytes())
    pushed(files, "app", remote)
    assert pulled(remote, "team/app:1", tmp_path / "o") == LayoutStore(files).identify("app")
    login = f"--creds={Registry.USERNAME}:{Registry.PASSWORD}"
    assert told(skopeo, remote, f"--cert-dir={folder}", login) == LayoutStore(files).identify("app")


def assert_counted_once(events: list[Event], files: LayoutStore) -> None:
    size = sum(layer.size for layer in files.image("large").layers)
    for length in range(len(events)):
        assert tallied(events[:length]).done <= size
    assert (tallied(events).done, tallied(events).size) == (size, size)


def test_downloads_through_a_proxy_that_cuts_them_arrive(
    registry: Registry, files: Path, tmp_path: Path
) -> None:
    pushed(files, "large", f"docker://{registry.host}/large:1")
    events: list[Event] = []
    with CuttingProxy(registry.host, down=4 << 20) as proxy:
        digest = pulled(f"docker://{proxy.host}/large:1", "large:1", tmp_path / "o", events.append)
    assert digest == LayoutStore(files).identify("large")
    assert proxy.cut >= 6
    assert proxy.brought <= 1.3 * (30 << 20)
    assert words(events).count("blob.retried") >= 6
    assert_counted_once(events, LayoutStore(files))


@pytest.mark.parametrize("up", [9 << 20, 3 << 20])
def test_uploads_through_a_proxy_that_cuts_some_arrive(
    registry: Registry, files: Path, tmp_path: Path, up: int
) -> None:
    events: list[Event] = []
    with CuttingProxy(registry.host, up=up, cuts=2) as proxy:
        pushed(files, "large", f"docker://{proxy.host}/large:1", events.append)
    assert proxy.cut == 2
    assert_counted_once(events, LayoutStore(files))
    assert pulled(f"docker://{registry.host}/large:1", "large:1", tmp_path / "o") == LayoutStore(
        files
    ).identify("large")
