"""Which legacy layers an image becomes; comparing with a store's layers is in tests/stores."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from toolkit import mediatype
from toolkit.ancestry import V1Layer
from toolkit.digest import Digest
from toolkit.errors import UnsafeArchive, Unsupported
from toolkit.image import Document, Layer, Proof, ProvenImage
from toolkit.migration import LegacyImage
from toolkit.model import Descriptor, Manifest
from toolkit.stores.graph.chains import Link, links

A, B = Digest.of(b"a"), Digest.of(b"b")
ONE, TWO = "1" * 64, "2" * 64


def v1(layer_id: str, parent: str = "") -> V1Layer:
    body = {"id": layer_id, "parent": parent} if parent else {"id": layer_id}
    return V1Layer.from_bytes(json.dumps(body).encode())


def modern(*diff_ids: Digest, config_type: str = mediatype.OCI_CONFIG) -> ProvenImage:
    rootfs = {"type": "layers", "diff_ids": list(map(str, diff_ids))}
    raw = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode()
    config = Descriptor.of(config_type, raw)
    blobs = tuple(Descriptor(mediatype.OCI_LAYER, diff_id, 1) for diff_id in diff_ids)
    body = {"schemaVersion": 2, "config": config.to_json(), "layers": [blob.to_json() for blob in blobs]}
    top = Manifest.from_bytes(json.dumps(body).encode())
    documents = {
        config.digest: Document(config, raw),
        top.descriptor.digest: Document(top.descriptor, top.raw),
    }
    return ProvenImage(("app:1",), top.descriptor, documents, blobs)


def test_a_legacy_image_keeps_its_own_layers() -> None:
    chain = v1(ONE), v1(TWO, ONE)
    image = LegacyImage(("app:1",), chain, (Layer(ONE, 1), Layer(TWO, 1)))
    proven = image.proven({ONE: Proof(A, 1, A), TWO: Proof(B, 1, B)})
    assert [(link.layer.raw, link.blob, link.diff_id) for link in links(proven)] == [
        (chain[0].raw, A, A),
        (chain[1].raw, B, B),
    ]


def test_a_modern_image_gets_a_linked_chain() -> None:
    found = links(modern(A, B, A))
    assert [link.blob for link in found] == [A, B, A]
    assert [link.layer.parent for link in found] == ["", found[0].layer.id, found[1].layer.id]
    assert len({link.layer.id for link in found}) == 3


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (modern(), "app:1: is an image without layers"),
        (modern(A, config_type="application/vnd.example.thing"), "app:1: is an artifact"),
    ],
)
def test_what_no_legacy_store_can_hold_is_refused(image: ProvenImage, problem: str) -> None:
    with pytest.raises(Unsupported, match=problem):
        links(image)


def test_two_layers_under_one_id_are_refused() -> None:
    link = Link(v1(ONE), A, A)
    link.must_equal(Link(v1(ONE), B, A))  # one tar, packed in two ways
    for other in (replace(link, diff_id=B), replace(link, layer=v1(ONE, TWO))):
        with pytest.raises(UnsafeArchive, match="two different layers"):
            link.must_equal(other)
