"""Uploads that a registry takes otherwise than the specification says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tests.archives import sha256
from tests.webregistry import refusal
from tests.webs import DROP, Asked, Reply

from .scene import APP, LARGE, LAYER, SOON, Odd, Row, Scene, first_of, when, with_headers

BEGIN, PATCH, NAME = "POST /v2/app/blobs/uploads/", "PATCH ", "PUT /v2/app/blobs/"
BLOB, MANIFEST, TAG = "HEAD /v2/app/blobs/", "PUT /v2/app/manifests/", "PUT /v2/app/manifests/1"
UNKNOWN = refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
push: Callable[..., Row] = partial(Row, "push")


def placed(place: str) -> Odd:
    """Answer honestly, but send us there to go on; SAME stands for the right path."""

    def odd(scene: Scene, asked: Asked) -> Reply:
        reply = scene.honest(asked)
        there = place.replace("SAME", reply.headers.get("Location", ""))
        there = there.replace("ELSEWHERE", scene.other.host).replace("REGISTRY", scene.web.host)
        told = {**reply.headers, "Location": there}
        return replace(reply, headers={name: text for name, text in told.items() if text})

    return odd


def answered(status: int, **headers: str) -> Odd:
    """Do what was asked, and answer with another status."""

    def odd(scene: Scene, asked: Asked) -> Reply:
        reply = with_headers(**headers)(scene, asked)
        assert reply is not None
        return replace(reply, status=status)

    return odd


def forgotten(scene: Scene, asked: Asked) -> Reply:
    """Forget every upload."""
    del asked
    scene.web.uploads.clear()
    return UNKNOWN


def without_it(scene: Scene, asked: Asked) -> Reply:
    """Take a blob, say so, and lose it."""
    reply = scene.honest(asked)
    scene.web.blobs.clear()
    return reply


def is_there(scene: Scene, asked: Asked) -> Reply:
    """Say of every blob that it is there."""
    del asked
    return Reply(200, headers={"Content-Length": str(len(LAYER))}) if scene.row.picture is APP else Reply(200)


def strict(scene: Scene, asked: Asked) -> Reply | None:
    """Take no manifest whose blobs are not there."""
    missing = [
        one
        for one in re.findall(r"sha256:[0-9a-f]{64}", asked.body.decode())
        if ("app", one) not in scene.web.blobs
    ]
    return refusal(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry") if missing else None


def cut(scene: Scene, asked: Asked) -> Reply:
    """Take half of a stream, and drop the connection."""
    [session] = scene.web.uploads.values()
    session += asked.body[: len(asked.body) - (4 << 20)]
    return DROP


def sipped(scene: Scene, asked: Asked) -> Reply:
    """Take all but 4 MB of a stream, then one byte of each, and drop the connection."""
    session = scene.web.uploads[asked.path.rpartition("/")[2]]
    session += asked.body[: 1 if session else len(asked.body) - (4 << 20)]
    return DROP


def elsewhere(scene: Scene, asked: Asked) -> Reply:
    """Store what the registry has sent on."""
    return scene.honest(asked)


large = partial(push, picture=LARGE)
KNOWN = {"Content-Length": "0"}
ROWS = (
    push("Location of an upload is a path", when(BEGIN, placed("SAME"))),
    push("Location of an upload is a whole address", when(BEGIN, placed("http://REGISTRYSAME"))),
    push("Location of an upload has a query of its own", when(BEGIN, placed("SAME?_state=s3cret"))),
    large(
        "Location of an upload has a query of its own, of a large blob",
        when(BEGIN, placed("SAME?_state=s3cret")),
    ),
    push("Location of an upload is missing", when(BEGIN, placed(""))),
    push(
        "Location of an upload is on another host",
        when(BEGIN, placed("http://ELSEWHERESAME")),
        login=True,
        elsewhere=elsewhere,
    ),
    large(
        "Location of an upload is on another host, of a large blob",
        when(BEGIN, placed("http://ELSEWHERESAME")),
        login=True,
        elsewhere=elsewhere,
    ),
    push("Location of an upload is no address", when(BEGIN, placed("http://[::1"))),
    push("Location of an upload is of ftp:", when(BEGIN, placed("ftp://ELSEWHERE/x"))),
    push(
        "Location of an upload is plain HTTP on another machine",
        when(BEGIN, placed("http://upload.invalid/x")),
    ),
    push(
        "Location of an upload leads from https to http", when(BEGIN, placed("http://REGISTRYSAME")), tls=True
    ),
    large("Location is missing after the stream", when(PATCH, placed(""))),
    push("an upload is begun with 200", when(BEGIN, answered(200))),
    push("an upload is begun with 500, once", when(BEGIN, Reply(500), times=1)),
    push("an upload is begun with 500, each time", when(BEGIN, Reply(500))),
    push(
        "an upload is begun with 404", when(BEGIN, refusal(404, "NAME_UNKNOWN", "repository name not known"))
    ),
    push(
        "an upload is begun with 405",
        when(BEGIN, refusal(405, "UNSUPPORTED", "The operation is unsupported.")),
    ),
    push("an upload is begun with 413 and HTML", when(BEGIN, Reply(413, b"<html>413</html>"))),
    push("a name is answered 202, and the blob is there", when(NAME, answered(202))),
    push("a name is answered 202, and the blob is not there", when(NAME, Reply(202))),
    push("a name is answered 204, and the blob is there", when(NAME, answered(204))),
    push(
        "a name is answered 201 with another digest",
        when(NAME, answered(201, Docker_Content_Digest=APP.digest)),
    ),
    push(
        "a name is answered 201, and the blob is lost",
        first_of(when(NAME, without_it), when(MANIFEST, strict)),
    ),
    push(
        "a name is answered 400 DIGEST_INVALID",
        when(NAME, refusal(400, "DIGEST_INVALID", "provided digest did not match")),
    ),
    push("a name is answered 500, once", when(NAME, Reply(500), times=1)),
    push("a name is answered 500, each time", when(NAME, Reply(500))),
    push("a name is not answered, once", when(NAME, DROP, times=1)),
    push("an upload is forgotten, once", when(NAME, forgotten, times=1)),
    push("an upload is forgotten, each time", when(NAME, forgotten)),
    large("a stream is answered 200", when(PATCH, answered(200))),
    large("a stream is answered 204", when(PATCH, answered(204))),
    large("a stream is cut, once", when(PATCH, cut, times=1)),
    large("a stream is taken byte by byte, and cut", when(PATCH, sipped)),
    large("a stream is forgotten, once", when(PATCH, forgotten, times=1)),
    large("a stream is forgotten, each time", when(PATCH, forgotten)),
    large("a stream is refused: 405, only whole blobs are taken", when(PATCH, Reply(405))),
    large("a stream is refused: 413 and HTML", when(PATCH, Reply(413, b"<html>413</html>"))),
    large("a stream is answered 500, each time", when(PATCH, Reply(500))),
    large("chunks have a least size", when(BEGIN, with_headers(OCI_Chunk_Min_Length="5242880"))),
    large(
        "Range lies after a cut: more than was sent",
        first_of(when(PATCH, DROP), when("GET .*/uploads/", Reply(204, headers={"Range": "0-999999999"}))),
    ),
    large(
        "Range lies after a cut: less than there was",
        first_of(when(PATCH, DROP), when("GET .*/uploads/", Reply(204, headers={"Range": "0-5"}))),
    ),
    large(
        "Range is nonsense after a cut",
        first_of(when(PATCH, DROP), when("GET .*/uploads/", Reply(204, headers={"Range": "all"}))),
    ),
    large("the registry reads no more of a stream", when("^$", Reply()), deaf=PATCH, patience=SOON),
    push("the registry never answers a name", when(NAME, Reply(raw=b"H", pause=60)), patience=SOON),
    push("HEAD is answered 405", when(BLOB, Reply(405))),
    push("HEAD is answered 403", when(BLOB, Reply(403))),
    push("HEAD is answered 500, each time", when(BLOB, Reply(500))),
    push("HEAD tells no size", when(BLOB, Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n"))),
    push("HEAD tells another size", when(BLOB, Reply(200, headers={"Content-Length": "5"}))),
    push(
        "HEAD says that a blob is there, and it is not",
        first_of(when(BLOB, is_there), when(MANIFEST, strict)),
    ),
    push("HEAD is redirected", when(BLOB, Reply(307, headers={"Location": "/bucket"}))),
    push("a manifest is answered 200", when(MANIFEST, answered(200))),
    push("a manifest is answered 202", when(MANIFEST, answered(202))),
    push(
        "a manifest is answered 201 with another digest",
        when(MANIFEST, Reply(201, headers={"Docker-Content-Digest": sha256(b"")})),
    ),
    push(
        "a manifest is answered 201 without a digest", when(MANIFEST, answered(201, Docker_Content_Digest=""))
    ),
    push(
        "a manifest is refused: its blob is unknown",
        when(MANIFEST, refusal(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")),
    ),
    push(
        "a manifest is refused: its media type",
        when(MANIFEST, refusal(415, "MANIFEST_INVALID", "unsupported media type")),
    ),
    push(
        "a manifest is refused: 404",
        when(MANIFEST, refusal(404, "NAME_UNKNOWN", "repository name not known")),
    ),
    push("a tag cannot be moved", when(TAG, refusal(409, "TAG_INVALID", "tag is immutable"))),
    push("a manifest is answered 500, once", when(MANIFEST, Reply(500), times=1)),
    push("a manifest is answered 500, each time", when(MANIFEST, Reply(500))),
    push("a manifest is answered with a redirect", when(TAG, Reply(307, headers={"Location": "/login"}))),
    push("a manifest is not answered, once", when(MANIFEST, DROP, times=1)),
    push("429, then all is well", when(BEGIN, Reply(429, headers={"Retry-After": "2"}), times=1)),
    push("the disk is full: 507", when(NAME, Reply(507, b"<html>no space</html>"))),
)
