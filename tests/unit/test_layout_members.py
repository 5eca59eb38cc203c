"""Members of an OCI archive (OCI image-layout.md)."""

from __future__ import annotations

import json

from tests.archives import (
    IMAGE_NAME,
    INDEX,
    ONE,
    REF_NAME,
    TWO,
    Picture,
    blob,
    described,
    encode,
    image,
    index,
    sha256,
)
from tests.pictures import modern
from toolkit.bundles.layout_members import OCI_LAYOUT, blobs, head, members
from toolkit.digest import Digest
from toolkit.image import ProvenImage
from toolkit.model import Descriptor

APP = image(ONE, TWO)


def names(*images: ProvenImage) -> list[str]:
    return [member.name for member in members(images)]


def manifests(*images: ProvenImage) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(members(images)[1].content)["manifests"]
    return found


def test_small_metadata_comes_first_and_documents_before_layers() -> None:
    assert names(modern(APP, "app:1")) == [
        "oci-layout", "index.json", "blobs/", "blobs/sha256/",
        blob(sha256(APP.config)), blob(APP.digest), blob(sha256(ONE)), blob(sha256(TWO)),
    ]  # fmt: skip


def test_the_layout_is_of_the_version_that_containerd_asks_for() -> None:
    assert members([modern(APP)])[0].content == OCI_LAYOUT == b'{"imageLayoutVersion":"1.0.0"}'


def test_every_name_is_an_entry_and_no_name_is_one_too() -> None:
    other = image(TWO)
    assert manifests(modern(APP, "app:1", "r.example:5000/app:2"), modern(other)) == [
        described(APP.raw, APP.media_type, annotations={IMAGE_NAME: full, REF_NAME: name})
        for name, full in (
            ("app:1", "docker.io/library/app:1"),
            ("r.example:5000/app:2", "r.example:5000/app:2"),
        )
    ] + [described(other.raw, other.media_type)]


def test_a_digest_is_no_name_of_an_entry() -> None:
    (entry,) = manifests(modern(APP, f"app@{APP.digest}"))
    assert "annotations" not in entry


def test_blobs_that_images_share_stand_once() -> None:
    other = image(TWO, ONE)
    found = names(modern(APP, "a:1"), modern(other, "b:1"))
    assert len(found) == len(set(found)) == 4 + 2 + 2 + 2
    assert found.index(blob(other.digest)) < found.index(blob(sha256(ONE)))


def test_an_index_stands_behind_what_it_lists() -> None:
    both = index(image(ONE), image(TWO, architecture="arm64"))
    found = names(modern(both, "app:1"))
    assert found.index(blob(both.digest)) == 4 + 4
    assert manifests(modern(both, "app:1"))[0]["mediaType"] == INDEX


def test_a_blob_lies_in_the_folder_of_its_algorithm() -> None:
    digest = Digest.of(ONE, "sha512")
    descriptor = Descriptor("application/vnd.oci.image.layer.v1.tar", digest, len(ONE))
    image_ = ProvenImage((), modern(APP).top, {}, (descriptor,))
    assert [member.name for member in blobs([image_])] == [
        "blobs/", "blobs/sha512/", f"blobs/sha512/{digest.hex}",
    ]  # fmt: skip


def test_what_is_both_a_document_and_a_blob_is_written_as_a_document() -> None:
    proven = modern(APP)
    config = Descriptor("application/octet-stream", Digest.of(APP.config), len(APP.config))
    twice = ProvenImage((), proven.top, proven.documents, (config, *proven.blobs))
    found = {member.name: member for member in blobs([twice])}
    assert found[blob(sha256(APP.config))].content == APP.config
    assert len(blobs([twice])) == len(blobs([proven]))


def test_a_format_may_give_names_its_own_annotations() -> None:
    index_json = head([modern(APP, "app:1")], lambda name: {"called": name.upper()})[1].content
    assert json.loads(index_json)["manifests"][0]["annotations"] == {"called": "APP:1"}


def test_an_artifact_is_carried_whole() -> None:
    config, content = b"{}", b"a chart"
    raw = encode(
        {
            "schemaVersion": 2,
            "config": described(config, "application/vnd.example.config"),
            "layers": [described(content, "application/vnd.example.chart")],
        }
    )
    chart = Picture(raw, APP.media_type, {sha256(each): each for each in (raw, config, content)})
    assert {blob(digest) for digest in chart.blobs} <= set(names(modern(chart, "chart:1")))
