from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.webs import Asked, Reply, Web
from toolkit.errors import RegistryError, Unsupported
from toolkit.plumbing.http import Transport
from toolkit.plumbing.patience import Patience
from toolkit.stores.registry_auth import Challenge, Doorman, parse_challenges

HOST = "registry.example:5000"
SCOPES = ("repository:app:pull",)
SECRET = "hunter2"
AUTH = base64.b64encode(f"me:{SECRET}".encode()).decode()
BASIC = f"Basic {AUTH}"


def logins(folder: Path, config: object) -> dict[str, str]:
    """The environment of somebody who has logged in."""
    (folder / "config.json").write_text(json.dumps(config))
    return {"DOCKER_CONFIG": str(folder), "HOME": str(folder), "PATH": os.environ["PATH"]}


def logged_in(folder: Path, host: str = HOST) -> dict[str, str]:
    return logins(folder, {"auths": {host: {"auth": AUTH}}})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class TokenServer(Web):
    """Gives out tokens, numbered; to `login` alone if that is said."""

    def __init__(self, login: str = "", **members: Any) -> None:
        super().__init__()
        self.login, self.members, self.given = login, members, 0

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization", "") != self.login:
            return Reply(401, b"<html>no</html>")
        self.given += 1
        return Reply(200, json.dumps({"token": f"t{self.given}", **self.members}).encode())

    @property
    def challenge(self) -> list[str]:
        return [f'Bearer realm="{self.url}/token?x=1",service="reg istry",scope="repository:app:pull"']


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def transport(stack: ExitStack) -> Transport:
    made = Transport(insecure=("token.example",), patience=Patience(tries=2, sleep=lambda _: None))
    stack.callback(made.close)
    return made


@pytest.mark.parametrize(
    ("text", "challenges"),
    [
        ('Basic realm="a"', [Challenge("basic", {"realm": "a"})]),
        ("basic realm=a", [Challenge("basic", {"realm": "a"})]),
        ("Basic", [Challenge("basic", {})]),
        (
            'Bearer realm="https://a/t?b=c,d",service="s",scope="repository:a/b:pull,push"',
            [Challenge("bearer", {"realm": "https://a/t?b=c,d", "service": "s", "scope": "repository:a/b:pull,push"})],
        ),
        (
            r'BEARER Realm = "a\"b" , x=y, Basic realm="c"',
            [Challenge("bearer", {"realm": 'a"b', "x": "y"}), Challenge("basic", {"realm": "c"})],
        ),
        ("Negotiate, Basic realm=a", [Challenge("negotiate", {}), Challenge("basic", {"realm": "a"})]),
        ("", []),
    ],
)  # fmt: skip
def test_challenges_are_read_as_their_rfc_has_them(text: str, challenges: list[Challenge]) -> None:
    assert parse_challenges([text], HOST) == challenges


@pytest.mark.parametrize(
    "text",
    ['Bearer realm="a', 'Bearer realm="a" service="b"', "Bearer realm=a b", '"a"', "Bearer =a", "=", "é", "Basic realm=a,realm=b", "x" * 9000],
)  # fmt: skip
def test_a_broken_challenge_is_refused(text: str) -> None:
    with pytest.raises(RegistryError, match="challenge") as caught:
        parse_challenges([text], HOST)
    assert caught.value.status == 401


def test_basic_is_answered_with_the_login_once_and_then_with_each_request(
    tmp_path: Path, transport: Transport
) -> None:
    doorman = Doorman(HOST, transport, logged_in(tmp_path))
    assert doorman.header(SCOPES) is None
    assert doorman.admit(['Basic realm="x"'], SCOPES, None) == BASIC
    assert doorman.header(("repository:other:pull",)) == BASIC
    with pytest.raises(RegistryError) as caught:
        doorman.admit(['Basic realm="x"'], SCOPES, BASIC)
    assert str(tmp_path / "config.json") in str(caught.value)
    assert "docker login" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_each_repository_has_its_own_login(tmp_path: Path, transport: Transport) -> None:
    other = base64.b64encode(b"team:y").decode()
    auths = {HOST: {"auth": AUTH}, f"{HOST}/team": {"auth": other}}
    doorman = Doorman(HOST, transport, logins(tmp_path, {"auths": auths}))
    assert doorman.admit(["Basic realm=x"], SCOPES, None) == BASIC
    assert doorman.header(("repository:team/app:pull",)) == f"Basic {other}"
    assert doorman.admit(["Basic realm=x"], ("repository:team/b:pull",), BASIC) == f"Basic {other}"
    assert doorman.header(("repository:other:pull,push", "repository:team/app:pull")) == BASIC


def test_without_a_login_it_is_said_where_one_is_looked_for(tmp_path: Path, transport: Transport) -> None:
    doorman = Doorman(HOST, transport, {"HOME": str(tmp_path)})
    with pytest.raises(RegistryError, match=f"no login is known; run: docker login {HOST}"):
        doorman.admit(['Basic realm="x"'], SCOPES, None)


@pytest.mark.parametrize("challenge", [["Negotiate"], ["Digest realm=a"]])
def test_another_way_in_is_unsupported(challenge: list[str], tmp_path: Path, transport: Transport) -> None:
    with pytest.raises(Unsupported, match="expected Basic or Bearer"):
        Doorman(HOST, transport, logged_in(tmp_path)).admit(challenge, SCOPES, None)


def test_a_refusal_without_a_way_in_is_told_with_the_login(tmp_path: Path, transport: Transport) -> None:
    with pytest.raises(RegistryError, match=r"refuses us; the login is that of .*config\.json"):
        Doorman(HOST, transport, logged_in(tmp_path)).admit([], SCOPES, None)


def test_a_login_that_a_server_says_back_is_told_nobody(tmp_path: Path, transport: Transport) -> None:
    doorman = Doorman(HOST, transport, logged_in(tmp_path))
    assert doorman.admit(['Basic realm="x"'], SCOPES, None) == BASIC
    assert doorman.kept_secret(f"no {BASIC}, not you") == "no Basic …, not you"


def test_a_token_is_fetched_once_for_its_scopes(
    tmp_path: Path, transport: Transport, stack: ExitStack
) -> None:
    server = stack.enter_context(TokenServer())
    doorman = Doorman(HOST, transport, {"HOME": str(tmp_path)})
    assert doorman.admit(server.challenge, SCOPES, None) == doorman.header(SCOPES) == "Bearer t1"
    assert doorman.admit(server.challenge, SCOPES, None) == "Bearer t1"
    assert doorman.header(("repository:app:pull,push",)) is None
    [asked] = server.asked
    assert asked.query == {"x": ["1"], "service": ["reg istry"], "scope": ["repository:app:pull"]}


def test_a_token_is_fetched_again_before_it_expires_and_when_it_is_refused(
    tmp_path: Path, transport: Transport, stack: ExitStack
) -> None:
    server, clock = stack.enter_context(TokenServer(expires_in=300)), Clock()
    doorman = Doorman(HOST, transport, {"HOME": str(tmp_path)}, clock)
    doorman.admit(server.challenge, SCOPES, None)
    clock.now = 200
    assert doorman.header(SCOPES) == "Bearer t1"
    clock.now = 299
    assert doorman.header(SCOPES) is None
    assert doorman.admit(server.challenge, SCOPES, None) == "Bearer t2"
    assert doorman.admit(server.challenge, SCOPES, "Bearer t2") == "Bearer t3"


@pytest.mark.parametrize("told", [None, 0, -5, "300", True, 1e9])
def test_a_token_that_does_not_say_how_long_it_lasts_lasts_a_minute(
    told: object, tmp_path: Path, transport: Transport, stack: ExitStack
) -> None:
    server, clock = stack.enter_context(TokenServer(expires_in=told)), Clock()
    doorman = Doorman(HOST, transport, {"HOME": str(tmp_path)}, clock)
    doorman.admit(server.challenge, SCOPES, None)
    clock.now = 40
    assert doorman.header(SCOPES) == "Bearer t1"
    clock.now = 60
    assert doorman.header(SCOPES) is None


def test_the_login_goes_to_the_token_server(tmp_path: Path, transport: Transport, stack: ExitStack) -> None:
    server = stack.enter_context(TokenServer(BASIC))
    doorman = Doorman(HOST, transport, logged_in(tmp_path))
    assert doorman.admit(server.challenge, SCOPES, None) == "Bearer t1"
    other = Doorman(HOST, transport, {"HOME": str(tmp_path / "none")})
    with pytest.raises(RegistryError, match=r"token server http://127.0.0.1:\d+/token: refuses us \(401\)"):
        other.admit(server.challenge, SCOPES, None)


def test_an_identity_token_is_given_for_a_token(
    tmp_path: Path, transport: Transport, stack: ExitStack
) -> None:
    server = stack.enter_context(Web(lambda _: Reply(200, b'{"access_token":"fresh","expires_in":900}')))
    environ = logins(tmp_path, {"auths": {HOST: {"identitytoken": SECRET}}})
    doorman = Doorman(HOST, transport, environ)
    assert doorman.admit([f'Bearer realm="{server.url}",service="s"'], SCOPES, None) == "Bearer fresh"
    [asked] = server.asked
    assert asked.method == "POST"
    form = parse_qs(asked.body.decode())
    assert form["grant_type"] == ["refresh_token"]
    assert form["refresh_token"] == [SECRET]
    assert (form["scope"], form["service"]) == ([SCOPES[0]], ["s"])
    assert "authorization" not in asked.headers


@pytest.mark.parametrize("realm", ["http://token.example/t", "http://127.0.0.1.example/"])
def test_no_login_goes_to_a_token_server_in_plain_http(
    realm: str, tmp_path: Path, transport: Transport
) -> None:
    doorman = Doorman(HOST, transport, logged_in(tmp_path))
    with pytest.raises(RegistryError, match="no login is sent in plain HTTP"):
        doorman.admit([f'Bearer realm="{realm}"'], SCOPES, None)


def test_a_realm_that_is_missing_is_told(tmp_path: Path, transport: Transport) -> None:
    with pytest.raises(RegistryError, match="asks for a token, and does not say of whom"):
        Doorman(HOST, transport, {"HOME": str(tmp_path)}).admit(["Bearer"], SCOPES, None)


@pytest.mark.parametrize(
    "realm",
    ["token", "file:///x", "https://", "https://a:b@c/", "https://[", "http://h:99999/", "http://h:x/"],
)
def test_a_realm_that_is_no_url_is_refused(realm: str, tmp_path: Path, transport: Transport) -> None:
    with pytest.raises(RegistryError, match="which is no URL"):
        Doorman(HOST, transport, {"HOME": str(tmp_path)}).admit([f'Bearer realm="{realm}"'], SCOPES, None)


@pytest.mark.parametrize(
    "reply",
    [Reply(200, b"<html>"), Reply(200, b"[]"), Reply(200, b"{}"), Reply(200, b'{"token":1}'), Reply(200, b'{"token":"a\\nb"}'), Reply(200, b'{"token":"\\u00e9"}'), Reply(404), Reply(500), Reply(204)],
)  # fmt: skip
def test_a_token_server_that_gives_none_is_named(
    reply: Reply, tmp_path: Path, transport: Transport, stack: ExitStack
) -> None:
    server = stack.enter_context(Web(lambda _: reply))
    with pytest.raises(RegistryError, match=f"token server {server.url}/t: answered"):
        Doorman(HOST, transport, {"HOME": str(tmp_path)}).admit(
            [f'Bearer realm="{server.url}/t"'], SCOPES, None
        )


def test_no_secret_is_in_a_repr(tmp_path: Path, transport: Transport) -> None:
    doorman = Doorman(HOST, transport, logged_in(tmp_path))
    doorman.admit(["Basic realm=x"], SCOPES, None)
    for shown in (repr(doorman), repr(doorman._passes), repr(doorman._logins)):
        assert SECRET not in shown
        assert AUTH not in shown
