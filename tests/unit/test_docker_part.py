from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.archives import ONE, TWO, Body, Link, docker_item, encode, image, layout, sha256, written
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import items
from toolkit.errors import InvalidDocument, MissingMember, ToolkitError, UnsafeArchive

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
    with pytest.raises(InvalidDocument, match=r"\[0\]\.RepoTags\[0\]"):
        items(archive(tmp_path, [docker_item(APP, name)]))


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


def test_a_config_that_was_renamed_is_told_with_its_digest(tmp_path: Path) -> None:
    listed = docker_item(APP) | {"Config": f"{'0' * 64}.json"}
    (item,) = items(archive(tmp_path, [listed], **{f"{'0' * 64}.json": APP.config}))
    assert sha256(APP.config) in item.findings[0].problem


def test_a_path_that_containerd_does_not_find_is_told(tmp_path: Path) -> None:
    listed = docker_item(APP) | {"Config": f"./{docker_item(APP)['Config']}"}
    (item,) = items(archive(tmp_path, [listed]))
    assert "containerd does not find" in item.findings[0].problem
