"""A real registry behind a proxy, and skopeo beside us: the same way for the same environment."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.archives import ONE, TWO, image, layout, unpacked
from tests.proxies import ProxyServer
from toolkit.operations.copy import copy
from toolkit.places import open_sink, open_source
from toolkit.plumbing.proxies import Proxies
from toolkit.ports import Closes
from toolkit.settings import Settings
from toolkit.stores.layout import LayoutStore

from .conftest import started
from .engines import Registry
from .workplace import EngineRefused

if TYPE_CHECKING:
    from .engines import Skopeo

pytestmark = pytest.mark.engine

NAME, PLAIN = Registry.NAME, f"{Registry.NAME}:5000"
LOGIN = "Basic " + base64.b64encode(b"carrier:hush").decode()
VARIABLES = [name for kind in ("http", "https", "no") for name in (f"{kind}_proxy", f"{kind}_PROXY".upper())]


@pytest.fixture
def tls_registry() -> Iterator[Registry]:
    """A registry with TLS by an authority of its own."""
    yield from started(lambda: Registry(tls=True))


@pytest.fixture(name="environ", autouse=True)
def an_empty_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No proxy but those that a test sets, and a home of its own."""
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", *VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def believe(home: Path, registry: Registry) -> Path:
    folder = home / ".config/containers/certs.d" / NAME
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(registry.authority.read_bytes())
    return folder


def there_and_back(place: str, folder: Path, settings: Settings) -> None:
    """Push an image and pull it again; it is the same."""
    files = LayoutStore(unpacked(folder / "files", layout(("app", image(ONE, TWO)))))
    sink, source = open_sink(place, settings), open_source(place, settings)
    assert isinstance(sink, Closes)
    assert isinstance(source, Closes)
    try:
        copy(files, sink, ["app"])
        [back] = copy(source, LayoutStore(folder / "back"), [place.removeprefix("docker://")])
    finally:
        sink.close()
        source.close()
    assert str(back.top.digest) == files.identify("app")


def test_a_registry_with_tls_is_reached_through_a_tunnel(
    skopeo: Skopeo, tls_registry: Registry, tmp_path: Path, environ: pytest.MonkeyPatch
) -> None:
    certificates = believe(tmp_path, tls_registry)
    with ProxyServer({f"{NAME}:443": tls_registry.host}, login=LOGIN) as proxy:
        told = {"HTTPS_PROXY": proxy.url.replace("://", "://carrier:hush@")}
        for name, text in told.items():
            environ.setenv(name, text)
        there_and_back(f"docker://{NAME}/team/app:1", tmp_path, Settings())
        ours = set(proxy.targets)
        skopeo.skopeo("inspect", "--raw", f"--cert-dir={certificates}", f"docker://{NAME}/team/app:1", **told)
        assert set(proxy.targets) == ours == {f"CONNECT {NAME}:443"}


def test_a_registry_in_plain_http_is_asked_for_by_whole_urls(
    skopeo: Skopeo, registry: Registry, tmp_path: Path, environ: pytest.MonkeyPatch
) -> None:
    with ProxyServer({PLAIN: registry.host}, login=LOGIN) as proxy:
        told = {"HTTP_PROXY": proxy.url.replace("://", "://carrier:hush@")}
        for name, text in told.items():
            environ.setenv(name, text)
        there_and_back(f"docker://{PLAIN}/team/app:1", tmp_path, Settings(insecure=(PLAIN,)))
        assert f"PUT http://{PLAIN}/v2/team/app/manifests/1" in proxy.targets
        assert all(asked.target.startswith(f"http://{PLAIN}/v2/") for asked in proxy.asked)
        skopeo.skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{PLAIN}/team/app:1", **told)


@pytest.mark.parametrize(
    "environment",
    [
        {"HTTPS_PROXY": "PROXY"}, {"https_proxy": "PROXY"}, {"HTTP_PROXY": "PROXY"}, {"ALL_PROXY": "PROXY"},
        {"HTTPS_PROXY": "http://127.0.0.1:1", "https_proxy": "PROXY"},
        *(
            {"HTTPS_PROXY": "PROXY", "NO_PROXY": entries}
            for entries in (
                "*", "nowhere.invalid", "NOWHERE.invalid", ".nowhere.invalid", "*.nowhere.invalid", "invalid",
                ".invalid", "here.invalid", "nowhere.invalid:443", "nowhere.invalid:5000", "10.0.0.0/8,invalid",
                "192.0.2.0/24", ":443", "other.example, invalid",
            )
        ),
        {"HTTPS_PROXY": "PROXY", "no_proxy": "invalid"},
        {"HTTPS_PROXY": "PROXY", "NO_PROXY": "other.example", "no_proxy": "invalid"},
    ],
    ids=str,
)  # fmt: skip
def test_skopeo_takes_the_way_that_we_take(skopeo: Skopeo, environment: dict[str, str]) -> None:
    with ProxyServer({}) as proxy:
        told = {name: text.replace("PROXY", proxy.url) for name, text in environment.items()}
        with pytest.raises(EngineRefused):
            skopeo.skopeo("inspect", "--raw", "docker://nowhere.invalid/app", **told)
        way = Proxies(told).to("https", "nowhere.invalid", 443)
        assert (str(way) == proxy.url) is bool(proxy.asked)
