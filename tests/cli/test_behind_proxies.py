"""The command behind a proxy: a registry and its token server, both known to the proxy alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image
from tests.proxies import ProxyServer, certified, secured
from tests.webregistry import MemoryRegistry
from tests.webs import Asked, Reply, Web

from .conftest import Lading

REGISTRY, TOKENS = "registry.example", "token.example"
PROXY_WORD, WORD = "carrier:hush", "me:hunter2"
BASIC = {word: "Basic " + base64.b64encode(word.encode()).decode() for word in (PROXY_WORD, WORD)}
SECRETS = ("hush", "hunter2", "t0ken", *(basic.removeprefix("Basic ") for basic in BASIC.values()))
APP = image(ONE, TWO)


def admitting(asked: Asked) -> Reply | None:
    if asked.headers.get("authorization") == "Bearer t0ken":
        return None
    told = f'Bearer realm="https://{TOKENS}/token",service="{REGISTRY}"'
    return Reply(401, headers={"WWW-Authenticate": told})


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(name="servers")
def all_servers(
    home: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> tuple[MemoryRegistry, Web, ProxyServer]:
    """A registry, its token server, and the proxy that leads to both; logins for all of them are set."""
    folder = home.parent / ".config/containers/certs.d"
    tokens = Web(lambda _: Reply(200, json.dumps({"token": "t0ken", "expires_in": 300}).encode()))
    registry = MemoryRegistry(admitting).push("team/app:1", APP)
    webs = {REGISTRY: registry, TOKENS: tokens}
    for name, web in webs.items():
        stack.enter_context(secured(web, certified(folder / name, f"DNS:{name}")))
    hosts = {f"{name}:443": web.host for name, web in webs.items()}
    proxy = stack.enter_context(ProxyServer(hosts, login=BASIC[PROXY_WORD]))
    logins = home.parent / "auth.json"
    logins.write_text(json.dumps({"auths": {REGISTRY: {"auth": BASIC[WORD].removeprefix("Basic ")}}}))
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(logins))
    for variable in ("https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("://", f"://{PROXY_WORD}@"))
    return registry, tokens, proxy


Servers = tuple[MemoryRegistry, Web, ProxyServer]


def test_each_login_goes_to_its_own_and_to_nobody_else(
    lading: Lading, servers: Servers, tmp_path: Path
) -> None:
    registry, tokens, proxy = servers
    bundle = str(tmp_path / "app.tar")
    done = lading("export", "team/app:1", "--from", f"docker://{REGISTRY}", "-o", bundle)
    assert done.code == 0, done.err
    assert lading("import", bundle, "--into", f"docker://{REGISTRY}/other/app:1").code == 0
    assert registry.manifests["other/app", "1"] == registry.manifests["team/app", "1"]
    assert set(proxy.targets) == {f"CONNECT {REGISTRY}:443", f"CONNECT {TOKENS}:443"}
    assert {asked.headers["proxy-authorization"] for asked in proxy.asked} == {BASIC[PROXY_WORD]}
    assert not any("authorization" in asked.headers for asked in proxy.asked)
    assert {asked.headers["authorization"] for asked in tokens.asked} == {BASIC[WORD]}
    assert {asked.headers.get("authorization") for asked in registry.asked} == {None, "Bearer t0ken"}
    for asked in (*registry.asked, *tokens.asked):
        assert not any(name.startswith("proxy-") for name in asked.headers)


@pytest.mark.parametrize("status", [403, 407, 502])
def test_what_a_proxy_refuses_is_one_sentence_without_a_secret(
    lading: Lading, servers: Servers, tmp_path: Path, status: int
) -> None:
    _, _, proxy = servers
    proxy.status = status
    words = ("export", "team/app:1", "--from", f"docker://{REGISTRY}", "-o", str(tmp_path / "app.tar"))
    done = lading(*words)
    assert done.code == 7
    assert done.last.startswith(
        f"error: GET https://{REGISTRY}/v2/team/app/manifests/1: the proxy {proxy.url} "
    )
    assert f"({status})" in done.last
    debugged = lading(*words, "--debug")
    assert not any(secret in done.err + debugged.err for secret in SECRETS)
