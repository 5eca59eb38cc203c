"""Lists of tags that lead astray, and blobs that another repository has."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tests.webregistry import refusal
from tests.webs import Asked, Reply

from .scene import SOON, Odd, Row, Scene, first_of, when, with_headers
from .uploads import strict

MOUNT = r"POST /v2/app/blobs/uploads/\?mount="
MANIFEST = "PUT /v2/app/manifests/"
TAGS = "GET /v2/app/tags/list"
listing: Callable[..., Row] = partial(Row, "list")
mount: Callable[..., Row] = partial(Row, "mount")


def tags(*names: str, **headers: str) -> Reply:
    """Return a list of tags."""
    return Reply(200, json.dumps({"name": "app", "tags": list(names)}).encode(), headers)


def second(first: str, link: str) -> Odd:
    """Answer with one page, then with the tag that is there."""

    def odd(scene: Scene, asked: Asked) -> Reply | None:
        told = link.replace("ELSEWHERE", scene.other.host).replace("REGISTRY", scene.web.host)
        return None if "last=" in asked.target else tags(first, Link=told)

    return when(TAGS, odd)


def begun(scene: Scene, asked: Asked) -> Reply:
    """Begin an upload instead."""
    return scene.honest(replace(asked, target=asked.path))


NEXT = "/v2/app/tags/list?last=1"
ROWS = (
    listing("tags is null", when(TAGS, Reply(200, b'{"name":"app","tags":null}')), listed=()),
    listing("tags is missing", when(TAGS, Reply(200, b"{}")), listed=()),
    listing("tags is a text", when(TAGS, Reply(200, b'{"tags":"1"}'))),
    listing("a tag is a number", when(TAGS, Reply(200, b'{"tags":[1]}'))),
    listing("tags stand twice", when(TAGS, tags("1", "1", "1"))),
    listing("tags are none", when(TAGS, tags("1", "../../../etc", "", "a b", "x" * 200))),
    listing("a tag is there no more", when(TAGS, tags("1", "gone")), listed=("1", "gone")),
    listing("tags are not sorted, on two pages", second("1", f'<{NEXT}>; rel="next"')),
    listing(
        "Link without quotes, and other links", second("1", f'</first>; rel="first", <{NEXT}>; rel=next')
    ),
    listing("Link is a whole address", second("1", f'<http://REGISTRY{NEXT}>; rel="next"')),
    listing("Link leads to another host", second("1", f'<http://ELSEWHERE{NEXT}>; rel="next"'), login=True),
    listing("Link leads to file:", second("1", '<file:///etc/passwd>; rel="next"')),
    listing("Link is no address", second("1", '<http://[::1>; rel="next"')),
    listing("Link leads to the same page", when(TAGS, tags("1", Link=f'<{NEXT}>; rel="next"'))),
    listing("Link is nonsense", second("1", "<<<>;;rel=next")),
    listing("a page of 200,000 tags", when(TAGS, tags(*(f"v{number}" for number in range(200_000))))),
    listing("a page of 5 MB", when(TAGS, tags("x" * (5 << 20)))),
    listing("a page of HTML", when(TAGS, Reply(200, b"<html>"))),
    listing(
        "404 and a code", when(TAGS, refusal(404, "NAME_UNKNOWN", "repository name not known to registry"))
    ),
    listing("405: tags are not listed", when(TAGS, Reply(405))),
    listing("500, once", when(TAGS, Reply(500), times=1)),
    mount("201", lambda *_: None),
    mount("201 with the Location of something else", when(MOUNT, with_headers(Location="/elsewhere"))),
    mount("201, and nothing is there", first_of(when(MOUNT, Reply(201)), when(MANIFEST, strict))),
    mount("202: send it yourself", when(MOUNT, begun)),
    mount("202, to no address", when(MOUNT, Reply(202, headers={"Location": "http://[::1"}))),
    mount("202, and not where", when(MOUNT, Reply(202))),
    mount("401: reading there is not for us", when(MOUNT, refusal(401, "UNAUTHORIZED"))),
    mount("403", when(MOUNT, refusal(403, "DENIED"))),
    mount("404", when(MOUNT, refusal(404, "BLOB_UNKNOWN"))),
    mount("405", when(MOUNT, refusal(405, "UNSUPPORTED"))),
    mount("500, each time", when(MOUNT, Reply(500))),
    mount("no answer, ever", when(MOUNT, Reply(raw=b"H", pause=60)), patience=SOON),
)
