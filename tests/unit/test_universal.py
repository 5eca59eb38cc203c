"""Members of a universal bundle; the order and the links are those of design/universal-bundle."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    EMPTY,
    IMAGE_NAME,
    MANIFEST,
    ONE,
    REF_NAME,
    TWO,
    A,
    B,
    C,
    Picture,
    blob,
    described,
    docker_item,
    encode,
    image,
    index,
    sha256,
    v1_json,
)
from tests.pictures import docker_saved, legacy, modern
from toolkit.bundles.members import Member
from toolkit.bundles.universal import members
from toolkit.errors import UnsafeArchive
from toolkit.image import ProvenImage

D = "d" * 64
TARS = {A: ONE, B: TWO}
SAVED = Path(__file__).parents[1] / "data/vectors/docker2010-save-duplayer.tar"


def by_name(*images: ProvenImage) -> dict[str, Member]:
    listed = members(images)
    found = {member.name: member for member in listed}
    assert len(found) == len(listed)
    return found


def document(found: dict[str, Member], name: str) -> Any:
    return json.loads(found[name].content)


def links(found: dict[str, Member]) -> dict[str, str]:
    return {name: member.target for name, member in found.items() if member.kind == "symlink"}


def test_small_metadata_comes_first_then_blobs_then_v1_folders_and_the_guest_last() -> None:
    proven = legacy(["app:1"], [A, B, C], TARS)
    found = by_name(proven)
    (picture,) = proven.images()
    documents = {blob(str(picture.manifest.config.digest)), blob(str(picture.manifest.descriptor.digest))}
    names = list(found)
    assert names[:6] == [
        "oci-layout", "index.json", "manifest.json", "repositories", "blobs/", "blobs/sha256/",
    ]  # fmt: skip
    assert set(names[6:8]) == documents
    assert names[8:11] == [blob(sha256(tar)) for tar in (ONE, TWO, EMPTY)]
    assert names[11:] == [
        f"{A}/", f"{A}/VERSION", f"{A}/json", f"{A}/layer.tar",
        f"{B}/", f"{B}/VERSION", f"{B}/json", f"{B}/layer.tar",
        "blobs/VERSION", "blobs/json", "blobs/layer.tar",
    ]  # fmt: skip


def test_layers_of_v1_folders_are_links_into_blobs() -> None:
    found = by_name(legacy(["app:1"], [A, B, C], TARS))
    assert links(found) == {
        f"{A}/layer.tar": f"../{blob(sha256(ONE))}",
        f"{B}/layer.tar": f"../{blob(sha256(TWO))}",
        "blobs/layer.tar": blob(sha256(EMPTY)).removeprefix("blobs/"),
    }


def test_v1_folders_hold_the_exact_json_and_version() -> None:
    found = by_name(legacy(["app:1"], [A, B, C], TARS))
    assert {found[f"{each}/VERSION"].content for each in (A, B, "blobs")} == {b"1.0"}
    assert [found[f"{each}/json"].content for each in (A, B, "blobs")] == [
        v1_json(A, architecture="amd64"),
        v1_json(B, A, architecture="amd64"),
        v1_json(C, B, architecture="amd64"),
    ]


def test_an_image_of_one_layer_lives_in_blobs_alone() -> None:
    found = by_name(legacy(["app:1"], [A], TARS))
    assert list(found)[-3:] == ["blobs/VERSION", "blobs/json", "blobs/layer.tar"]
    assert not [name for name in found if name.startswith(A)]


def test_a_top_that_is_the_parent_of_another_image_has_a_folder_of_its_own() -> None:
    found = by_name(legacy(["base:1"], [A, B], TARS), legacy(["app:1"], [A, B, C], TARS))
    assert document(found, "blobs/json")["id"] == C
    assert {name.partition("/")[0] for name in links(found)} == {A, B, "blobs"}
    assert document(found, "repositories") == {"app": {"1": C}, "base": {"1": B}}


def test_of_several_tops_that_are_nobodys_parent_the_first_by_name_is_the_guest() -> None:
    found = by_name(legacy(["x:1"], [A, C], TARS), legacy(["y:1"], [A, B], TARS))
    assert document(found, "blobs/json")["id"] == C
    assert [name for name in found if name.endswith("layer.tar")] == [
        f"{A}/layer.tar", f"{B}/layer.tar", "blobs/layer.tar",
    ]  # fmt: skip


def test_shared_layers_and_blobs_stand_once() -> None:
    found = by_name(legacy(["x:1"], [A, B, C], TARS), legacy(["y:1"], [A, B, D], TARS))
    assert sum(member.blob is not None for member in found.values()) == 3  # C and D are both empty
    assert list(links(found)) == [f"{A}/layer.tar", f"{B}/layer.tar", f"{D}/layer.tar", "blobs/layer.tar"]


def test_two_v1_layers_that_are_one_blob_link_to_it_both() -> None:
    found = by_name(legacy(["x:1"], [A, B, C], {A: ONE, B: EMPTY, C: ONE}))
    assert links(found)[f"{A}/layer.tar"].endswith(links(found)["blobs/layer.tar"])


def test_index_json_has_an_entry_for_every_name() -> None:
    proven = legacy(["app:1", "r.example:5000/app:2"], [A], TARS)
    entries = document(by_name(proven), "index.json")["manifests"]
    assert [entry["annotations"] for entry in entries] == [
        {REF_NAME: "app:1", IMAGE_NAME: "docker.io/library/app:1"},
        {REF_NAME: "r.example:5000/app:2", IMAGE_NAME: "r.example:5000/app:2"},
    ]
    assert {(entry["mediaType"], entry["digest"]) for entry in entries} == {
        (MANIFEST, str(proven.top.digest))
    }


def test_manifest_json_has_one_item_an_image_over_the_same_blobs() -> None:
    one, two = image(ONE, TWO), image(TWO)
    found = by_name(modern(one, "a:1", "a:2"), modern(two, "b:1"))
    assert document(found, "manifest.json") == [docker_item(one, "a:1", "a:2"), docker_item(two, "b:1")]


def test_repositories_names_the_top_layers() -> None:
    found = by_name(legacy(["a:1", "a:2", "r.example:5000/b"], [A, B], TARS), legacy(["a:3"], [C], {}))
    assert found["repositories"].content == (
        b'{"a":{"1":"%b","2":"%b","3":"%b"},"r.example:5000/b":{"latest":"%b"}}\n'
        % (B.encode(), B.encode(), C.encode(), B.encode())
    )


def test_an_image_without_a_name_is_listed_without_one() -> None:
    found = by_name(legacy([], [A], TARS), modern(picture := image(TWO), "x@" + sha256(b"x")))
    assert [item["RepoTags"] for item in document(found, "manifest.json")] == [None, None]
    assert document(found, "repositories") == {}
    entries = document(found, "index.json")["manifests"]
    assert [entry.get("annotations") for entry in entries] == [None, None]
    assert picture.digest in {entry["digest"] for entry in entries}


def test_an_image_under_two_names_is_one_image() -> None:
    images = [legacy(["b:1"], [A, B], TARS), legacy(["c:1"], [C], {}), legacy(["a:1"], [A, B], TARS)]
    found = by_name(*images)
    assert [item["RepoTags"] for item in document(found, "manifest.json")] == [["a:1", "b:1"], ["c:1"]]
    assert document(found, "repositories") == {"a": {"1": B}, "b": {"1": B}, "c": {"1": C}}


def artifact() -> Picture:
    content, config = b"a chart", b"{}"
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(config, "application/vnd.example.config"),
            "layers": [described(content, "application/vnd.example.chart")],
        }
    )
    return Picture(raw, MANIFEST, {sha256(each): each for each in (raw, config, content)})


def test_an_artifact_is_in_the_layout_and_nowhere_else() -> None:
    chart, app = artifact(), image(ONE)
    found = by_name(modern(chart, "chart:1"), modern(app, "app:1"))
    assert document(found, "manifest.json") == [docker_item(app, "app:1")]
    assert list(document(found, "repositories")) == ["app"]
    assert [entry["digest"] for entry in document(found, "index.json")["manifests"]] == [
        app.digest, chart.digest,
    ]  # fmt: skip
    assert {blob(digest) for digest in chart.blobs} <= set(found)


def test_a_bundle_of_artifacts_alone_has_no_docker_part() -> None:
    assert [name for name in by_name(modern(artifact(), "chart:1")) if "blobs" not in name] == [
        "oci-layout", "index.json",
    ]  # fmt: skip


def test_an_image_without_layers_has_no_v1_part() -> None:
    found = by_name(modern(empty := image(), "none:1"))
    assert document(found, "manifest.json") == [docker_item(empty, "none:1")]
    assert document(found, "repositories") == {}
    assert not links(found)


def test_an_index_keeps_every_platform_and_tells_docker_the_preferred_one() -> None:
    arm, amd = image(ONE, architecture="arm64"), image(TWO)
    both = index(arm, amd)
    found = by_name(modern(both, "app:1"))
    assert document(found, "index.json")["manifests"][0]["digest"] == both.digest
    assert {blob(digest) for digest in both.blobs} <= set(found)
    assert document(found, "manifest.json") == [docker_item(amd, "app:1")]
    assert links(found) == {"blobs/layer.tar": blob(sha256(TWO)).removeprefix("blobs/")}


def test_compressed_layers_are_carried_as_they_are() -> None:
    packed = gzip.compress(ONE, mtime=0)
    picture = image(
        packed, diff_ids=[sha256(ONE)], media_types=["application/vnd.oci.image.layer.v1.tar+gzip"]
    )
    found = by_name(modern(picture, "app:1"))
    assert document(found, "manifest.json")[0]["Layers"] == [blob(sha256(packed))]
    assert links(found)["blobs/layer.tar"] == blob(sha256(packed)).removeprefix("blobs/")


def test_a_modern_image_gets_the_v1_ids_that_docker_gives_it() -> None:
    picture = docker_saved(SAVED)
    found = by_name(modern(picture, "v1id:x", "v1id:y"))
    folders = {name.partition("/")[0] for name in links(found)} - {"blobs"}
    ours = [*folders, document(found, "blobs/json")["id"]]
    with tarfile.open(SAVED) as saved:
        theirs = {each.name.partition("/")[0] for each in saved if each.name.endswith("/json")}
        jsons = [body.read() for each in theirs if (body := saved.extractfile(f"{each}/json"))]
    assert set(ours) == theirs
    assert sorted(jsons) == sorted(found[f"{each}/json"].content for each in (*folders, "blobs"))


@pytest.mark.parametrize(
    "other", [legacy(["y:1"], [C, B], TARS), legacy(["y:1"], [A, B], TARS | {B: EMPTY})], ids=["json", "tar"]
)
def test_two_different_layers_under_one_v1_id_are_refused(other: ProvenImage) -> None:
    with pytest.raises(UnsafeArchive, match=rf"^layer {B[:12]}: is two different layers under one v1 ID"):
        members([legacy(["x:1"], [A, B], TARS), other])


def test_one_v1_layer_packed_in_two_ways_stands_once() -> None:
    packed = legacy(["y:1"], [A, B], TARS, packed={A: gzip.compress(ONE, mtime=0)})
    found = by_name(legacy(["x:1"], [A], TARS), packed)
    assert links(found)[f"{A}/layer.tar"] == f"../{blob(sha256(ONE))}"
