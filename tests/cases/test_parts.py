"""Cases 5 to 12: what the parts of an archive say of each other, and what manifest.json may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    ONE,
    TWO,
    blob,
    docker_item,
    encode,
    image,
    layout,
    sha256,
)
from tests.pictures import content_of

from .conftest import Tell
from .judging import Judge, archive, ran

VECTORS = Path(__file__).parents[1] / "data" / "vectors"
OCI_ID = "sha256:522c5e0f"
DOCKER_ID = "sha256:9d4a3386"


def test_case_05_two_images_in_one_archive_are_refused_and_one_may_be_preferred(
    judge: Judge, ours: Tell
) -> None:
    path = VECTORS / "two-images.tar"
    found = judge(path)
    assert found.code == 6
    assert OCI_ID in found.error
    assert DOCKER_ID in found.error
    for prefer, image_id in (("docker", DOCKER_ID), ("oci", OCI_ID)):
        one = judge(path, "--prefer", prefer)
        assert one.code == 0
        assert [found_id.startswith(image_id) for found_id, _ in one.images] == [True]
    ours("--prefer docker: 9d4a3386…, --prefer oci: 522c5e0f…")


def test_case_06_a_blob_that_is_not_what_it_is_called_is_refused(judge: Judge) -> None:
    found = judge(VECTORS / "oci-badblob.tar")
    assert found.code == 5
    assert "size is 13, expected 10240" in found.error
    whole = dict(layout(("app:1", image(ONE))))
    assert judge(whole).code == 0
    name = blob(sha256(ONE))
    changed = ONE.replace(b"1", b"2")  # as long, and another
    found = judge({**whole, name: changed})
    assert found.code == 5
    assert f"digest is {sha256(changed)}, expected {sha256(ONE)}" in found.error


def test_case_07_a_layout_of_another_version_is_unsupported(judge: Judge) -> None:
    found = judge(VECTORS / "oci-layout-badversion.tar")
    assert found.code == 4
    assert found.error.endswith("is an OCI image layout of version 1.1.0, expected 1.0.0")


def test_case_08_a_path_with_a_dot_is_accepted_warned_of_and_written_clean(judge: Judge, here: Path) -> None:
    path = VECTORS / "dotslash-config-path.tar"
    found = judge(path)
    assert (found.code, len(found.images)) == (0, 1)
    (warning,) = found.told("warning")
    assert warning == "manifest.json spells a path './c.json', which containerd does not find"
    assert ran("copy", path, here / "clean.tar", "--format", "docker-v1.2").code == 0
    again = judge(here / "clean.tar")
    assert (again.images, again.told("warning")) == (found.images, [])
    assert b'"Config":"./' not in content_of(here / "clean.tar", "manifest.json")


def test_case_09_a_member_that_stands_twice_is_refused_with_both_digests(judge: Judge) -> None:
    found = judge(VECTORS / "dup-config.tar")
    assert found.code == 6
    assert "holds 'c.json' twice" in found.error
    assert "sha256:7f6ad8f1" in found.error
    assert "sha256:8b7f4521" in found.error


def test_case_10_another_number_of_layers_than_diff_ids_is_refused(judge: Judge) -> None:
    app = image(ONE, TWO)
    item = docker_item(app) | {"Config": "c.json", "Layers": ["one.tar"]}
    found = judge({"c.json": app.config, "one.tar": ONE, "manifest.json": encode([item])})
    assert found.code == 5
    assert "has 1 layers in manifest.json, and 2 diffIDs in its config" in found.error


@pytest.mark.parametrize(
    ("manifest", "code"),
    [(b"[]", 0), (b"null", 5), (b"{}", 5), (b"[{}]", 5), (b"[1]", 5), (b"[] and more", 5), (b"[]\n[]", 5)],
    ids=["nothing", "null", "object", "empty item", "number", "text behind", "list behind"],
)
def test_case_11_a_manifest_json_that_lists_nothing_is_empty_and_any_other_form_is_refused(
    judge: Judge, manifest: bytes, code: int
) -> None:
    app = image(ONE)
    found = judge({"c.json": app.config, "one.tar": ONE, "manifest.json": manifest})
    assert found.code == code
    if not code:
        assert (found.images, found.told("warning")) == ([], ["holds no images"])


@pytest.mark.parametrize(
    ("tags", "code", "names"),
    [
        (["A:b"], 5, None),
        (["x@" + sha256(ONE)], 5, None),
        (["x"], 0, ["x:latest"]),  # bazel has written such archives; skopeo and containerd take them
        (None, 0, []),
    ],
    ids=["upper case", "digest", "no tag", "null"],
)
def test_case_12_a_name_that_is_none_is_refused_before_anything_is_stored(
    judge: Judge, here: Path, tags: Any, code: int, names: list[str] | None
) -> None:
    app = image(ONE)
    item = {"Config": "c.json", "RepoTags": tags, "Layers": ["one.tar"]}
    found = judge(archive(here, [item], {"c.json": app.config, "one.tar": ONE}))
    assert found.code == code
    if code:
        assert not list(found.store.glob("blobs/*/*"))
        return
    assert found.names == names
    warnings = ["names an image 'x' without a tag; Docker refuses the archive"] if names else []
    assert found.told("warning") == warnings
