from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.webregistry import client_of, refusal
from tests.webs import Asked, Reply, Web
from toolkit.errors import NotFound, RegistryError, ToolkitError
from toolkit.stores.registry.client import PUSH, Client, quoted_query

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
