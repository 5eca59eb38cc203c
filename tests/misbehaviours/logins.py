"""Ways in that lead nowhere, and token servers that are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from tests.webregistry import refusal
from tests.webs import Asked, Reply

from .scene import LOGIN, SOON, Odd, Row, Scene, first_of, when

API = " /v2/"
TOKEN = "GET /token"
REALM = 'Bearer realm="http://REGISTRY/token",service="registry"'
pull: Callable[..., Row] = partial(Row, "pull")
push: Callable[..., Row] = partial(Row, "push")


def asks(*challenges: str, unless: str = "Bearer good") -> Odd:
    """Answer 401 to whoever does not come with this."""

    def odd(scene: Scene, asked: Asked) -> Reply | None:
        if asked.headers.get("authorization") == unless:
            return None
        told = (
            ", ".join(challenges).replace("REGISTRY", scene.web.host).replace("ELSEWHERE", scene.other.host)
        )
        return refusal(401, "UNAUTHORIZED", "authentication required", **{"WWW-Authenticate": told})

    return when(API, odd)


def token(**members: object) -> Reply:
    """Return a token server's answer."""
    return Reply(200, json.dumps(members).encode(), {"Content-Type": "application/json"})


def with_tokens(reply: Reply | Odd, **more: object) -> Odd:
    """Ask for a token, which comes like this."""
    return first_of(when(TOKEN, reply), asks(REALM, **more))  # type: ignore[arg-type]


def run_out(scene: Scene, asked: Asked) -> Reply | None:
    """Give tokens, of which the first is good for manifests and HEAD only, as if its time had come then."""
    if asked.path == "/token":
        scene.times[0] += 1
        return token(token=f"token{scene.times[0]}", expires_in=300)
    sent = asked.headers.get("authorization", "")
    is_early = asked.method == "HEAD" or (asked.method == "GET" and "/manifests/" in asked.target)
    is_good = sent.startswith("Bearer token") and (is_early or sent != "Bearer token1")
    return None if is_good else asks(REALM)(scene, asked)


def not_here(scene: Scene, asked: Asked) -> Reply | None:
    """Take a login from another host to be one for this."""
    if "/token" in asked.target:
        return Reply(302, headers={"Location": f"http://{scene.other.host}/token"})
    return asks(REALM)(scene, asked)


GOOD = token(token="good", expires_in=300)
ROWS = (
    pull("401 without WWW-Authenticate", when(API, Reply(401))),
    pull("401 without WWW-Authenticate, to a login", when(API, Reply(401)), login=True),
    pull("a challenge that is none", asks('=="; DROP TABLE')),
    pull("a challenge of 10,000 characters", asks("Bearer " + "x" * 10_000)),
    pull(
        "a challenge with a parameter twice",
        asks('Bearer realm="http://REGISTRY/a",realm="http://REGISTRY/b"'),
    ),
    pull("a challenge without a realm", asks('Bearer service="registry"')),
    pull("a realm of file:", asks('Bearer realm="file:///etc/passwd"')),
    pull("a realm with a login in it", asks('Bearer realm="https://a:s3cret@REGISTRY/token"')),
    pull("a realm that is no address", asks('Bearer realm="http://[::1"')),
    pull(
        "a realm of plain HTTP on another machine, without a login",
        asks('Bearer realm="http://auth.invalid/token"'),
    ),
    pull(
        "a realm of plain HTTP on another machine, with a login",
        asks('Bearer realm="http://auth.invalid/token"'),
        login=True,
    ),
    pull("a realm where nobody listens", asks('Bearer realm="http://127.0.0.1:1/token"')),
    pull("Negotiate and nothing else", asks("Negotiate"), login=True),
    pull("Negotiate, and Basic", asks("Negotiate", 'Basic realm="x"', unless=LOGIN), login=True),
    pull("Basic, and no login is known", asks('Basic realm="x"')),
    pull("Basic, and the login is refused", asks('Basic realm="x"'), login=True),
    pull("Bearer, and a token is given", with_tokens(GOOD), login=True),
    pull("Bearer, and only access_token is given", with_tokens(token(access_token="good"))),
    pull("the token server answers 500, once", first_of(when(TOKEN, Reply(500), times=1), with_tokens(GOOD))),
    pull("the token server answers 500, each time", with_tokens(Reply(500))),
    pull("the token server answers 401", with_tokens(refusal(401, "UNAUTHORIZED")), login=True),
    pull("the token server answers 403 without a login", with_tokens(Reply(403))),
    pull("the token server answers 404", with_tokens(Reply(404))),
    pull("the token server answers with HTML", with_tokens(Reply(200, b"<html>log in</html>"))),
    pull("the token server answers with 2 MB", with_tokens(token(token="x" * (2 << 20)))),
    pull("the token server answers without end", with_tokens(Reply(200, b" " * 65536, endless=True))),
    pull("the token server answers without a token", with_tokens(token(expires_in=60))),
    pull("the token is null", with_tokens(token(token=None))),
    pull("the token is a list", with_tokens(token(token=["good"]))),
    pull("the token has a line break", with_tokens(token(token="good\r\nX-Evil: yes"))),
    pull("the token holds for a thousand years", with_tokens(token(token="good", expires_in=1 << 62))),
    pull("the token has run out when it comes", with_tokens(token(token="good", expires_in=-5))),
    pull("the token's time is a text", with_tokens(token(token="good", expires_in="never"))),
    pull("the first token runs out on the way", run_out),
    pull("the token is never taken", with_tokens(token(token="bad"))),
    pull("the token server never answers", with_tokens(Reply(raw=b"H", pause=60)), patience=SOON),
    pull("the token server redirects to another host", not_here, login=True, elsewhere=lambda *_: GOOD),
    pull("the token server redirects in a circle", with_tokens(Reply(302, headers={"Location": "/token"}))),
    pull(
        "403 to a login",
        when(API, refusal(403, "DENIED", "requested access to the resource is denied")),
        login=True,
    ),
    push("401 without WWW-Authenticate", when(API, Reply(401))),
    push("Basic, and no login is known", asks('Basic realm="x"')),
    push("the first token runs out on the way", run_out),
    push("403 to whoever writes", when("(POST|PUT|PATCH) ", refusal(403, "DENIED", "read only")), login=True),
)
