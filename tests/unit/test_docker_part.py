from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.archives import ONE, TWO, Body, Link, docker_item, encode, image, layout, sha256, written
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import DockerPart, items
from toolkit.bundles.ocilayout import OciImages
from toolkit.errors import InvalidDocument, MissingMember, ToolkitError, UnsafeArchive, Unsupported

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


def test_its_images_are_shown_as_a_layout(tmp_path: Path) -> None:
    found = OciImages(DockerPart(archive(tmp_path, [docker_item(APP, "app:1", "app:2")])), "x")
    (line,) = found.listings()
    assert (line.names, line.id) == (("app:1", "app:2"), sha256(APP.config))
    assert [layer.key for layer in found.image("app:1").layers] == [sha256(ONE), sha256(TWO)]


def test_a_layer_whose_name_tells_no_digest_is_not_read_yet(tmp_path: Path) -> None:
    listed = docker_item(APP) | {"Layers": ["1.tar", "2.tar"]}
    with pytest.raises(Unsupported, match=r"1\.tar"):
        DockerPart(archive(tmp_path, [listed], **{"1.tar": ONE, "2.tar": TWO}))
