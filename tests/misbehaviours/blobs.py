"""Blobs that come otherwise than asked for, or otherwise than promised."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial

from tests.archives import ONE, image, sha256
from tests.webregistry import refusal
from tests.webs import DROP, Asked, Reply

from .documents import flipped, packed, with_layer
from .scene import LAYER, PACKED, TYPES, Odd, Row, Scene, first_of, when, with_headers

GET = f"GET /v2/app/blobs/{sha256(LAYER)}"
GET_PACKED = f"GET /v2/app/blobs/{sha256(PACKED)}"
HALF = len(LAYER) // 2
CUT = Reply(200, LAYER, cut=HALF)
SIGNED_URL = "/bucket/layer?X-Signature=s3cret"
TRUNCATED = gzip.compress(ONE, mtime=0)[:-9]
pull: Callable[..., Row] = partial(Row, "pull")


def raw(head: str, body: bytes = b"", **more: float) -> Reply:
    """Return an answer of these very bytes."""
    return Reply(raw=head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body, **more)  # type: ignore[arg-type]


def after_a_cut(reply: Reply | Odd) -> Odd:
    """Cut the first answer in the middle; then answer what follows with this."""
    return first_of(when(GET, CUT, times=1), when(GET, reply))


def piece(start: int, told: str, status: int = 206) -> Reply:
    """Return the rest of the layer from somewhere on."""
    return Reply(status, LAYER[start:], {"Content-Range": told})


def to(place: str, status: int = 307) -> Odd:
    """Redirect the layer there; ELSEWHERE and REGISTRY are replaced."""

    def odd(scene: Scene, asked: Asked) -> Reply | None:
        there = place.replace("ELSEWHERE", scene.other.host).replace("REGISTRY", scene.web.host)
        return Reply(status, b"moved", {"Location": there}) if "/bucket" not in asked.target else None

    return when(GET, odd)


def here(scene: Scene, asked: Asked) -> Reply | None:
    """Redirect within the registry, and answer there."""
    if asked.path == "/bucket/layer":
        return Reply(200, LAYER)
    return to(SIGNED_URL)(scene, asked)


def none(scene: Scene, asked: Asked) -> Reply | None:
    """Answer honestly: what is odd is the image."""
    del scene, asked
    return None


TOTAL = len(LAYER)
ROWS = (
    pull("the blob is absent", when(GET, refusal(404, "BLOB_UNKNOWN", "blob unknown to registry"))),
    pull("a bit is flipped", when(GET, flipped)),
    pull("a bit is flipped in what follows a cut", after_a_cut(flipped)),
    pull("the connection is cut in the middle, each time", when(GET, Reply(200, LAYER, cut=1000))),
    pull("the connection is cut once", when(GET, CUT, times=1)),
    pull("200 and all of it instead of 206 and the rest", after_a_cut(Reply(200, LAYER))),
    pull("206 with what begins earlier", after_a_cut(piece(9, f"bytes 9-{TOTAL - 1}/{TOTAL}"))),
    pull(
        "206 with what begins later",
        after_a_cut(piece(HALF + 9, f"bytes {HALF + 9}-{TOTAL - 1}/{TOTAL}")),
    ),
    pull("206 that tells another total", after_a_cut(piece(HALF, f"bytes {HALF}-{TOTAL - 1}/7"))),
    pull("206 without Content-Range", after_a_cut(Reply(206, LAYER[HALF:]))),
    pull("206 with other bytes than it tells", after_a_cut(piece(0, f"bytes {HALF}-{TOTAL - 1}/{TOTAL}"))),
    pull("206 in units of its own", after_a_cut(piece(HALF, "pages 1-2/3"))),
    pull("206 though no range was asked for", when(GET, piece(0, f"bytes 0-{TOTAL - 1}/{TOTAL}"))),
    pull("416 to what it said it has", after_a_cut(Reply(416))),
    pull("Content-Length is too short", when(GET, Reply(200, LAYER, told=100_000, cut=TOTAL))),
    pull("Content-Length is too long", when(GET, Reply(200, LAYER, told=TOTAL + 5, cut=TOTAL))),
    pull("Content-Length is missing", when(GET, raw("HTTP/1.1 200 OK\nConnection: close", LAYER))),
    pull("Content-Length is negative", when(GET, raw("HTTP/1.1 200 OK\nContent-Length: -5", LAYER))),
    pull("Content-Length is no number", when(GET, raw("HTTP/1.1 200 OK\nContent-Length: much", LAYER))),
    pull(
        "two Content-Lengths",
        when(GET, raw(f"HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: {TOTAL}", LAYER)),
    ),
    pull(
        "two Content-Lengths that agree",
        when(GET, raw(f"HTTP/1.1 200 OK\nContent-Length: {TOTAL}\nContent-Length: {TOTAL}", LAYER)),
    ),
    pull(
        "Content-Length has 5,000 digits",
        when(GET, raw(f"HTTP/1.1 200 OK\nContent-Length: {'9' * 5000}", LAYER)),
    ),
    pull("a body without end", when(GET, Reply(200, LAYER, endless=True))),
    pull("a body without end, of nothing but zeros", when(GET, Reply(200, bytes(1 << 20), endless=True))),
    pull("less than the manifest promises", none, picture=with_layer(size=TOTAL + 1)),
    pull("more than the manifest promises", none, picture=with_layer(size=TOTAL - 1)),
    pull("nothing at all", when(GET, Reply(200))),
    pull("204 No Content", when(GET, Reply(204))),
    pull(
        "Content-Encoding: gzip, and it is the layer itself",
        when(GET_PACKED, with_headers(Content_Encoding="gzip")),
    ),
    pull("Content-Encoding: gzip, and it was compressed on the way", when(GET, packed)),
    pull(
        "Content-Encoding: gzip without a length",
        when(GET, raw("HTTP/1.1 200 OK\nContent-Encoding: gzip", gzip.compress(LAYER))),
    ),
    pull("Content-Type of a blob is text/html", when(GET, with_headers(Content_Type="text/html"))),
    pull("a page of HTML instead of a blob", when(GET, Reply(200, b"<html>log in</html>"))),
    pull(
        "a gzip layer that is cut, with the digest of what is left",
        none,
        picture=image(TRUNCATED, diff_ids=[sha256(ONE)], media_types=TYPES[1:]),
    ),
    pull(
        "a layer that unpacks to something else",
        none,
        picture=image(PACKED, diff_ids=[sha256(LAYER)], media_types=TYPES[1:]),
    ),
    pull("a redirect within the registry", here, login=True),
    pull(
        "a redirect to another host",
        to(f"http://ELSEWHERE{SIGNED_URL}"),
        login=True,
        elsewhere=lambda *_: Reply(200, LAYER),
    ),
    pull(
        "a redirect to a host that knows no ranges, and cuts",
        to(f"http://ELSEWHERE{SIGNED_URL}"),
        login=True,
        elsewhere=first_of(when("GET", CUT, times=1), when("GET", Reply(200, LAYER))),
    ),
    pull(
        "a redirect to a signed address that has run out",
        to(f"http://ELSEWHERE{SIGNED_URL}"),
        login=True,
        elsewhere=lambda *_: Reply(403, b"<Error><Code>AccessDenied</Code></Error>"),
    ),
    pull(
        "a redirect to where nothing is", to(f"http://ELSEWHERE{SIGNED_URL}"), elsewhere=lambda *_: Reply(404)
    ),
    pull("a redirect to where nobody listens", to("http://127.0.0.1:1/bucket")),
    pull(
        "redirects in a circle", when(GET, Reply(307, headers={"Location": f"/v2/app/blobs/{sha256(LAYER)}"}))
    ),
    pull("a redirect to file:", to("file:///etc/passwd")),
    pull("a redirect to ftp:", to("ftp://ELSEWHERE/layer")),
    pull("a redirect to no address", to("http://[::1")),
    pull(
        "a redirect with a control character",
        when(GET, raw("HTTP/1.1 307 X\nLocation: /a\x01b\tc\nContent-Length: 0")),
    ),
    pull("a redirect to plain HTTP on another machine", to("http://storage.invalid/bucket")),
    pull("a redirect from https to http", to("http://REGISTRY/bucket"), tls=True),
    pull("a redirect that says not where", when(GET, Reply(307))),
    pull("a redirect with a megabyte of address", to("/" + "a" * 60_000)),
    pull("300 Multiple Choices", when(GET, Reply(300, headers={"Location": "/other"}))),
    pull("the connection is dropped without an answer, once", when(GET, DROP, times=1)),
    pull("the connection is dropped without an answer, each time", when(GET, DROP)),
)
