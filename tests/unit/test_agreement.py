from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import (
    IMAGE_NAME,
    MANIFEST,
    ONE,
    REF_NAME,
    TWO,
    A,
    Body,
    Link,
    Picture,
    blob,
    described,
    docker_item,
    encode,
    image,
    index,
    layout,
    sha256,
    tar,
    v1_folder,
    written,
)
from tests.pictures import legacy
from toolkit.bundles import create_bundle, open_bundle
from toolkit.bundles.agreement import ADVICE
from toolkit.bundles.archive_reader import Archive
from toolkit.errors import UnsafeArchive
from toolkit.operations.copy import copy
from toolkit.ports import Source
from toolkit.stores.layout import LayoutStore
from toolkit.stores.sample import sample_store

APP, OTHER = image(ONE, TWO), image(TWO, ONE)
NAME = "ubuntu:14.04"


def opened(folder: Path, members: dict[str, Body]) -> Source:
    return open_bundle(written(folder / "a.tar", members))


def with_manifest(folder: Path, *items: dict[str, object]) -> Source:
    files: dict[str, Body] = dict(layout(("app:1", APP), ("other:1", OTHER)))
    return opened(folder, files | {"manifest.json": encode(items)})


def test_parts_that_tell_the_same_are_fine(tmp_path: Path) -> None:
    found = with_manifest(tmp_path, docker_item(OTHER, "other:1"), docker_item(APP, "app:1"))
    assert [line.problem for line in found.listings()] == ["", ""]


def test_an_image_may_be_one_platform_of_an_index(tmp_path: Path) -> None:
    arm = image(TWO, architecture="arm64")
    files: dict[str, Body] = dict(layout(("app:1", index(APP, arm))))
    for one in (APP, arm):
        assert opened(tmp_path, files | {"manifest.json": encode([docker_item(one, "app:1")])}).listings()


def test_a_name_for_another_image_is_refused(tmp_path: Path) -> None:
    both = f"(?s){sha256(APP.config)}.*'app:1'.*{sha256(OTHER.config)}"
    with pytest.raises(UnsafeArchive, match=both):
        with_manifest(tmp_path, docker_item(OTHER, "app:1")).listings()


def test_a_name_that_only_one_part_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeArchive, match=r"'evil:1' in manifest\.json and not"):
        with_manifest(tmp_path, docker_item(APP, "app:1", "evil:1")).image("app:1")


@pytest.mark.parametrize("change", [lambda layers: layers[::-1], lambda layers: layers[:1]])
def test_the_same_config_with_other_layers_is_refused(
    tmp_path: Path, change: Callable[[list[str]], list[str]]
) -> None:
    item = docker_item(APP, "app:1")
    item["Layers"] = change(item["Layers"])
    with pytest.raises(UnsafeArchive, match="with other layers"):
        with_manifest(tmp_path, item).image("app:1")


def test_a_copy_of_a_layer_is_not_taken_for_the_blob(tmp_path: Path) -> None:
    item = docker_item(APP, "app:1") | {"Layers": ["one.tar", blob(sha256(TWO))]}
    files: dict[str, Body] = dict(layout(("app:1", APP)))
    members = files | {"one.tar": ONE, "manifest.json": encode([item])}
    with pytest.raises(UnsafeArchive, match="with other layers"):
        opened(tmp_path, members).image("app:1")


@pytest.fixture(params=["legacy", "modern"])
def universal(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Body]:
    """The members of a universal bundle that we wrote: of the sample, or of an image without v1 layers."""
    source: Source = sample_store(tmp_path)
    name = NAME
    if request.param == "modern":
        packed = written(tmp_path / "modern.tar", layout((NAME, APP)))
        source = open_bundle(packed)
    store = LayoutStore(tmp_path / "store")
    copy(source, store, [name])
    copy(store, create_bundle(tmp_path / "u.tar"), [name])
    return members_of(tmp_path / "u.tar")


def members_of(path: Path) -> dict[str, Body]:
    import tarfile

    found: dict[str, Body] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            found[member.name] = content.read() if content else Link(member.linkname)
    return {name: body for name, body in found.items() if body != Link("")}


def jsons(members: dict[str, Body]) -> list[str]:
    return [name for name in members if name.endswith("/json")]


def test_our_own_bundle_tells_one_image_three_times(universal: dict[str, Body], tmp_path: Path) -> None:
    found = opened(tmp_path, universal)
    assert found.image(NAME).findings == ()
    assert len(jsons(universal)) == len(found.image(NAME).layers)


def test_a_json_of_one_other_word_is_refused(universal: dict[str, Body], tmp_path: Path) -> None:
    for name in jsons(universal):
        raw = universal[name]
        assert isinstance(raw, bytes)
        told = json.loads(raw)
        told["config"] = {"Cmd": ["/bin/evil"]}
        with pytest.raises(UnsafeArchive, match=f"layer {told['id']}"):
            opened(tmp_path, universal | {name: encode(told)}).image(NAME)


def test_a_layer_that_leads_to_another_blob_is_refused(universal: dict[str, Body], tmp_path: Path) -> None:
    names = [name for name in universal if name.endswith("/layer.tar")]
    targets = [universal[name] for name in names if not name.startswith("blobs")]
    swapped = next(name for name in names if not name.startswith("blobs"))
    evil: dict[str, Body] = {swapped: Link("../evil.tar"), "evil.tar": tar({"evil": b""})}
    assert targets
    with pytest.raises(UnsafeArchive, match="of no such image"):
        opened(tmp_path, universal | evil).image(NAME)


def test_a_layer_of_no_image_is_refused(universal: dict[str, Body], tmp_path: Path) -> None:
    with pytest.raises(UnsafeArchive, match=f"layer {A}"):
        opened(tmp_path, universal | v1_folder(A)).image(NAME)


def test_a_v1_name_for_another_layer_is_refused(universal: dict[str, Body], tmp_path: Path) -> None:
    repositories = universal["repositories"]
    assert isinstance(repositories, bytes)
    top = json.loads(repositories)["ubuntu"]["14.04"]
    with Archive(tmp_path / "u.tar") as archive:
        assert top in {json.loads(archive.read(name, 1 << 20) or b"")["id"] for name in jsons(universal)}
    for names in ({"ubuntu": {"14.04": A}}, {"evil": {"1": top}}):
        with pytest.raises(UnsafeArchive, match="repositories"):
            opened(tmp_path, universal | {"repositories": encode(names)}).image(NAME)


def test_two_layers_under_one_v1_id_are_refused(tmp_path: Path) -> None:
    pictures = [legacy_picture(tar_) for tar_ in (ONE, TWO)]
    members = layout(*zip(("x:1", "y:1"), pictures, strict=True))
    folder: dict[str, Body] = v1_folder(A, layer=Link(f"../{blob(sha256(ONE))}"))
    v1_part: dict[str, Body] = {**folder, "repositories": encode({"x": {"1": A}, "y": {"1": A}})}
    manifest = encode([docker_item(each, name) for each, name in zip(pictures, ("x:1", "y:1"), strict=True)])
    found = opened(tmp_path, {**members, **v1_part, "manifest.json": manifest})
    with pytest.raises(UnsafeArchive, match=f"two different layers under one v1 ID, {A}; {ADVICE}"):
        found.listings()


def legacy_picture(layer: bytes) -> Picture:
    """Return the image that a chain of one v1 layer, A, becomes when it is migrated."""
    proven = legacy((), [A], {A: layer})
    blobs = {str(digest): document.raw for digest, document in proven.documents.items()}
    return Picture(blobs[str(proven.top.digest)], MANIFEST, {**blobs, sha256(layer): layer})


def test_a_name_that_manifest_json_leaves_out_is_refused(tmp_path: Path) -> None:
    """Docker up to 24 would load the image without it."""
    for names in ([], ["app:2"]):
        files: dict[str, Body] = dict(layout(("app:1", APP), ("app:2", APP)))
        manifest = encode([docker_item(APP, *names)])
        with pytest.raises(
            UnsafeArchive, match=r"'app:1' in its OCI part, and without that name in manifest"
        ):
            opened(tmp_path, files | {"manifest.json": manifest}).listings()


@pytest.mark.parametrize("name", ["sha256-" + "0" * 64 + ".sig", "app@sha256:" + "0" * 64, "No Reference"])
def test_a_name_that_manifest_json_cannot_hold_may_be_missing_there(tmp_path: Path, name: str) -> None:
    files: dict[str, Body] = dict(layout(("app:1", APP), (name, APP)))
    assert opened(tmp_path, files | {"manifest.json": encode([docker_item(APP, "app:1")])}).listings()


def test_a_name_for_another_image_in_repositories_alone_is_refused(tmp_path: Path) -> None:
    """Docker 25 and later writes the top layer's diffID there."""
    files: dict[str, Body] = dict(layout(("app:1", APP), ("other:1", OTHER)))
    manifest = encode([docker_item(APP, "app:1"), docker_item(OTHER, "other:1")])
    tops = {"app": sha256(TWO)[7:], "other": sha256(ONE)[7:]}
    for names in (tops, {"app": tops["other"]}, {"evil": tops["app"]}):
        told = encode({name: {"1": top} for name, top in names.items()})
        found = opened(tmp_path, files | {"manifest.json": manifest, "repositories": told})
        if names is tops:
            assert len(found.listings()) == 2
            continue
        with pytest.raises(UnsafeArchive, match="the layers of another image in repositories"):
            found.listings()


def test_a_name_with_a_digest_may_stand_in_both_parts(tmp_path: Path) -> None:
    """So does `ctr images export` of containerd 1.6.20 write it, of an image that was pulled by its digest."""
    name = f"app@{APP.digest}"
    annotations = {IMAGE_NAME: f"docker.io/library/{name}", REF_NAME: f"@{APP.digest}"}
    files: dict[str, Body] = dict(layout(("app:1", APP)))
    entries = [described(APP.raw, MANIFEST, annotations=annotations)]
    files["index.json"] = encode({"schemaVersion": 2, "manifests": entries})
    found = opened(tmp_path, files | {"manifest.json": encode([docker_item(APP, name)])})
    (line,) = found.listings()
    assert (line.names, line.problem) == ((name,), "")
    evil = encode([docker_item(APP, f"evil@{APP.digest}")])
    with pytest.raises(UnsafeArchive, match="and not in its OCI part"):
        opened(tmp_path, files | {"manifest.json": evil}).listings()
