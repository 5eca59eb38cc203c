from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.archives import ONE, A, Body, Link, docker_item, encode, image, layout, v1_folder, written
from tests.descriptors import open_descriptors
from toolkit.bundles import DEFAULT, FORMATS, create_bundle, engines, open_bundle, recognise
from toolkit.bundles.archive_reader import Archive
from toolkit.errors import MissingMember, NotFound, Unsupported, UsageError
from toolkit.mediatype import DOCKER_MANIFEST
from toolkit.operations.copy import copy
from toolkit.stores.sample import sample_store

APP = image(ONE)
LAYOUT: dict[str, Body] = dict(layout(("app:1", APP)))
NAMES = (["app:1"], ["app:1", "app:2"])
MANIFEST: dict[str, Body] = {"manifest.json": encode([docker_item(APP, "app:1")])}


@pytest.mark.parametrize(
    ("members", "name"),
    [
        (LAYOUT, "oci"),
        (LAYOUT | MANIFEST, "docker"),
        (LAYOUT | MANIFEST | v1_folder(A), "universal"),
        (MANIFEST, "docker-v1.2"),
        (v1_folder(A) | MANIFEST, "docker-v1.2"),
        ({"version": b"Directory Transport Version: 1.1\n", "manifest.json": b"{}"}, "dir"),
        ({name: body for name, body in LAYOUT.items() if name != "oci-layout"}, "oci"),
        (v1_folder(A), "docker-v1"),
        (v1_folder(A) | {"repositories": b"{}"}, "docker-v1"),
        ({f"./{name}": body for name, body in LAYOUT.items()}, "oci"),
    ],
)
def test_a_format_is_recognised_by_the_names_in_it(
    tmp_path: Path, members: dict[str, Body], name: str
) -> None:
    with Archive(written(tmp_path / "a.tar", members)) as archive:
        assert recognise(archive.index).name == name


@pytest.mark.parametrize("format_", [each for each in FORMATS if each.members_of], ids=lambda each: each.name)
def test_a_format_recognises_its_own_bundle(tmp_path: Path, format_: object) -> None:
    name = getattr(format_, "name", "")
    path = tmp_path / "bundle.tar"
    copy(sample_store(tmp_path), create_bundle(path, name), ["ubuntu:14.04"])
    with Archive(path) as archive:
        assert recognise(archive.index) is format_


def test_who_loads_a_bundle_depends_on_what_is_in_it(tmp_path: Path) -> None:
    source = open_bundle(written(tmp_path / "a.tar", layout(("app:1", APP), ("app:2", APP))))
    one, two = (copy(source, create_bundle(tmp_path / "b", "oci"), names) for names in NAMES)
    assert engines("oci", one) == ["podman", "containerd", "skopeo"]
    assert engines("oci", two) == ["containerd", "skopeo"]  # podman load takes no second name
    assert engines("universal", two) == engines("universal", one)
    docker_types = [replace(each, top=replace(each.top, media_type=DOCKER_MANIFEST)) for each in two]
    assert engines("oci", docker_types) == ["containerd"]  # skopeo finds those by no name
    docker_type = [replace(each, top=replace(each.top, media_type=DOCKER_MANIFEST)) for each in one]
    assert engines("oci", docker_type) == engines("oci", one)
    assert engines("docker", docker_types) == engines("docker", one)


def test_the_default_is_written() -> None:
    assert [each.name for each in FORMATS if each.name == DEFAULT and each.members_of] == [DEFAULT]


@pytest.mark.parametrize("members", [{"etc/passwd": b"root"}, {"json": b"", "layer.tar": b""}, {}])
def test_a_tar_without_an_image_is_named(tmp_path: Path, members: dict[str, Body]) -> None:
    with pytest.raises(Unsupported, match="a tar archive without an image in it, not an image bundle"):
        open_bundle(written(tmp_path / "a.tar", members))


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_bundle(tmp_path / "none.tar")


def test_an_unknown_preference_or_format_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="docker or oci"):
        open_bundle(tmp_path, "podman")
    with pytest.raises(UsageError, match="universal"):
        create_bundle(tmp_path / "x", "zip")


def test_a_bundle_that_is_refused_is_closed(tmp_path: Path) -> None:

    before = open_descriptors()
    with pytest.raises(Unsupported):
        open_bundle(written(tmp_path / "a.tar", {"x": b""}))
    with pytest.raises(MissingMember):
        open_bundle(
            written(tmp_path / "a.tar", {**LAYOUT, **MANIFEST, "index.json": Link("gone")})
        ).listings()
    assert open_descriptors() == before
