"""Manifests and indexes written anew: only what tells the old bytes is changed."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.archives import (
    CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    ONE,
    TWO,
    Picture,
    described,
    encode,
    image,
    index,
    sha256,
)
from tests.pictures import modern
from toolkit.digest import Digest
from toolkit.image import ProvenImage
from toolkit.model import Descriptor
from toolkit.operations.rewrite import REFERENCE, named_by, rewritten

GZIPPED = gzip.compress(ONE, mtime=0)
NEW = Descriptor(f"{LAYER}+zstd", Digest.of(b"new"), 3)
MOVED = {Digest.of(ONE): NEW, Digest.of(GZIPPED): NEW}
APP = image(ONE, TWO)


def changed(picture: Picture, compression: str = "zstd", **beside: bytes) -> ProvenImage:
    others = {Digest.of(raw): raw for raw in beside.values()}
    return rewritten(modern(picture, "app:1"), MOVED, compression, others)


def with_members(picture: Picture, layer: Mapping[str, Any] | None = None, **members: Any) -> Picture:
    """Return an image whose manifest, and its first layer's descriptor, have more members."""
    body = json.loads(picture.raw)
    body["layers"][0] |= layer or {}
    raw = encode({"artifactType": "of/interest", **body, **members})
    return Picture(raw, picture.media_type, {**picture.blobs, sha256(raw): raw}, picture.platform)


def manifest_of(image: ProvenImage) -> Any:
    return json.loads(image.documents[image.top.digest].raw)


def problems(image: ProvenImage) -> list[tuple[str, str, str]]:
    return [(finding.severity, finding.subject, finding.problem) for finding in image.findings]


def test_a_layer_gets_its_new_type_digest_and_size() -> None:
    found = changed(APP)
    before, after = json.loads(APP.raw), manifest_of(found)
    assert after == {
        **before,
        "layers": [
            {"mediaType": f"{LAYER}+zstd", "digest": str(Digest.of(b"new")), "size": 3},
            before["layers"][1],
        ],
    }
    assert found.top.digest == Digest.of(found.documents[found.top.digest].raw)
    assert found.top.size == len(found.documents[found.top.digest].raw)


def test_the_config_and_its_diff_ids_stay() -> None:
    (picture,) = changed(APP).images()
    assert picture.config.raw == APP.config
    assert [str(diff_id) for diff_id in picture.config.diff_ids] == [sha256(ONE), sha256(TWO)]


def test_each_new_manifest_is_told() -> None:
    found = changed(APP)
    problem = f"is now {found.top.digest}, its layers recompressed with zstd"
    assert problems(found) == [("note", f"manifest {APP.digest}", problem)]
    plain = image(GZIPPED, diff_ids=[sha256(ONE)], media_types=[f"{LAYER}+gzip"])
    assert problems(changed(plain, ""))[0][2].endswith("its layers unpacked")


def test_all_other_members_keep_their_values_and_places() -> None:
    layer = {"annotations": {"z": "1", "a": "é"}, "unknown": [1.5, {"b": None, "a": True}], "platform": None}
    members = {"annotations": {"b": "<&>", "a": "\u2028"}, "unknown": {"float": 1.5e300, "big": 2**62}}
    picture = with_members(image(ONE, TWO), layer, **members)
    before, after = json.loads(picture.raw), manifest_of(changed(picture))
    assert list(after) == list(before)
    assert list(after["layers"][0]) == list(before["layers"][0])
    for body in (before, after):
        for key in ("mediaType", "digest", "size"):
            del body["layers"][0][key]
    assert after == before


def test_a_manifest_is_written_in_gos_dialect() -> None:
    spaced = json.dumps(json.loads(APP.raw) | {"annotations": {"a": "<é>"}}, indent=3).encode()
    picture = Picture(spaced, MANIFEST, {**APP.blobs, sha256(spaced): spaced}, APP.platform)
    raw = changed(picture).documents[changed(picture).top.digest].raw
    assert b" " not in raw
    assert b"\n" not in raw
    assert rb'"annotations":{"a":"\u003c\u00e9\u003e"}' in raw


@pytest.mark.parametrize(
    ("docker", "compression", "expected"),
    [
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", "zstd", ".diff.tar.zstd"),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", "", ".diff.tar"),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "zstd", ".foreign.diff.tar.zstd"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "", ".nondistributable.v1.tar"),
    ],
)
def test_a_type_stays_in_its_family(docker: str, compression: str, expected: str) -> None:
    picture = image(GZIPPED, diff_ids=[sha256(ONE)], media_types=[docker])
    assert manifest_of(changed(picture, compression))["layers"][0]["mediaType"].endswith(expected)


def test_a_copy_of_the_old_bytes_is_dropped_and_urls_to_them_are_told() -> None:
    inline = {"data": base64.b64encode(ONE).decode(), "urls": ["https://example.org/layer"]}
    found = changed(with_members(APP, inline))
    (layer, _) = manifest_of(found)["layers"]
    assert "data" not in layer
    assert layer["urls"] == inline["urls"]
    assert ("warning", f"layer {NEW.digest}") in [finding[:2] for finding in problems(found)]


def test_annotations_about_places_in_the_old_bytes_are_dropped() -> None:
    annotations = {
        "containerd.io/snapshot/stargz/toc.digest": sha256(b"toc"),
        "io.github.containers.zstd-chunked.manifest-position": "1:2:3:1",
        "containerd.io/uncompressed": sha256(ONE),
    }
    (layer, _) = manifest_of(changed(with_members(APP, {"annotations": annotations})))["layers"]
    assert layer["annotations"] == {"containerd.io/uncompressed": sha256(ONE)}


def test_nothing_is_written_anew_where_nothing_moved() -> None:
    before = modern(index(image(TWO)), "app:1")
    assert rewritten(before, MOVED, "zstd") is before


def test_an_index_names_its_new_manifests_where_it_named_the_old() -> None:
    arm = image(TWO, architecture="arm64")
    listed = index(APP, arm, annotations={"kept": "yes"}, unknown=1)
    body = json.loads(listed.raw)
    body["manifests"][0] |= {
        "annotations": {"b": "1", "a": "2"},
        "artifactType": "x",
        "data": base64.b64encode(APP.raw).decode(),
    }
    raw = encode(body)
    found = changed(Picture(raw, INDEX, {**listed.blobs, sha256(raw): raw}))
    new = found.images()[0].manifest
    after = manifest_of(found)
    assert after["manifests"][1] == body["manifests"][1]
    expected = {**body["manifests"][0], "digest": sha256(new.raw), "size": len(new.raw)}
    del expected["data"]
    assert after["manifests"][0] == expected
    assert list(after["manifests"][0]) == [key for key in body["manifests"][0] if key != "data"]
    assert {**after, "manifests": body["manifests"]} == body
    assert [finding[1] for finding in problems(found)] == [f"manifest {APP.digest}", f"index {sha256(raw)}"]


def test_an_index_of_indexes_is_written_anew_up_to_its_top() -> None:
    inner = index(APP)
    found = changed(index(inner, image(TWO, architecture="arm64")))
    (listed, _) = manifest_of(found)["manifests"]
    inside = found.documents[Digest.parse(listed["digest"])]
    assert json.loads(inside.raw)["manifests"][0]["digest"] == sha256(found.images()[0].manifest.raw)
    order = list(found.documents)
    assert order.index(Digest.parse(listed["digest"])) < order.index(found.top.digest)


ATTESTED = encode(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [described(b"statement", "application/vnd.in-toto+json")],
    }
)
UNKNOWN = {"architecture": "unknown", "os": "unknown"}


def test_an_attestation_is_kept_named_to_the_new_manifest_and_told() -> None:
    blobs = {sha256(raw): raw for raw in (ATTESTED, b"{}", b"statement")}
    listed = index(APP, Picture(ATTESTED, MANIFEST, blobs, UNKNOWN))
    body = json.loads(listed.raw)
    body["manifests"][1]["annotations"] = {
        REFERENCE: APP.digest,
        "vnd.docker.reference.type": "attestation-manifest",
    }
    raw = encode(body)
    found = changed(Picture(raw, INDEX, {**listed.blobs, sha256(raw): raw}))
    new = sha256(found.images()[0].manifest.raw)
    entry = manifest_of(found)["manifests"][1]
    assert entry["digest"] == sha256(ATTESTED)
    assert entry["annotations"] == {REFERENCE: new, "vnd.docker.reference.type": "attestation-manifest"}
    assert found.documents[Digest.of(ATTESTED)].raw == ATTESTED
    speaks = f"speaks of manifest {APP.digest}, which is now {new}"
    assert ("warning", f"attestation {sha256(ATTESTED)}", speaks) in problems(found)


def test_a_signature_of_an_old_manifest_is_kept_and_told() -> None:
    signature = encode({**json.loads(ATTESTED), "subject": described(APP.raw, MANIFEST)})
    blobs = {sha256(raw): raw for raw in (signature, b"{}", b"statement")}
    found = changed(
        index(APP, Picture(signature, MANIFEST, blobs)),
        beside=encode({"subject": described(APP.raw, MANIFEST), "x": 1}),
    )
    assert found.documents[Digest.of(signature)].raw == signature
    told = [subject for severity, subject, problem in problems(found) if "speaks of" in problem]
    assert told[0] == f"manifest {sha256(signature)}"
    assert len(told) == 2


def test_what_is_no_document_beside_is_passed_over() -> None:
    assert len(changed(APP, beside=b"no JSON").findings) == 1


def test_the_blobs_of_a_manifest_are_named() -> None:
    assert named_by(APP.raw) == {sha256(APP.config), sha256(ONE), sha256(TWO)}
    assert named_by(b"no JSON") == named_by(b'{"layers": [7], "config": null}') == set()
    assert CONFIG in APP.raw.decode()
