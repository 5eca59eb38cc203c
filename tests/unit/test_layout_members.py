"""Members of an OCI layout in a tar (OCI image-layout.md)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    IMAGE_NAME,
    INDEX,
    MANIFEST,
    ONE,
    REF_NAME,
    TWO,
    blob,
    image,
    index,
    layout,
    sha256,
    written,
)
from tests.pictures import content_of, modern
from toolkit.bundles import create_bundle, open_bundle
from toolkit.bundles.layout_members import OCI_LAYOUT, members
from toolkit.bundles.members import Member
from toolkit.image import ProvenImage
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify

SKOPEO = Path(__file__).parents[1] / "data/vectors/skopeo-oci-archive.tar"


def by_name(*images: ProvenImage) -> dict[str, Member]:
    listed = members(images)
    found = {member.name: member for member in listed}
    assert len(found) == len(listed)
    return found


def manifests(found: dict[str, Member]) -> list[dict[str, Any]]:
    body = json.loads(found["index.json"].content)
    assert (body["schemaVersion"], body["mediaType"]) == (2, INDEX)
    listed: list[dict[str, Any]] = body["manifests"]
    return listed


def test_the_layout_says_which_version_it_is() -> None:
    assert json.loads(OCI_LAYOUT) == {"imageLayoutVersion": "1.0.0"}
    assert by_name(modern(image(ONE)))["oci-layout"].content == OCI_LAYOUT


def test_small_metadata_and_documents_come_before_layers() -> None:
    picture = image(ONE, TWO)
    names = list(by_name(modern(picture, "app:1")))
    assert names[:4] == ["oci-layout", "index.json", "blobs/", "blobs/sha256/"]
    assert set(names[4:6]) == {blob(picture.digest), blob(sha256(picture.config))}
    assert names[6:] == [blob(sha256(ONE)), blob(sha256(TWO))]


def test_there_is_nothing_that_only_docker_reads() -> None:
    assert not {"manifest.json", "repositories"} & set(by_name(modern(image(ONE), "app:1")))


def test_a_descriptor_for_each_name_tells_what_readers_and_containerd_call_it() -> None:
    picture = image(ONE)
    listed = manifests(by_name(modern(picture, "ubuntu:14.04", "r.example:5000/x:1")))
    expected = {"mediaType": MANIFEST, "digest": picture.digest, "size": len(picture.raw)}
    assert [{key: each[key] for key in expected} for each in listed] == [expected, expected]
    assert [each["annotations"] for each in listed] == [
        {REF_NAME: "ubuntu:14.04", IMAGE_NAME: "docker.io/library/ubuntu:14.04"},
        {REF_NAME: "r.example:5000/x:1", IMAGE_NAME: "r.example:5000/x:1"},
    ]


def test_without_a_name_there_is_a_descriptor_without_annotations() -> None:
    (listed,) = manifests(by_name(modern(image(ONE))))
    assert "annotations" not in listed


def test_documents_keep_their_bytes_and_blobs_stand_once() -> None:
    one, both = image(ONE), index(image(ONE), image(TWO, ONE, architecture="arm64"))
    found = by_name(modern(one, "a:1"), modern(both, "b:1"))
    content = {name: each.content for name, each in found.items() if each.content}
    documents = {digest: raw for digest, raw in both.blobs.items() if raw not in {ONE, TWO}}
    assert {blob(digest): raw for digest, raw in documents.items()}.items() <= content.items()
    assert sorted(str(each.blob.digest) for each in found.values() if each.blob) == sorted(
        map(sha256, (ONE, TWO))
    )


def test_a_blob_that_is_a_document_too_stands_once() -> None:
    proven = modern(image(ONE), "app:1")
    (config, _) = proven.documents.values()
    found = by_name(replace(proven, blobs=(*proven.blobs, config.descriptor)))
    assert found[blob(str(config.descriptor.digest))].content == config.raw


def test_what_skopeo_wrote_comes_out_with_the_same_blobs(tmp_path: Path) -> None:
    copy(open_bundle(SKOPEO), create_bundle(tmp_path / "b.tar", "oci"), ["tagA"])
    (proven,) = verify(open_bundle(tmp_path / "b.tar")).images
    for digest in (*proven.documents, *(each.digest for each in proven.blobs)):
        name = blob(str(digest))
        assert content_of(tmp_path / "b.tar", name) == content_of(SKOPEO, name)
    theirs = json.loads(content_of(SKOPEO, "index.json"))["manifests"][0]
    ours = json.loads(content_of(tmp_path / "b.tar", "index.json"))["manifests"][0]
    assert (ours["digest"], ours["annotations"][REF_NAME]) == (theirs["digest"], "tagA")


@pytest.mark.parametrize("request_", [["a:1", "b:1"], ["b:1", "a:1"], ["b:1", "a:1", "b:1"]])
def test_nothing_depends_on_the_order_of_the_request(tmp_path: Path, request_: list[str]) -> None:
    source = written(tmp_path / "in.tar", layout(("a:1", image(ONE)), ("b:1", image(TWO))))
    copy(open_bundle(source), create_bundle(tmp_path / "1.tar", "oci"), ["a:1", "b:1"])
    copy(open_bundle(source), create_bundle(tmp_path / "2.tar", "oci"), request_)
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
