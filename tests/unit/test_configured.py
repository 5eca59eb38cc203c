"""An image of a config and layers, for which a manifest is made."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.archives import CONFIG, LAYER, MANIFEST, ONE, TWO, described, encode, image, sha256
from toolkit.ancestry import V1Layer
from toolkit.configured import ConfiguredImage
from toolkit.digest import Digest
from toolkit.errors import CorruptContent
from toolkit.image import Finding, Layer, Proof
from toolkit.model import Config

V1_ID = "ab" * 32


def plain(content: bytes, key: str = "") -> Layer:
    digest = Digest.of(content)
    return Layer(key or str(digest), len(content), digest, digest)


def proof_of(content: bytes, compression: str = "", blob: bytes = b"") -> Proof:
    return Proof(Digest.of(blob or content), len(blob or content), Digest.of(content), compression)


def configured(*contents: bytes) -> ConfiguredImage:
    return ConfiguredImage(
        ("app:1",), Config.from_bytes(image(*contents).config), tuple(map(plain, contents))
    )


PROOFS = {sha256(each): proof_of(each) for each in (ONE, TWO)}


def test_the_manifest_is_the_one_that_is_written_by_hand() -> None:
    proven = configured(ONE, TWO).proven(PROOFS)
    expected = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(image(ONE, TWO).config, CONFIG),
            "layers": [described(ONE, LAYER), described(TWO, LAYER)],
        }
    )
    assert proven.documents[proven.top.digest].raw == expected
    assert (str(proven.top.digest), proven.top.media_type, proven.top.size) == (
        sha256(expected),
        MANIFEST,
        len(expected),
    )


def test_the_config_keeps_its_bytes_and_comes_first() -> None:
    odd = b'{ "rootfs":{"diff_ids":[ "' + sha256(ONE).encode() + b'"],"type":"layers"},"os":"linux" }\n'
    proven = ConfiguredImage((), Config.from_bytes(odd), (plain(ONE),)).proven(PROOFS)
    first, last = proven.documents.values()
    assert (first.raw, str(first.descriptor.digest)) == (odd, sha256(odd))
    assert last.descriptor == proven.top


def test_a_layer_that_stands_twice_is_read_once_and_listed_twice() -> None:
    image_ = configured(ONE, TWO, ONE)
    assert [layer.key for layer in image_.layers] == [sha256(ONE), sha256(TWO)]
    proven = image_.proven(PROOFS)
    assert [str(blob.digest) for blob in proven.blobs] == [sha256(ONE), sha256(TWO)]
    (picture,) = proven.images()
    assert [str(layer.digest) for layer in picture.manifest.layers] == [sha256(ONE), sha256(TWO), sha256(ONE)]


@pytest.mark.parametrize(
    ("compression", "media_type"),
    [("", LAYER), ("gzip", f"{LAYER}+gzip"), ("zstd", f"{LAYER}+zstd")],
)
def test_the_media_type_is_what_the_bytes_showed(compression: str, media_type: str) -> None:
    packed = replace(plain(ONE), digest=None)
    blob = b"packed" if compression else ONE
    proven = ConfiguredImage((), Config.from_bytes(image(ONE).config), (packed,)).proven(
        {packed.key: proof_of(ONE, compression, blob)}
    )
    (found,) = proven.blobs
    assert (found.media_type, str(found.digest), found.size) == (media_type, sha256(blob), len(blob))
    assert (set(proven.compressions), len(proven.findings)) == ({compression}, 0)


@pytest.mark.parametrize("compression", ["xz", "bzip2"])
def test_a_compression_that_no_media_type_tells_is_a_finding(compression: str) -> None:
    known = Finding("a.tar", "something else")
    image_ = replace(configured(ONE), findings=(known,))
    proven = image_.proven({sha256(ONE): proof_of(ONE, compression, b"packed")})
    first, second = proven.findings
    assert first == known
    assert (second.severity, second.subject) == ("warning", f"layer {sha256(ONE)}")
    assert compression in second.problem


@pytest.mark.parametrize("stack", [(), (ONE,), (ONE, TWO, ONE)], ids=len)
def test_a_config_of_another_number_of_layers_is_refused(stack: tuple[bytes, ...]) -> None:
    config = Config.from_bytes(image(ONE, TWO).config)
    with pytest.raises(CorruptContent, match=f"has {len(stack)} layers and 2 diffIDs"):
        ConfiguredImage((), config, tuple(map(plain, stack)))


def test_a_legacy_layer_brings_its_json_into_the_manifest_and_not_into_the_blobs() -> None:
    v1 = V1Layer.from_bytes(encode({"id": V1_ID, "os": "linux"}))
    layer = replace(plain(ONE), v1=v1)
    proven = ConfiguredImage((), Config.from_bytes(image(ONE).config), (layer,)).proven(PROOFS)
    (listed,) = json.loads(proven.documents[proven.top.digest].raw)["layers"]
    assert V1_ID in "".join(listed["annotations"].values())
    assert V1Layer.from_annotations(listed["annotations"], "") == v1
    assert proven.blobs[0].annotations == {}


def test_names_stay_as_they_are() -> None:
    assert configured(ONE).proven(PROOFS).names == ("app:1",)
