"""Manifests, indexes and configs that a registry gets wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tests.archives import INDEX, MANIFEST, ONE, Picture, encode, image, index, sha256
from tests.registries import BASE, EMPTY, SIGNED, TOP, schema1, three_layers
from tests.webregistry import refusal
from tests.webs import Asked, Reply

from .scene import APP, LAYER, Row, Scene, when, with_headers

GET = "GET /v2/app/manifests/"
BLOB = "GET /v2/app/blobs/"
CONFIG = f"{BLOB}{sha256(APP.config)}"
HTML = Reply(200, b"<html>Please log in to the guest network</html>", {"Content-Type": "text/html"})


def edited(**members: object) -> Picture:
    """Return the image with another manifest: members of it replaced, None left out."""
    body = {**json.loads(APP.raw), **members}
    raw = encode({key: value for key, value in body.items() if value is not None})
    return Picture(raw, MANIFEST, {**APP.blobs, sha256(raw): raw})


def with_config(**members: object) -> Picture:
    """Return the image whose manifest says something else about its config."""
    return edited(config={**json.loads(APP.raw)["config"], **members})


def with_layer(**members: object) -> Picture:
    """Return the image whose manifest says something else about its first layer."""
    first, *others = json.loads(APP.raw)["layers"]
    return edited(layers=[{**first, **members}, *others])


def nested(depth: int) -> Picture:
    """Return an index in an index, so deep."""
    found = APP
    for _ in range(depth):
        found = Picture(index(found).raw, INDEX, {**found.blobs, **index(found).blobs})
    return found


def flipped(scene: Scene, asked: Asked) -> Reply:
    """Answer honestly but for one bit."""
    reply = scene.honest(asked)
    body = bytearray(reply.body)
    body[len(body) // 2] ^= 1
    return replace(reply, body=bytes(body))


def packed(scene: Scene, asked: Asked) -> Reply:
    """Compress what was asked for as it is."""
    reply = scene.honest(asked)
    return replace(
        reply, body=gzip.compress(reply.body), headers={**reply.headers, "Content-Encoding": "gzip"}
    )


OTHER = image(ONE)
pull: Callable[..., Row] = partial(Row, "pull")
SCHEMA1 = schema1(three_layers(thrown_away=True))
OLD = Picture(SCHEMA1, SIGNED, {sha256(each): each for each in (SCHEMA1, BASE, EMPTY, TOP)})

ROWS = (
    pull("Docker-Content-Digest is missing", when(GET, with_headers(Docker_Content_Digest=""))),
    pull(
        "Docker-Content-Digest is that of another manifest",
        when(GET, with_headers(Docker_Content_Digest=OTHER.digest)),
    ),
    pull("Docker-Content-Digest is nonsense", when(GET, with_headers(Docker_Content_Digest="sha256:../x"))),
    pull(
        "asked by digest, it answers with another manifest",
        when(GET, Reply(200, OTHER.raw, {"Content-Type": MANIFEST, "Docker-Content-Digest": APP.digest})),
        by_digest=True,
    ),
    pull("a bit of the manifest is flipped, asked by digest", when(GET, flipped), by_digest=True),
    pull("Content-Type of the manifest is missing", when(GET, with_headers(Content_Type=""))),
    pull("Content-Type of the manifest is text/html", when(GET, with_headers(Content_Type="text/html"))),
    pull(
        "Content-Type has parameters", when(GET, with_headers(Content_Type=f"{MANIFEST}; charset=utf-8; q=1"))
    ),
    pull("Content-Type of the manifest is that of an index", when(GET, with_headers(Content_Type=INDEX))),
    pull(
        "neither Content-Type nor the manifest say what it is",
        when(GET, with_headers(Content_Type="")),
        picture=edited(mediaType=None),
    ),
    pull("an index is answered to whoever takes manifests", lambda *_: None, picture=index(APP)),
    pull("indexes are nested", lambda *_: None, picture=nested(2)),
    pull("indexes are nested a hundred deep", lambda *_: None, picture=nested(100)),
    pull(
        "a manifest of the index is absent",
        when(f"{GET}{APP.digest}", refusal(404, "MANIFEST_UNKNOWN")),
        picture=index(APP),
    ),
    pull("the manifest is a page of HTML", when(GET, HTML)),
    pull("the manifest is empty", when(GET, Reply(200))),
    pull("the manifest is cut short, whole as HTTP", when(GET, Reply(200, APP.raw[:100]))),
    pull("the manifest is compressed though identity was asked", when(GET, packed)),
    pull("the manifest has 5 MB", when(GET, Reply(200, encode({"x": "y" * (5 << 20)})))),
    pull("the manifest does not end", when(GET, Reply(200, b" " * 65536, endless=True))),
    pull("the manifest names a key twice", when(GET, Reply(200, b'{"config":1,' + APP.raw[1:]))),
    pull("the manifest has 100,000 brackets", when(GET, Reply(200, b"[" * 100_000))),
    pull("the manifest is a JSON list", when(GET, Reply(200, b"[]"))),
    pull("a layer has a negative size", lambda *_: None, picture=with_layer(size=-1)),
    pull("a layer's digest is a path", lambda *_: None, picture=with_layer(digest="sha256:../../etc/passwd")),
    pull("the manifest is of schema 1", lambda *_: None, picture=OLD, kept=False),
    pull("the tag is unknown", when(GET, refusal(404, "MANIFEST_UNKNOWN", "manifest unknown"))),
    pull("the config is absent", when(CONFIG, refusal(404, "BLOB_UNKNOWN"))),
    pull("a bit of the config is flipped", when(CONFIG, flipped)),
    pull("the config is larger than the manifest says", lambda *_: None, picture=with_config(size=10)),
    pull("the config is smaller than the manifest says", lambda *_: None, picture=with_config(size=9000)),
    pull("the config has 9 MB", lambda *_: None, picture=image(ONE, comment="x" * (9 << 20))),
    pull("the config is a page of HTML", when(CONFIG, HTML)),
    pull(
        "the config names more layers than there are",
        lambda *_: None,
        picture=image(ONE, diff_ids=[sha256(ONE)] * 2),
    ),
    pull(
        "a foreign layer has to be fetched from its URLs",
        when(f"{BLOB}{sha256(LAYER)}", refusal(404, "BLOB_UNKNOWN")),
        picture=with_layer(
            mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            urls=["http://127.0.0.1:1/layer"],
        ),
    ),
)
