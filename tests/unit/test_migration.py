from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from toolkit import mediatype
from toolkit.ancestry import Layersize, V1Layer
from toolkit.digest import EMPTY_LAYER, Digest
from toolkit.errors import CorruptContent, InvalidDocument, UnsafeArchive
from toolkit.image import Layer, Proof
from toolkit.migration import LegacyImage, migrated_config

DATA = Path(__file__).parents[1] / "data"
RULE_R = sorted(path.name.removesuffix(".v1.json") for path in (DATA / "rule_r").glob("*.v1.json"))
REFUSED = sorted((DATA / "rule_r" / "refused").iterdir())

# The sample image: facts that docker 1.9.1 and 20.10.24 agree on.
IMAGE_ID = "sha256:5b329b596366519f28fc2233ef2199e77f495064e5012315649e9b5fbf5efc00"
DIFF_IDS = [
    Digest("sha256", "f888a183f32383130dd9f9cafc9b2e17c5395c95109c9395009901c8dec62d66"),
    Digest("sha256", "4fdd549f81ef8f7137770b9c538c4c60b6f531a8c24b60c1999302397b33ae81"),
    Digest("sha256", "8ab6d6461427d4f43207a83b1c579475a1c983fa0ec81c68b9633e04124dc124"),
    EMPTY_LAYER,
]


def sample_chain() -> list[V1Layer]:
    layers = [V1Layer.from_bytes(path.read_bytes()) for path in (DATA / "v1json").iterdir()]
    above = {layer.parent: layer for layer in layers}
    chain = [above[""]]
    while chain[-1].id in above:
        chain.append(above[chain[-1].id])
    return chain


def legacy_image(chain: list[V1Layer]) -> LegacyImage:
    layers = tuple(Layer(layer.id, 1024 + number, v1=layer) for number, layer in enumerate(chain))
    return LegacyImage(("ubuntu:14.04",), tuple(chain), layers)


def proofs(image: LegacyImage, diff_ids: list[Digest], compression: str = "") -> dict[str, Proof]:
    return {
        layer.key: Proof(diff_id, layer.size, diff_id, compression)
        for layer, diff_id in zip(image.layers, diff_ids, strict=True)
    }


def test_the_sample_image_gets_dockers_image_id() -> None:
    assert str(Digest.of(migrated_config(sample_chain(), DIFF_IDS))) == IMAGE_ID


@pytest.mark.parametrize("name", RULE_R)
def test_a_v1_json_becomes_the_config_that_docker_20_10_makes(name: str) -> None:
    layer = V1Layer.from_bytes((DATA / "rule_r" / f"{name}.v1.json").read_bytes())
    expected = (DATA / "rule_r" / f"{name}.config.json").read_bytes()
    assert migrated_config([layer], [EMPTY_LAYER]) == expected


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_what_docker_20_10_refuses_is_refused(path: Path) -> None:
    with pytest.raises(InvalidDocument):
        migrated_config([V1Layer.from_bytes(path.read_bytes())], [EMPTY_LAYER])


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("1.8.3.-1", True),
        ("1.8.3.0", False),
        ("-9" * 3000, True),
        ("9" * 5000, False),
        ("2", False),
        ("1.", True),
    ],
)
def test_versions_compare_as_in_docker(version: str, *, old: bool) -> None:
    raw = json.dumps({"id": "ab" * 32, "docker_version": version, "custom": 1}).encode()
    config = migrated_config([V1Layer.from_bytes(raw)], [EMPTY_LAYER])
    assert (b"custom" in config) is not old


def test_a_proven_legacy_image_is_whole() -> None:
    image = legacy_image(sample_chain())
    proven = image.proven(proofs(image, DIFF_IDS))
    assert [document.descriptor.media_type for document in proven.documents.values()] == [
        mediatype.OCI_CONFIG,
        mediatype.OCI_MANIFEST,
    ]
    assert all(document.descriptor.check(document.raw) for document in proven.documents.values())
    assert proven.documents[proven.top.digest].raw.startswith(
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci'
    )
    (whole,) = proven.images()
    assert str(whole.config.image_id) == IMAGE_ID
    assert [diff_id for _, diff_id in whole.layers] == DIFF_IDS
    assert [blob.digest for blob in proven.blobs] == DIFF_IDS
    assert proven.names == ("ubuntu:14.04",)


def test_the_manifest_carries_each_layers_json_and_layersize() -> None:
    chain = [
        V1Layer(one.id, one.parent, one.raw, one.node, Layersize("12", "aufs", "S3"), "tar-split")
        for one in sample_chain()
    ]
    image = legacy_image(chain)
    (whole,) = image.proven(proofs(image, DIFF_IDS)).images()
    for (descriptor, _), layer in zip(whole.layers, chain, strict=True):
        assert base64.b64decode(descriptor.annotations["io.lading.v1.json"]) == layer.raw
        assert descriptor.annotations["io.lading.v1.layersize"] == "12"
        assert descriptor.annotations["io.lading.v1.rule"] == "S3"


def test_two_equal_layers_stay_in_the_manifest_and_are_one_blob() -> None:
    image = legacy_image(sample_chain())
    given = {layer.key: Proof(EMPTY_LAYER, 1024, EMPTY_LAYER) for layer in image.layers}
    proven = image.proven(given)
    (whole,) = proven.images()
    assert len(whole.layers) == 4
    assert [blob.digest for blob in proven.blobs] == [EMPTY_LAYER]


def test_a_compressed_layer_keeps_both_digests() -> None:
    image = legacy_image(sample_chain()[:1])
    packed = Digest.of(b"packed")
    proven = image.proven({image.layers[0].key: Proof(packed, 6, DIFF_IDS[0], "gzip")})
    (whole,) = proven.images()
    assert whole.config.diff_ids == (DIFF_IDS[0],)
    assert (whole.manifest.layers[0].digest, whole.manifest.layers[0].size) == (packed, 6)
    assert whole.manifest.layers[0].media_type == "application/vnd.oci.image.layer.v1.tar+gzip"


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_document_lengths_do_not_depend_on_digests(compression: str) -> None:
    image = legacy_image(sample_chain())
    placeholder = [Digest("sha256", "0" * 64)] * 4
    before = image.proven(proofs(image, placeholder, compression))
    after = image.proven(proofs(image, DIFF_IDS, compression))
    lengths = [[len(document.raw) for document in proven.documents.values()] for proven in (before, after)]
    assert lengths[0] == lengths[1]
    assert before.top.digest != after.top.digest


def test_the_same_image_has_the_same_manifest_bytes() -> None:
    image = legacy_image(sample_chain())
    given = proofs(image, DIFF_IDS)
    backwards = dict(reversed(given.items()))
    assert image.proven(given).top == image.proven(backwards).top


def test_a_config_that_two_readers_read_differently_is_refused() -> None:
    raw = json.dumps({"id": "ab" * 32, "docker_version": "1.9.1", "RootFS": {}}).encode()
    image = legacy_image([V1Layer.from_bytes(raw)])
    with pytest.raises(UnsafeArchive, match="RootFS"):
        image.proven(proofs(image, [EMPTY_LAYER]))


def test_a_chain_without_its_tars_is_no_image() -> None:
    chain = tuple(sample_chain())
    with pytest.raises(CorruptContent, match="4 v1 layers and 0 tars"):
        LegacyImage((), chain, ())
    with pytest.raises(CorruptContent):
        LegacyImage((), (), ())


def test_a_layer_without_a_diff_id_stands_in_the_history_alone() -> None:
    chain = sample_chain()
    config = json.loads(migrated_config(chain, DIFF_IDS[:3], {chain[-1].id}))
    assert [item.get("empty_layer") for item in config["history"]] == [None, None, None, True]
    assert len(config["rootfs"]["diff_ids"]) == 3
