"""Which engines load what: the matrix of `docker load` (formats D.1), and what engines did (peers 3a, 11-14, 22)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.archives import MANIFEST, ONE, TWO, Picture, described, encode, image, index, sha256, signature
from tests.archives import artifact as referring
from tests.pictures import modern
from toolkit.bundles import FORMATS
from toolkit.bundles.engines import Engines
from toolkit.image import ProvenImage, Referrer

ALL = Engines(((0, 7), (29, 0)), ("podman", "containerd", "skopeo", "crane"))
NEW = Engines(((1, 10), (29, 0)), ("podman", "skopeo"))
LAYOUT = Engines(None, ("podman", "containerd", "skopeo"), layout_only=True)


def packed(*compressions: str) -> ProvenImage:
    return replace(modern(image(ONE), "app:1"), compressions=frozenset(compressions))


def artifact() -> ProvenImage:
    config = described(b"{}", "application/vnd.example.config")
    raw = encode({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []})
    return modern(Picture(raw, MANIFEST, {sha256(each): each for each in (raw, b"{}")}), "chart:1")


def test_the_first_and_the_last_docker_are_told_by_the_numbers_they_have() -> None:
    assert str(ALL) == "Docker 0.7-29, podman, containerd, skopeo, crane"
    assert str(NEW) == "Docker 1.10-29, podman, skopeo"
    assert str(LAYOUT) == "podman, containerd, skopeo"
    assert str(Engines(None)) == "no engine"


@pytest.mark.parametrize("compressions", [(), ("",), ("gzip",), ("", "gzip")], ids=str)
def test_plain_and_gzip_are_read_by_all(compressions: tuple[str, ...]) -> None:
    assert ALL.of([packed(*compressions)]) == ALL


def test_zstd_is_read_by_docker_from_23_on() -> None:
    assert ALL.of([packed("zstd"), packed("")]).names() == ["Docker 23-29", *ALL.others]
    assert LAYOUT.of([packed("zstd")]).names() == list(LAYOUT.others)


@pytest.mark.parametrize("compression", ["xz", "bzip2"])
def test_xz_and_bzip2_are_not_read_by_containerd_nor_by_docker_over_it(compression: str) -> None:
    assert ALL.of([packed(""), packed("", compression)]).names() == ["Docker 0.7-28", "podman", "skopeo"]


def test_zstd_beside_xz_leaves_the_dockers_that_read_both() -> None:
    assert ALL.of([packed("zstd", "xz")]).names() == ["Docker 23-28", "podman", "skopeo"]
    last = Engines(((0, 7), (20, 10)))
    assert last.of([packed("zstd")]).names() == []


def test_an_image_without_layers_needs_a_docker_with_configs() -> None:
    assert ALL.of([modern(image(), "empty:1")]).names()[0] == "Docker 1.10-29"
    assert NEW.of([modern(image(), "empty:1")]) == NEW


def test_an_artifact_is_loaded_by_no_docker() -> None:
    assert ALL.of([artifact()]).names() == list(ALL.others)
    assert ALL.of([modern(image(ONE), "app:1"), artifact()]).docker is None


def test_what_refers_to_an_image_keeps_no_engine_from_it_but_podman_from_a_layout() -> None:
    sbom = modern(referring(image(ONE), b"sbom"))
    tag, picture = signature(image(ONE))
    alone, signed = modern(image(ONE), "app:1"), modern(picture, f"app:{tag}")
    assert ALL.of([alone, sbom]) == ALL
    assert LAYOUT.of([alone, sbom]).names() == ["containerd", "skopeo"]
    assert ALL.of([modern(image(TWO), "other:1"), sbom]).docker is None
    one, other = (Referrer(each.top, each.documents, each.blobs) for each in (sbom, signed))
    assert LAYOUT.of([replace(alone, referrers=(one,))]).names() == ["containerd", "skopeo"]
    without_containerd = ["Docker 0.7-29", "podman", "skopeo", "crane"]  # ctr unpacks whatever has a name
    assert ALL.of([alone, signed]).names() == without_containerd
    assert ALL.of([replace(alone, referrers=(replace(other, tags=(tag,)),))]).names() == without_containerd


def test_podman_finds_nothing_in_a_layout_of_several_entries() -> None:
    one, other = modern(image(ONE), "a:1"), modern(image(TWO), "b:1")
    assert LAYOUT.of([one]).names() == ["podman", "containerd", "skopeo"]
    assert LAYOUT.of([one, other]).names() == ["containerd", "skopeo"]
    assert LAYOUT.of([modern(image(ONE), "a:1", "a:2")]).names() == ["containerd", "skopeo"]
    assert LAYOUT.of([one, one]).names() == ["podman", "containerd", "skopeo"]
    assert ALL.of([one, other]) == ALL


def test_of_an_index_the_platform_that_is_shown_counts() -> None:
    both = modern(index(image(architecture="arm64"), image(ONE)), "app:1")
    assert ALL.of([both]) == ALL


def test_without_images_nothing_is_narrowed() -> None:
    assert [engines.of([]) for engines in (ALL, NEW, LAYOUT)] == [
        ALL, NEW, Engines(None, LAYOUT.others),
    ]  # fmt: skip


def test_the_dockers_of_each_format_are_those_whose_load_reads_it() -> None:
    dockers = {format_.name: format_.engines.docker for format_ in FORMATS}
    assert dockers == {
        "universal": ((0, 7), (29, 0)),
        "docker": ((1, 10), (29, 0)),
        "docker-v1.2": ((1, 10), (29, 0)),
        "docker-v1": ((0, 7), (28, 0)),  # refused from 29.0 on
        "oci": None,  # dockerd with containerd reads layouts, and one without it does not
        "dir": None,
    }
