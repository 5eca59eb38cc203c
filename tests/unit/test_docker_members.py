"""Members of a docker bundle; what Docker 29 itself saves is compared in `pytest --corpus`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    IMAGE_NAME,
    ONE,
    REF_NAME,
    TWO,
    A,
    B,
    Picture,
    blob,
    described,
    docker_item,
    encode,
    image,
    index,
    sha256,
)
from tests.pictures import content_of, found_in, legacy, modern
from toolkit.bundles import create_bundle, open_bundle
from toolkit.bundles.docker_members import bare_tag, docker_part, members, pictures
from toolkit.image import ProvenImage
from toolkit.operations.copy import copy

APP = image(ONE, TWO)
CHART = encode(
    {
        "schemaVersion": 2,
        "config": described(b"{}", "application/vnd.example.config"),
        "layers": [described(b"chart", "application/vnd.example.chart")],
    }
)
ARTIFACT = Picture(CHART, APP.media_type, {sha256(each): each for each in (CHART, b"{}", b"chart")})


def documents(*images: ProvenImage) -> dict[str, Any]:
    found = {member.name: member.content for member in members(images)}
    return {name: json.loads(content) for name, content in found.items() if content and "blobs" not in name}


def test_the_docker_part_stands_between_the_index_and_the_blobs() -> None:
    assert [member.name for member in members([modern(APP, "app:1")])] == [
        "oci-layout", "index.json", "manifest.json", "repositories", "blobs/", "blobs/sha256/",
        blob(sha256(APP.config)), blob(APP.digest), blob(sha256(ONE)), blob(sha256(TWO)),
    ]  # fmt: skip


def test_manifest_json_lists_the_blobs_of_the_layout() -> None:
    other = image(TWO)
    found = documents(modern(APP, "app:1", "app:2"), modern(other))
    assert found["manifest.json"] == [docker_item(APP, "app:1", "app:2"), docker_item(other)]


def test_repositories_names_the_top_diff_id_as_docker_25_does() -> None:
    found = documents(modern(APP, "app:1", "r.example:5000/x:2"), modern(image(ONE), "app:0"))
    top, base = (sha256(tar).removeprefix("sha256:") for tar in (TWO, ONE))
    assert found["repositories"] == {"app": {"0": base, "1": top}, "r.example:5000/x": {"2": top}}


@pytest.mark.parametrize(
    ("name", "annotations"),
    [
        ("app:1", {REF_NAME: "1", IMAGE_NAME: "docker.io/library/app:1"}),
        ("r.example:5000/x/y:2", {REF_NAME: "2", IMAGE_NAME: "r.example:5000/x/y:2"}),
        ("Not/A/Reference:1", {REF_NAME: "Not/A/Reference:1"}),
    ],
)
def test_an_entry_has_the_bare_tag_and_containerds_whole_name(name: str, annotations: dict[str, str]) -> None:
    assert bare_tag(name) == annotations
    assert documents(modern(APP, name))["index.json"]["manifests"][0]["annotations"] == annotations


def test_a_name_that_docker_would_refuse_is_not_in_manifest_json() -> None:
    """It would refuse all of the archive, after it has stored the image (formats D.4)."""
    found = documents(modern(APP, "Not/A/Reference:1", "app:1", f"app@{APP.digest}"))
    assert found["manifest.json"][0]["RepoTags"] == ["app:1"]


def test_an_engine_without_indexes_gets_linux_amd64() -> None:
    amd = image(TWO)
    found = documents(modern(index(image(ONE, architecture="arm64"), amd), "app:1"))
    assert found["manifest.json"] == [docker_item(amd, "app:1")]


def test_artifacts_alone_have_no_docker_part() -> None:
    assert docker_part(pictures([modern(ARTIFACT, "chart:1")])) == []
    assert set(documents(modern(ARTIFACT, "chart:1"))) == {"oci-layout", "index.json"}


def test_an_image_without_layers_is_in_manifest_json_and_has_no_top_to_name() -> None:
    found = documents(modern(empty := image(), "none:1"))
    assert found["manifest.json"] == [docker_item(empty, "none:1")]
    assert found["repositories"] == {}


def test_a_legacy_image_keeps_what_its_store_recorded() -> None:
    proven = legacy(["old:1"], [A, B], {A: ONE, B: TWO})
    (picture,) = proven.images()
    raw = next(
        member.content
        for member in members([proven])
        if member.name == blob(str(picture.manifest.descriptor.digest))
    )
    assert [layer["annotations"]["io.lading.v1.id"] for layer in json.loads(raw)["layers"]] == [A, B]


def test_what_docker_29_saves_is_written_alike(corpus: Path, tmp_path: Path) -> None:
    saved, ours = corpus / "bundles/docker-29-overlay2.tar", tmp_path / "ours.tar"
    names = ["ubuntu:14.04", "ubuntu:trusty"]
    copy(open_bundle(saved), create_bundle(ours, "docker"), names)
    assert content_of(ours, "repositories") == content_of(saved, "repositories")
    (our_item,), (their_item,) = (json.loads(content_of(path, "manifest.json")) for path in (ours, saved))
    assert our_item == {key: their_item[key] for key in ("Config", "RepoTags", "Layers")}
    our_index, their_index = (json.loads(content_of(path, "index.json")) for path in (ours, saved))
    assert our_index["manifests"] == their_index["manifests"]
    theirs = {name for name, member in found_in(saved).items() if member.isfile() and "blobs" in name}
    unnamed = {name for name in theirs if name not in found_in(ours)}
    assert {json.loads(content_of(saved, name)).get("id", "") != "" for name in unnamed} == {True}  # v1 jsons
