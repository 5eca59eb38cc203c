"""Members of a docker bundle; what Docker 29 itself saves is in formats D.3.2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.archives import IMAGE_NAME, ONE, REF_NAME, TWO, A, B, blob, docker_item, image, index, sha256
from tests.pictures import content_of, docker_saved, legacy, modern
from toolkit.bundles import open_bundle
from toolkit.bundles.docker_members import bare_tag, members
from toolkit.bundles.members import Member
from toolkit.image import ProvenImage
from toolkit.operations.verify import verify

SAVED = Path(__file__).parents[1] / "data/vectors/docker2010-save-duplayer.tar"


def by_name(*images: ProvenImage) -> dict[str, Member]:
    listed = members(images)
    found = {member.name: member for member in listed}
    assert len(found) == len(listed)
    return found


def document(found: dict[str, Member], name: str) -> Any:
    return json.loads(found[name].content)


def test_metadata_comes_first_then_documents_then_layers() -> None:
    picture = image(ONE, TWO)
    names = list(by_name(modern(picture, "app:1")))
    assert names[:6] == [
        "oci-layout", "index.json", "manifest.json", "repositories", "blobs/", "blobs/sha256/",
    ]  # fmt: skip
    assert set(names[6:8]) == {blob(picture.digest), blob(sha256(picture.config))}
    assert names[8:] == [blob(sha256(ONE)), blob(sha256(TWO))]


def test_manifest_json_lists_the_blobs_of_the_layout() -> None:
    one, two = image(ONE), image(ONE, TWO)
    found = by_name(modern(two, "x:1", "x:2"), modern(one, "docker.io/library/a:1"))
    assert document(found, "manifest.json") == [docker_item(one, "a:1"), docker_item(two, "x:1", "x:2")]
    assert found["manifest.json"].content.endswith(b"]\n")


def test_repositories_tell_the_diff_id_of_the_top_layer() -> None:
    found = by_name(modern(image(ONE, TWO), "r.example:5000/x:1", "x:1"), modern(image(), "empty:1"))
    top = sha256(TWO)[7:]
    assert document(found, "repositories") == {"r.example:5000/x": {"1": top}, "x": {"1": top}}


def test_index_json_has_a_descriptor_for_each_name_with_the_tag_alone_beside_the_whole_name() -> None:
    picture = image(ONE)
    listed = document(by_name(modern(picture, "ubuntu:14.04", "ubuntu:trusty")), "index.json")["manifests"]
    assert [(each["digest"], each["annotations"]) for each in listed] == [
        (
            picture.digest,
            {IMAGE_NAME: "docker.io/library/ubuntu:14.04", REF_NAME: "14.04"},
        ),
        (
            picture.digest,
            {IMAGE_NAME: "docker.io/library/ubuntu:trusty", REF_NAME: "trusty"},
        ),
    ]


def test_a_name_that_no_engine_takes_stays_as_it_is_and_out_of_manifest_json() -> None:
    assert bare_tag("x/UPPER:1") == {REF_NAME: "x/UPPER:1"}
    found = by_name(modern(image(ONE), "x/UPPER:1"))
    assert document(found, "manifest.json")[0]["RepoTags"] is None


def test_an_image_without_a_name_is_in_both_parts() -> None:
    picture = image(ONE)
    found = by_name(modern(picture))
    assert document(found, "manifest.json") == [docker_item(picture)]
    assert [each["digest"] for each in document(found, "index.json")["manifests"]] == [picture.digest]
    assert document(found, "repositories") == {}


def test_of_an_index_manifest_json_lists_the_preferred_platform_and_the_layout_all() -> None:
    arm, amd = image(ONE, architecture="arm64"), image(TWO)
    both = index(arm, amd)
    found = by_name(modern(both, "app:1"))
    assert document(found, "manifest.json") == [docker_item(amd, "app:1")]
    assert {blob(each) for each in both.blobs} == {
        name for name in found if name.startswith("blobs/sha256/") and name != "blobs/sha256/"
    }


def test_a_legacy_image_has_no_v1_folders_here() -> None:
    found = by_name(legacy(["app:1"], [A, B], {A: ONE, B: TWO}))
    assert not [name for name in found if name.startswith((A, B))]
    (item,) = document(found, "manifest.json")
    assert item["Layers"] == [blob(sha256(ONE)), blob(sha256(TWO))]


def test_a_layer_that_stands_twice_is_one_blob_listed_twice() -> None:
    picture = docker_saved(SAVED)
    found = by_name(modern(picture, "v1id:x"))
    (item,) = document(found, "manifest.json")
    assert item["Layers"] == [blob(digest) for digest in picture.layers]
    assert len(item["Layers"]) == 3
    assert sum(member.blob is not None for member in found.values()) == 2


def test_nothing_depends_on_the_order_of_the_request() -> None:
    one, two = modern(image(ONE), "a:1"), modern(image(TWO), "b:1")
    assert members([one, two]) == members([two, one])


@pytest.mark.parametrize("name", ["docker-29-overlay2", "docker-29-containerd"])
def test_the_documents_of_docker_29_are_the_same_here(corpus: Path, name: str) -> None:
    saved = corpus / "bundles" / f"{name}.tar"
    proven = verify(open_bundle(saved), ["ubuntu:14.04", "ubuntu:trusty"]).images
    found = by_name(*proven)
    theirs = {
        each["annotations"][IMAGE_NAME]: (each["digest"], each["annotations"][REF_NAME])
        for each in json.loads(content_of(saved, "index.json"))["manifests"]
    }
    ours = {
        each["annotations"][IMAGE_NAME]: (each["digest"], each["annotations"][REF_NAME])
        for each in document(found, "index.json")["manifests"]
    }
    assert ours == theirs
    (item,) = json.loads(content_of(saved, "manifest.json"))
    (mine,) = document(found, "manifest.json")
    assert {key: item[key] for key in mine} == mine
    if name == "docker-29-overlay2":
        assert found["repositories"].content == content_of(saved, "repositories")
