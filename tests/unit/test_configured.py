from __future__ import annotations

import bz2
import gzip
import json

import pytest

from tests.archives import CONFIG, LAYER, MANIFEST, ONE, TWO, A, encode, sha256, v1_json
from toolkit.ancestry import Layersize, V1Layer
from toolkit.configured import ConfiguredImage, odd_compressions
from toolkit.digest import Digest
from toolkit.errors import CorruptContent
from toolkit.image import Layer, Proof
from toolkit.model import Config


def config(*tars: bytes) -> Config:
    rootfs = {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]}
    return Config.from_bytes(encode({"architecture": "amd64", "os": "linux", "rootfs": rootfs}))


def layer(key: str, size: int, v1: V1Layer | None = None) -> Layer:
    return Layer(key, size, v1=v1)


def proof(blob: bytes, tar: bytes, compression: str = "") -> Proof:
    return Proof(Digest.of(blob), len(blob), Digest.of(tar), compression)


PACKED = gzip.compress(TWO, mtime=0)
STACK = (layer("one", len(ONE)), layer("two", len(PACKED)), layer("one", len(ONE)))
PROOFS = {"one": proof(ONE, ONE), "two": proof(PACKED, TWO, "gzip")}


def test_a_layer_that_stands_twice_is_read_once_and_listed_twice() -> None:
    image = ConfiguredImage(("app:1",), config(ONE, TWO, ONE), STACK)
    assert [each.key for each in image.layers] == ["one", "two"]
    proven = image.proven(PROOFS)
    manifest = json.loads(proven.documents[proven.top.digest].raw)
    assert [each["digest"] for each in manifest["layers"]] == [sha256(ONE), sha256(PACKED), sha256(ONE)]
    assert [str(blob.digest) for blob in proven.blobs] == [sha256(ONE), sha256(PACKED)]


def test_the_manifest_that_is_made_is_an_oci_manifest_of_exactly_these_bytes() -> None:
    proven = ConfiguredImage((), config(ONE, TWO, ONE), STACK).proven(PROOFS)
    raw = config(ONE, TWO, ONE).raw
    layers = [
        {"mediaType": LAYER, "digest": sha256(ONE), "size": 10240},
        {"mediaType": f"{LAYER}+gzip", "digest": sha256(PACKED), "size": len(PACKED)},
        {"mediaType": LAYER, "digest": sha256(ONE), "size": 10240},
    ]
    told = {"mediaType": CONFIG, "digest": sha256(raw), "size": len(raw)}
    expected = encode({"schemaVersion": 2, "mediaType": MANIFEST, "config": told, "layers": layers})
    assert proven.documents[proven.top.digest].raw == expected
    assert str(proven.top.digest) == sha256(expected)


def test_the_config_keeps_its_bytes_and_comes_before_its_manifest() -> None:
    image = config(ONE, TWO, ONE)
    proven = ConfiguredImage((), image, STACK).proven(PROOFS)
    assert list(proven.documents) == [image.image_id, proven.top.digest]
    assert proven.documents[image.image_id].raw == image.raw
    assert proven.images()[0].config.image_id == image.image_id


@pytest.mark.parametrize("tars", [(), (ONE,), (ONE, TWO), (ONE,) * 4])
def test_a_config_of_another_number_of_layers_is_refused(tars: tuple[bytes, ...]) -> None:
    with pytest.raises(CorruptContent, match=f"has 3 layers and {len(tars)} diffIDs"):
        ConfiguredImage((), config(*tars), STACK)


def test_an_image_without_layers_is_one() -> None:
    proven = ConfiguredImage(("none:1",), config(), ()).proven({})
    (picture,) = proven.images()
    assert (picture.layers, proven.blobs) == ([], ())


def test_what_a_layer_was_in_a_legacy_store_goes_into_the_manifest_and_not_to_the_blob() -> None:
    v1 = V1Layer.from_bytes(v1_json(A))
    v1 = V1Layer(v1.id, v1.parent, v1.raw, v1.node, Layersize("12", "aufs", "S3"))
    image = ConfiguredImage((), config(ONE), (layer("one", len(ONE), v1),))
    proven = image.proven(PROOFS)
    (picture,) = proven.images()
    annotations = picture.manifest.layers[0].annotations
    assert annotations["io.lading.v1.layersize"] == "12"
    assert V1Layer.from_annotations(annotations, "") == v1
    assert proven.blobs[0].annotations == {}


@pytest.mark.parametrize(("name", "odd"), [("", 0), ("gzip", 0), ("zstd", 0), ("xz", 1), ("bzip2", 1)])
def test_a_compression_without_a_media_type_is_told(name: str, odd: int) -> None:
    blob = bz2.compress(ONE)
    found = odd_compressions([layer("one", len(blob))], [proof(blob, ONE, name)])
    assert len(found) == odd
    proven = ConfiguredImage((), config(ONE), (layer("one", 1),)).proven({"one": proof(blob, ONE, name)})
    assert proven.findings == tuple(found)
    assert proven.compressions == {name}


def test_what_a_source_noticed_comes_first() -> None:
    noted = odd_compressions([layer("x", 1)], [proof(ONE, ONE, "xz")])[0]
    image = ConfiguredImage((), config(ONE), (layer("one", 1),), (noted,))
    assert image.proven({"one": proof(ONE, ONE)}).findings == (noted,)
