"""Answers that are no good HTTP, come too slowly, or say that somebody is busy."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from functools import partial

from tests.webregistry import refusal
from tests.webs import Asked, Reply

from .blobs import GET, TOTAL, raw
from .documents import GET as MANIFEST
from .scene import APP, LAYER, SOON, Odd, Row, Scene, when

API = "GET /v2/app/"
HTML = {"Content-Type": "text/html"}
GATEWAY = Reply(502, b"<html><h1>502 Bad Gateway</h1></html>", HTML)

pull: Callable[..., Row] = partial(Row, "pull")


def chunks(*pieces: bytes) -> Reply:
    """Return an answer in chunks, each with the size that it has."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", body)


def later(seconds: int) -> str:
    """Return a date of HTTP."""
    return formatdate(1_893_456_000 + seconds, usegmt=True)


def asked_anew(scene: Scene, asked: Asked) -> Reply:
    """Answer honestly, and close the connection without saying so."""
    reply = scene.honest(asked)
    return Reply(reply.status, reply.body, reply.headers, cut=len(reply.body))


def busy(status: int, retry_after: str) -> Odd:
    return when(API, Reply(status, headers={"Retry-After": retry_after}), times=1)


ROWS = (
    pull("HTTP/1.0 answers", when(GET, raw(f"HTTP/1.0 200 OK\nContent-Length: {TOTAL}", LAYER))),
    pull("HTTP/1.0 answers without a length", when(GET, raw("HTTP/1.0 200 OK", LAYER))),
    pull("HTTP/0.9, or a page without a head", when(GET, Reply(raw=b"<html>hello</html>"))),
    pull("another protocol answers", when(GET, Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n"))),
    pull(
        "HTTP/2 answers",
        when(GET, Reply(raw=bytes.fromhex("00001204000000000000030000008000040001000000050000"))),
    ),
    pull("the status is no number", when(GET, raw("HTTP/1.1 OK fine\nContent-Length: 0"))),
    pull("the status is 999", when(GET, raw("HTTP/1.1 999 What\nContent-Length: 0"))),
    pull("keep-alive is promised, and the connection closed", when("", asked_anew)),
    pull("a header of 100 kB", when(GET, raw(f"HTTP/1.1 200 OK\nX-Bomb: {'x' * 100_000}"))),
    pull("10,000 headers", when(GET, raw("HTTP/1.1 200 OK" + "\nX-Bomb: x" * 10_000))),
    pull(
        "headers that are none", when(GET, raw(f"HTTP/1.1 200 OK\n:::\n\x00\nContent-Length: {TOTAL}", LAYER))
    ),
    pull(
        "100 Continue, without end",
        when(GET, Reply(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 9999, endless=True)),
        patience=5.0,
    ),
    pull(
        "103 Early Hints, then the answer",
        when(
            GET,
            Reply(
                raw=b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                + raw(f"HTTP/1.1 200 OK\nContent-Length: {TOTAL}", LAYER).raw
            ),
        ),
    ),
    pull("chunks", when(GET, chunks(LAYER[:1000], LAYER[1000:], b""))),
    pull("chunks without their end", when(GET, chunks(LAYER[:1000], LAYER[1000:]))),
    pull(
        "chunks, and a Content-Length that lies",
        when(
            GET,
            raw(
                "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 5",
                chunks(LAYER, b"").raw.partition(b"\r\n\r\n")[2],
            ),
        ),
    ),
    pull(
        "chunks of no size", when(GET, raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"zz\r\n" + LAYER))
    ),
    pull(
        "a chunk of a negative size",
        when(GET, raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"-5\r\n" + LAYER)),
    ),
    pull(
        "a chunk of 2^64 bytes",
        when(GET, raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"1" + b"0" * 16 + b"\r\n" + LAYER)),
    ),
    pull(
        "a chunk's size has a megabyte",
        when(GET, raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"0" * (1 << 20))),
    ),
    pull(
        "after the last chunk, trailers without end",
        when(
            GET,
            Reply(
                raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 1_000_000,
                endless=True,
            ),
        ),
    ),
    pull("Transfer-Encoding: gzip", when(GET, raw("HTTP/1.1 200 OK\nTransfer-Encoding: gzip", LAYER))),
    pull("no answer, ever", when(GET, Reply(raw=b"H", pause=60)), patience=SOON),
    pull(
        "the head of an answer drips, a byte at a time",
        when(GET, Reply(raw=b"HTTP/1.1 200 OK\r\nX-A: bcdefghijklmnopqrstuvwxyz", pause=0.1)),
        patience=SOON,
    ),
    pull(
        "the body drips, a byte at a time",
        when(GET, Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1000), pause=0.01)),
        patience=SOON,
    ),
    pull(
        "a manifest drips, a byte at a time",
        when(MANIFEST, Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 1000, pause=0.01)),
        patience=SOON,
    ),
    pull(
        "a refusal drips, a byte at a time",
        when(MANIFEST, Reply(raw=b"HTTP/1.1 404 No\r\n\r\n" + b" " * 1000, pause=0.01)),
        patience=SOON,
    ),
    pull("the body stops in the middle", when(GET, Reply(200, LAYER[:1000], told=TOTAL)), patience=SOON),
    pull("500, once", when(API, Reply(500), times=1)),
    pull("500, each time", when(GET, refusal(500, "UNKNOWN", "unknown error"))),
    pull("502 and a page of HTML, once", when(API, GATEWAY, times=1)),
    pull("502 and a page of HTML, each time", when(API, GATEWAY)),
    pull("503, each time", when(API, Reply(503))),
    pull("501 Not Implemented", when(API, Reply(501))),
    pull("429 with Retry-After: 5", busy(429, "5")),
    pull("429 with the date of a while ago", busy(429, later(-(10**9)))),
    pull("429 with a date in many years", busy(429, "Fri, 31 Dec 9999 23:59:59 GMT")),
    pull("429 with Retry-After of a day", busy(429, "86400")),
    pull("429 with 1,000 digits", busy(429, "9" * 1000)),
    pull("429 with a negative number", busy(429, "-5")),
    pull("429 with nonsense", busy(429, "soon, \u00fc")),
    pull(
        "429, each time", when(API, refusal(429, "TOOMANYREQUESTS", "you have reached your pull rate limit"))
    ),
    pull("503 with Retry-After: 5", busy(503, "5")),
    pull("403 and an error document", when(API, refusal(403, "DENIED", "requested access is denied"))),
    pull(
        "451 and no error document",
        when(API, Reply(451, b"For legal reasons", {"Content-Type": "text/plain"})),
    ),
    pull(
        "an error with control characters",
        when(API, refusal(400, "BAD", "\x1b[2J\x07\r\nerror: all is well")),
    ),
    pull("an error of a megabyte", when(API, refusal(400, "TOOBIG", "x" * (1 << 20)))),
    pull("an error without end", when(API, Reply(400, b"<html>", endless=True))),
    pull("an error document of another shape", when(API, Reply(400, b'{"errors": {"code": 5}}'))),
    pull("an error that quotes a token", when(API, Reply(400, b"s3cret"))),
    pull("the image is answered with 418", when(MANIFEST, Reply(418, APP.raw))),
)
