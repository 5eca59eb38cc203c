"""Which engine loads what: formats D.1 (Docker's versions), E.1 (compressions), peers 3a (measured)."""

from __future__ import annotations

import pytest

from tests.archives import LAYER, ONE, Picture, described, encode, image, sha256
from tests.pictures import modern
from toolkit.bundles.engines import CONTAINERD, CRANE, PODMAN, SKOPEO, Engines
from toolkit.image import ProvenImage

EVERY = (PODMAN, CONTAINERD, SKOPEO, CRANE)
ALL = Engines(((0, 7), (29, 0)), EVERY)
V1 = Engines(((0, 7), (28, 0)))
NO_DOCKER = Engines(None, (PODMAN, SKOPEO))


def of(compression: str = "", picture: Picture | None = None) -> ProvenImage:
    proven = modern(picture or image(ONE), "app:1")
    return ProvenImage(proven.names, proven.top, proven.documents, proven.blobs, (), frozenset({compression}))


CHART = encode(
    {
        "schemaVersion": 2,
        "config": described(b"{}", "application/vnd.example.config"),
        "layers": [described(b"chart", "application/vnd.example.chart")],
    }
)
ARTIFACT = Picture(CHART, image(ONE).media_type, {sha256(each): each for each in (CHART, b"{}", b"chart")})


@pytest.mark.parametrize(
    ("engines", "text"),
    [
        (ALL, "Docker 0.7-29, podman, containerd, skopeo, crane"),
        (Engines(((1, 10), (29, 0)), EVERY), "Docker 1.10-29, podman, containerd, skopeo, crane"),
        (V1, "Docker 0.7-28"),
        (NO_DOCKER, "podman, skopeo"),
        (Engines(None), "no engine"),
    ],
)
def test_engines_are_named_as_people_call_them(engines: Engines, text: str) -> None:
    assert str(engines) == text


@pytest.mark.parametrize(
    ("compression", "engines"),
    [
        ("", "Docker 0.7-29, podman, containerd, skopeo, crane"),
        ("gzip", "Docker 0.7-29, podman, containerd, skopeo, crane"),
        ("zstd", "Docker 23-29, podman, containerd, skopeo, crane"),
        ("xz", "Docker 0.7-28, podman, skopeo"),
        ("bzip2", "Docker 0.7-28, podman, skopeo"),
    ],
)
def test_a_compression_leaves_those_that_unpack_it(compression: str, engines: str) -> None:
    assert str(ALL.of([of(compression)])) == engines


def test_all_images_count() -> None:
    assert str(ALL.of([of("zstd"), of("xz")])) == "Docker 23-28, podman, skopeo"
    assert ALL.of([]) == ALL


def test_where_no_docker_is_left_none_is_named() -> None:
    assert str(Engines(((0, 7), (20, 0)), (PODMAN,)).of([of("zstd")])) == "podman"
    assert str(V1.of([of(picture=ARTIFACT)])) == "no engine"
    assert str(NO_DOCKER.of([of("zstd")])) == "podman, skopeo"


def test_an_artifact_is_nothing_that_docker_loads() -> None:
    assert str(ALL.of([of(), of(picture=ARTIFACT)])) == "podman, containerd, skopeo, crane"


def test_an_image_without_layers_needs_an_engine_with_configs() -> None:
    assert str(ALL.of([of(picture=image())])) == "Docker 1.10-29, podman, containerd, skopeo, crane"


def test_the_type_of_a_layer_says_nothing_its_bytes_do() -> None:
    picture = image(ONE, media_types=[f"{LAYER}+zstd"])
    assert ALL.of([of("", picture)]) == ALL
