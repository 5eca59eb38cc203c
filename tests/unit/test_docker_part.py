from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.archives import ONE, TWO, A, Body, Link, docker_item, encode, image, layout, sha256, written
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import items
from toolkit.errors import InvalidDocument, Mismatch, MissingMember, ToolkitError, UnsafeArchive

APP = image(ONE, TWO)


def archive(folder: Path, manifest: Any, **more: Body) -> Archive:
    raw = manifest if isinstance(manifest, bytes) else encode(manifest)
    files: dict[str, Body] = dict(layout(("", APP)))
    return Archive(written(folder / "a.tar", {**files, "manifest.json": raw, **more}))


def test_an_item_is_its_names_its_config_and_the_members_of_its_layers(tmp_path: Path) -> None:
    (item,) = items(archive(tmp_path, [docker_item(APP, "app:1", "app:2")]))
    assert item.names == ("app:1", "app:2")
    assert str(item.image_id) == sha256(APP.config)
    assert item.layers == tuple(docker_item(APP)["Layers"])


def test_paths_are_cleaned_and_links_followed(tmp_path: Path) -> None:
    target = docker_item(APP)["Layers"][0]
    listed = {"Config": f"./{docker_item(APP)['Config']}", "RepoTags": None, "Layers": ["first.tar"]}
    (item,) = items(archive(tmp_path, [listed], **{"first.tar": Link(target)}))
    assert (item.config, item.layers) == (APP.config, (target,))


def test_an_archive_without_one_has_no_items(tmp_path: Path) -> None:
    assert items(Archive(written(tmp_path / "a.tar", layout(("", APP))))) == []
    assert items(archive(tmp_path, [])) == []


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        (b"null", InvalidDocument),
        (b"{}", InvalidDocument),
        (b"[{}]", InvalidDocument),
        (b"[1]", InvalidDocument),
        (b"[] trailing", InvalidDocument),
        ([{"Config": "gone", "Layers": []}], MissingMember),
        ([{"Config": "../x", "Layers": []}], UnsafeArchive),
        ([docker_item(APP) | {"layers": []}], UnsafeArchive),
        ([docker_item(APP) | {"Layers": "x"}], InvalidDocument),
        ([docker_item(APP) | {"Layers": ["gone"]}], MissingMember),
    ],
)
def test_a_broken_manifest_json_is_refused(tmp_path: Path, manifest: Any, error: type[ToolkitError]) -> None:
    with pytest.raises(error):
        items(archive(tmp_path, manifest))


@pytest.mark.parametrize("name", ["A:b", f"x@{sha256(ONE)}", "x:1@sha256:0", "a b:1"])
def test_a_name_that_docker_refuses_after_storing_the_image_is_refused_before(
    tmp_path: Path, name: str
) -> None:
    files = {"manifest.json": encode([docker_item(APP, name)]), **dict(layout(("", APP)))}
    del files["index.json"], files["oci-layout"]
    with pytest.raises(InvalidDocument, match=r"\[0\]\.RepoTags\[0\]"):
        items(Archive(written(tmp_path / "a.tar", files)))


def test_beside_a_layout_a_name_may_have_a_digest_as_containerd_writes_it(tmp_path: Path) -> None:
    name = f"app@{APP.digest}"
    (item,) = items(archive(tmp_path, [docker_item(APP, name)]))
    assert (item.names, item.findings) == ((name,), ())


def test_a_name_without_a_tag_is_latest_and_told(tmp_path: Path) -> None:
    (item,) = items(archive(tmp_path, [docker_item(APP, "localhost:5000/app")]))
    assert item.names == ("localhost:5000/app:latest",)
    assert "without a tag" in item.findings[0].problem


def test_one_name_for_two_images_is_refused(tmp_path: Path) -> None:
    other = image(TWO)
    more: dict[str, Body] = {"other.json": other.config, "other.tar": TWO}
    listed = {"Config": "other.json", "RepoTags": ["docker.io/library/app:1"], "Layers": ["other.tar"]}
    with pytest.raises(UnsafeArchive, match=f"{sha256(APP.config)} and {sha256(other.config)}"):
        items(archive(tmp_path, [docker_item(APP, "app:1"), listed], **more))


def test_a_config_that_was_renamed_is_refused_with_its_digest(tmp_path: Path) -> None:
    listed = docker_item(APP) | {"Config": f"{'0' * 64}.json"}
    with pytest.raises(Mismatch, match=f"digest is {sha256(APP.config)}, expected sha256:{'0' * 64}"):
        items(archive(tmp_path, [listed], **{f"{'0' * 64}.json": APP.config}))


@pytest.mark.parametrize(
    ("was", "is_"), [("RepoTags", "RepoTagt"), ("Layers", "Lazers"), ("Config", "Kopfig")]
)
def test_a_key_with_one_letter_changed_is_refused_as_damaged(tmp_path: Path, was: str, is_: str) -> None:
    """No digest vouches for manifest.json: without its name an image would be another, nameless one."""
    damaged = encode([docker_item(APP, "app:1")]).replace(was.encode(), is_.encode())
    with pytest.raises(InvalidDocument, match=r"expected|required"):
        items(archive(tmp_path, damaged))


def test_a_path_that_containerd_does_not_find_is_told(tmp_path: Path) -> None:
    listed = docker_item(APP) | {"Config": f"./{docker_item(APP)['Config']}"}
    (item,) = items(archive(tmp_path, [listed]))
    assert "containerd does not find" in item.findings[0].problem


@pytest.mark.parametrize("path", [f"blobs/sha512/{'0' * 128}", f"{'0' * 64}/config.json", "config.json"])
def test_a_path_that_claims_no_digest_is_not_held_to_one(tmp_path: Path, path: str) -> None:
    (item,) = items(archive(tmp_path, [docker_item(APP) | {"Config": path}], **{path: APP.config}))
    assert item.findings == ()


def test_a_name_that_stands_twice_is_one_name(tmp_path: Path) -> None:
    (item,) = items(archive(tmp_path, [docker_item(APP, "app:1", "app:1", "app:2")]))
    assert item.names == ("app:1", "app:2")


@pytest.mark.parametrize(("path", "folder"), [(f"./{A}//layer.tar", A), ("layer.tar", ""), ("a/b/c", "a/b")])
def test_the_folder_of_the_top_layer_is_told_as_it_is_listed(tmp_path: Path, path: str, folder: str) -> None:
    """There Docker's own archives have the v1 ID, also where the file in it is a link."""
    up = "../" * folder.count("/") + ("../" if folder else "")
    link: dict[str, Body] = {path: Link(up + "l"), "l": TWO}
    (item,) = items(archive(tmp_path, [docker_item(APP) | {"Layers": ["l", path]}], **link))
    assert (item.folder, item.layers) == (folder, ("l", "l"))


def test_an_image_without_layers_has_no_folder_of_a_top_layer(tmp_path: Path) -> None:
    (item,) = items(archive(tmp_path, [docker_item(APP) | {"Layers": None}]))
    assert (item.folder, item.layers) == ("", ())


# ── attacks ──


def test_more_images_than_anyone_saves_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeArchive, match="lists 10001 images, expected at most 10000"):
        items(archive(tmp_path, [{"Config": "c", "Layers": []}] * 10_001))


def test_more_names_than_anyone_gives_are_refused(tmp_path: Path) -> None:
    names = [f"a:{number}" for number in range(10_001)]
    with pytest.raises(UnsafeArchive, match="gives 10001 names or more, expected at most 10000"):
        items(archive(tmp_path, [docker_item(APP, *names)]))


def test_ten_thousand_images_of_a_thousand_layers_are_refused_unread(tmp_path: Path) -> None:
    item = docker_item(APP) | {"Layers": ["l"] * 1024}
    with pytest.raises(UnsafeArchive, match="expected at most 4194304"):
        items(archive(tmp_path, [item] * 10_000, l=TWO))


def test_an_image_of_more_layers_than_any_engine_stacks_is_refused(tmp_path: Path) -> None:
    item = docker_item(APP) | {"Layers": ["l"] * 1025}
    with pytest.raises(
        UnsafeArchive, match=r"Layers are 1025, expected at most 1024; \[lading\] layers_limit says so"
    ):
        items(archive(tmp_path, [item], l=TWO))


def test_configs_that_are_huge_together_are_refused(tmp_path: Path) -> None:
    huge = {f"c{number}": bytes(4 << 20) for number in range(17)}
    listed = [docker_item(APP) | {"Config": name} for name in huge]
    with pytest.raises(UnsafeArchive, match="documents of more than 67108864 bytes"):
        items(archive(tmp_path, listed, **huge))


def test_one_huge_config_of_ten_thousand_images_is_refused(tmp_path: Path) -> None:
    """It would be parsed for each of them."""
    with pytest.raises(UnsafeArchive, match="documents of more than 67108864 bytes"):
        items(archive(tmp_path, [docker_item(APP) | {"Config": "c"}] * 10_000, c=bytes(4 << 20)))


def test_configs_of_many_values_together_are_refused(tmp_path: Path) -> None:
    """An empty object is three bytes, and dozens in memory."""
    dense = b"[" + b"{}," * 100_000 + b"{}]"
    with pytest.raises(UnsafeArchive, match="or 2000000 values together"):
        items(archive(tmp_path, [docker_item(APP) | {"Config": "c"}] * 11, c=dense))


def test_the_digest_of_a_config_is_taken_once_for_all_its_names(tmp_path: Path) -> None:
    """It would take minutes otherwise."""
    names = [f"a:{number}" for number in range(10_000)]
    (item,) = items(archive(tmp_path, [docker_item(APP, *names) | {"Config": "c"}], c=bytes(4 << 20)))
    assert str(item.image_id) == sha256(bytes(4 << 20))
