from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.proxies import ProxyServer
from tests.webregistry import client_of, refusal
from tests.webs import Asked, Reply, Web, in_turn
from toolkit.errors import NotFound, RegistryError, ToolkitError
from toolkit.plumbing.http import Transport
from toolkit.plumbing.proxies import Proxies
from toolkit.stores.registry.address import Address
from toolkit.stores.registry.client import PUSH, Client, quoted_query
from toolkit.stores.registry_auth import Doorman

Serve = Callable[..., Client]
SECRET = "bWU6aHVudGVyMg=="  # me:hunter2


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(stack: ExitStack) -> Serve:
    def made(answer: Callable[[Asked], Reply], **environ: str) -> Client:
        client = client_of(stack.enter_context(Web(answer)), **environ)
        stack.callback(client.close)
        return client

    return made


def asked(client: Client, **words: str) -> ToolkitError:
    with pytest.raises(ToolkitError) as caught:
        client.ask("GET", "/v2/app/tags/list?token=secret", "app", **words)  # type: ignore[arg-type]
    return caught.value


def test_a_refusal_is_one_sentence_with_its_facts(serve: Serve) -> None:
    client = serve(lambda _: refusal(400, "NAME_INVALID", "invalid repository name"))
    error = asked(client)
    url = f"{client.base}/v2/app/tags/list"
    assert str(error) == f"GET {url}: answered 400 (NAME_INVALID, invalid repository name)"
    assert isinstance(error, RegistryError)
    assert (error.method, error.url, error.status, error.code) == ("GET", url, 400, "NAME_INVALID")
    assert error.exit_code == 7


@pytest.mark.parametrize(
    "body",
    [b"<html><h1>Bad</h1></html>", b"", b"[]", b"{}", b'{"errors":[]}', b'{"errors":null}', b'{"errors":["x"]}', b'{"errors":[{"code":1,"message":[]}]}', b'{"errors":[{"code":"lower"}]}', b"\xff", b"[" * 9999],
)  # fmt: skip
def test_a_page_or_a_broken_document_is_not_quoted(body: bytes, serve: Serve) -> None:
    assert str(asked(serve(lambda _: Reply(418, body)))).endswith("/v2/app/tags/list: answered 418")


def test_a_long_or_ugly_message_is_cut_and_escaped(serve: Serve) -> None:
    told = str(asked(serve(lambda _: refusal(400, "DENIED", "\x1b[31m" + "x" * 9999))))
    assert len(told) < 500
    assert "\x1b" not in told


def test_what_is_not_there_is_not_found(serve: Serve) -> None:
    error = asked(serve(lambda _: refusal(404, "NAME_UNKNOWN", "no such name")))
    assert isinstance(error, NotFound)
    assert "404 (NAME_UNKNOWN, no such name)" in str(error)


def test_an_endless_error_page_is_not_read_to_its_end(serve: Serve) -> None:
    client = serve(lambda _: Reply(500, b"<html>" * 1000, endless=True))
    with client.flow("/v2/app/blobs/x", "app", {}) as flow:
        assert "answered 500" in str(client.refused(flow))


def guarded(item: Asked) -> Reply:
    """A registry with Basic logins, that says 403 to a push."""
    if item.headers.get("authorization") != f"Basic {SECRET}":
        return refusal(401, "UNAUTHORIZED", "log in", **{"WWW-Authenticate": 'Basic realm="x"'})
    return refusal(403, "DENIED", "read only") if item.method == "PUT" else Reply(200, b"{}")


def test_a_login_is_found_when_it_is_asked_for(tmp_path: Path, stack: ExitStack) -> None:
    file = tmp_path / "auth.json"
    web = stack.enter_context(Web(guarded))
    file.write_text(json.dumps({"auths": {web.host: {"auth": SECRET}}}))
    client = client_of(web, REGISTRY_AUTH_FILE=str(file))
    stack.callback(client.close)
    for _ in range(2):
        assert client.ask("GET", "/v2/app/tags/list", "app").status == 200
    with client.flow("/v2/app/blobs/x", "app", {}) as flow:
        assert flow.status == 200
    assert ["authorization" in item.headers for item in web.asked] == [False, True, True, True]
    with pytest.raises(RegistryError) as caught:
        client.ask("PUT", "/v2/app/manifests/1", "app", rights=PUSH)
    told = str(caught.value)
    assert "answered 403 (DENIED, read only); the login is that of" in told
    assert str(file) in told
    assert "hunter2" not in told
    assert SECRET not in told


def test_without_a_login_a_401_says_what_to_do(serve: Serve) -> None:
    client = serve(guarded)
    error = asked(client)
    assert isinstance(error, RegistryError)
    assert (error.status, error.exit_code) == (401, 7)
    assert f"no login is known; run: docker login {client.address.host}" in str(error)
    assert "secret" not in str(error)


def test_a_token_that_has_expired_is_fetched_anew(serve: Serve, stack: ExitStack) -> None:
    given: list[str] = []

    def token(_: Asked) -> Reply:
        given.append(f"t{len(given)}")
        return Reply(200, json.dumps({"token": given[-1]}).encode())

    tokens = stack.enter_context(Web(token))
    challenge = {"WWW-Authenticate": f'Bearer realm="{tokens.url}/",service="s",scope="repository:app:pull"'}
    good = {"t0", "t1"}

    def answer(item: Asked) -> Reply:
        held = item.headers.get("authorization", "").removeprefix("Bearer ")
        return Reply(200, b"{}") if held in good else refusal(401, "UNAUTHORIZED", **challenge)

    client = serve(answer)
    client.ask("GET", "/v2/app/tags/list", "app")
    good.discard("t0")
    with client.flow("/v2/app/blobs/x", "app", {}) as flow:
        assert flow.status == 200
    assert given == ["t0", "t1"]
    good.clear()
    assert "answered 401" in str(asked(client))


def test_a_login_goes_to_no_other_host_that_the_registry_names(tmp_path: Path, stack: ExitStack) -> None:
    web, other = stack.enter_context(Web(guarded)), stack.enter_context(Web(lambda _: Reply(200)))
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {web.host: {"auth": SECRET}}}))
    client = client_of(web, REGISTRY_AUTH_FILE=str(file))
    stack.callback(client.close)
    client.ask("GET", "/v2/app/tags/list", "app")
    client.ask("GET", f"{other.url}/upload", "app")
    assert "authorization" not in other.asked[0].headers


def test_a_query_is_added_to() -> None:
    assert quoted_query("/a", "digest", "sha256:0") == "/a?digest=sha256%3A0"
    assert quoted_query("/a?b=c", "digest", "sha256:0") == "/a?b=c&digest=sha256%3A0"


SOON = time.time() + 3600
AWAY = {"Retry-After": formatdate(SOON, usegmt=True)}
THEN = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(SOON))
LITTLE = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "3;w=21600"}
NOTHING = {**LITTLE, "RateLimit-Remaining": "0;w=21600", "Docker-RateLimit-Source": "192.0.2.1"}


def limited(**headers: str) -> Reply:
    return refusal(429, "TOOMANYREQUESTS", "slow down", **headers)


def test_a_rate_limit_is_told_with_what_is_known_of_it(serve: Serve) -> None:
    client = serve(lambda _: limited(**NOTHING, **AWAY))
    error = asked(client)
    assert str(error) == (
        f"GET {client.base}/v2/app/tags/list: answered 429 (TOOMANYREQUESTS, slow down), "
        f"0 of 100 requests in 6 hours are left, as counted for 192.0.2.1, and none is taken before {THEN}; "
        f"no login was used, and one may raise the limit: docker login {client.address.host}"
    )
    assert (error.exit_code, getattr(error, "status", 0)) == (7, 429)
    with client.flow("/v2/app/blobs/x", "app", {}) as flow:
        assert str(client.refused(flow)) == str(error).replace("tags/list", "blobs/x")


@pytest.mark.parametrize("headers", [NOTHING, AWAY])
def test_a_registry_that_says_when_is_not_asked_before(headers: dict[str, str], stack: ExitStack) -> None:
    web = stack.enter_context(Web(lambda _: limited(**headers)))
    asked(client_of(web))
    assert len(web.asked) == 1


def test_what_is_not_told_or_cannot_be_is_left_out(serve: Serve) -> None:
    hostile = {"RateLimit-Limit": "9" * 999, "RateLimit-Remaining": "-1", "Retry-After": "9" * 999}
    for headers in ({}, hostile):
        client = serve(lambda _, headers=headers: limited(**headers))
        assert str(asked(client)).partition("; ")[0].endswith("answered 429 (TOOMANYREQUESTS, slow down)")
        assert client.remarks() == []


def test_whose_login_was_counted_is_told(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "auth.json"

    def answer(asked: Asked) -> Reply:
        if "authorization" in asked.headers:
            return limited()
        return Reply(401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    client = serve(answer, REGISTRY_AUTH_FILE=str(file))
    file.write_text(json.dumps({"auths": {client.address.host: {"auth": SECRET}}}))
    told = str(asked(client))
    assert told.endswith(f"; they are counted for the login of {file}")
    assert "hunter2" not in told


def test_what_an_earlier_answer_told_counts_until_another_tells_more(serve: Serve) -> None:
    replies = in_turn(Reply(headers=NOTHING), Reply(headers=LITTLE), Reply(), limited())
    client = serve(replies)
    client.ask("GET", "/v2/app/manifests/1", "app")
    assert ", as counted for 192.0.2.1" in client.remarks()[0].problem
    client.ask("GET", "/v2/app/manifests/1", "app")
    client.ask("GET", "/v2/app/manifests/1", "app")
    [remark] = client.remarks()
    assert (remark.subject, remark.severity) == (client.address.host, "note")
    assert remark.problem.startswith("3 of 100 requests in 6 hours are left; no login was used")
    assert ", 3 of 100 requests in 6 hours are left; no" in str(asked(client))


def test_plenty_is_not_remarked(serve: Serve) -> None:
    client = serve(lambda _: Reply(headers={**LITTLE, "RateLimit-Remaining": "76;w=21600"}))
    client.ask("GET", "/v2/app/manifests/1", "app")
    assert client.remarks() == []


def test_what_another_host_tells_is_not_of_the_registry(serve: Serve, stack: ExitStack) -> None:
    other = stack.enter_context(Web(lambda _: Reply(headers=NOTHING)))
    client = serve(lambda _: Reply(307, headers={"Location": other.url}))
    client.ask("GET", "/v2/app/blobs/x", "app")
    with client.flow("/v2/app/blobs/x", "app", {}):
        pass
    assert client.allowance is None


def test_a_token_server_that_has_had_enough_says_until_when(serve: Serve) -> None:
    client = serve(
        lambda asked: (
            Reply(429, headers=AWAY)
            if asked.path == "/token"
            else Reply(
                401,
                headers={
                    "WWW-Authenticate": f'Bearer realm="http://{asked.headers["host"]}/token",service="x"'
                },
            )
        )
    )
    problem = f"token server {client.base}/token: answered 429, and none is taken before {THEN}"
    assert problem in str(asked(client))


def test_an_answer_that_may_be_a_proxy_s_is_told_with_the_proxy(stack: ExitStack) -> None:
    proxy = stack.enter_context(ProxyServer({}, status=403))
    transport = Transport(
        ("inside.example:80",), proxies=Proxies({"HTTP_PROXY": proxy.url.replace("://", "://me:hunter2@")})
    )
    stack.callback(transport.close)
    address = Address.parse("//inside.example:80/app")
    client = Client(address, transport, Doorman(address.host, transport, {"HOME": "/nonexistent"}))
    told = f"answered 403 through the proxy {proxy.url}; no login is known"
    assert told in str(asked(client))


def test_who_stores_blobs_for_a_registry_names_no_token_server_of_ours(
    serve: Serve, stack: ExitStack, tmp_path: Path
) -> None:
    def stored(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply(200, b'{"token":"t"}')
        return Reply(
            401, headers={"WWW-Authenticate": f'Bearer realm="http://{asked.headers["host"]}/token"'}
        )

    storage = stack.enter_context(Web(stored))
    login = tmp_path / "auth.json"
    client = serve(
        lambda _: Reply(307, headers={"Location": f"{storage.url}/blob"}), REGISTRY_AUTH_FILE=str(login)
    )
    login.write_text(json.dumps({"auths": {client.address.host: {"auth": SECRET}}}))
    with client.flow("/v2/app/blobs/x", "app", {}) as flow:
        assert flow.status == 401
    assert storage.targets() == ["/blob"]
    assert not any("authorization" in asked.headers for asked in storage.asked)
