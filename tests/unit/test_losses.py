"""What stays behind where no manifest is kept, each told by the digest or platform that nobody will find."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.archives import LAYER, ONE, TWO, A, B, Picture, artifact, described, encode, image, index, sha256
from tests.pictures import legacy, modern
from toolkit.ancestry import Layersize, V1Layer
from toolkit.bundles import docker_v1, docker_v1_2
from toolkit.bundles.losses import lost_as_v1, lost_layersizes, lost_manifest, lost_platforms, lost_referrers
from toolkit.image import Document, Finding, ProvenImage, Referrer
from toolkit.model import Descriptor, Manifest

AMD, ARM = image(ONE, config={"Env": ["A=b"]}), image(TWO, architecture="arm64")
HISTORY = [{"created": "2020-01-01T00:00:00Z", "created_by": "x"}]


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.severity, finding.problem) for finding in findings]


def attested() -> Picture:
    """An index of an image and BuildKit's attestation beside it, which borrows a config's media type."""
    statement = b'{"predicate":{}}'
    config = encode({"architecture": "unknown", "os": "unknown", "rootfs": {"diff_ids": []}})
    raw = encode(
        {
            "schemaVersion": 2,
            "config": described(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [described(statement, "application/vnd.in-toto+json")],
        }
    )
    blobs = {sha256(each): each for each in (raw, config, statement)}
    return index(AMD, Picture(raw, blobs=blobs, platform={"architecture": "unknown", "os": "unknown"}))


def test_the_platforms_that_stay_behind_are_named_and_not_the_one_that_goes() -> None:
    for both in (index(AMD, ARM), index(ARM, AMD)):
        expected = [("warning", "loses its other platforms in x: linux/arm64")]
        assert told(lost_platforms(modern(both, "app:1"), "x")) == expected


def accompanied(*names: str) -> ProvenImage:
    sbom = modern(artifact(AMD, b"sbom"))
    one = Referrer(sbom.top, sbom.documents, sbom.blobs)
    return replace(modern(AMD, *names), referrers=(one, one))


def test_what_refers_to_an_image_stays_behind_and_is_told() -> None:
    problem = "loses what refers to it in x: 2, such as signatures and SBOMs"
    assert lost_referrers(accompanied("app:1", "app:2"), "x") == [Finding("image app:1, app:2", problem)]
    assert lost_referrers(accompanied(), "x") == [Finding(f"image {AMD.digest}", problem)]
    assert lost_referrers(modern(AMD, "app:1"), "x") == []
    for where in (docker_v1, docker_v1_2):
        assert problem.replace(" x:", f" {where.NAME}:") in [
            one.problem for one in where.losses(accompanied("app:1"))
        ]


@pytest.mark.parametrize("picture", [AMD, ARM, index(AMD)])
def test_one_platform_alone_loses_none(picture: Picture) -> None:
    assert lost_platforms(modern(picture, "app:1"), "x") == []


def test_what_an_index_lists_besides_images_is_counted() -> None:
    expected = [("warning", "loses what its index lists besides images in x: 1")]
    assert told(lost_platforms(modern(attested(), "app:1"), "x")) == expected


def test_the_digest_that_nobody_finds_any_more_is_told() -> None:
    both = index(AMD, ARM)
    docker = image(ONE, media_types=["application/vnd.docker.image.rootfs.diff.tar"])
    assert told(lost_manifest(modern(docker, "app:1"), "x")) == [
        ("note", f"loses its manifest {docker.digest}: x keeps none")
    ]
    assert told(lost_manifest(modern(AMD, "app:1"), "x")) == []  # whoever makes one makes the same
    assert told(lost_manifest(modern(both, "app:1"), "x")) == [
        ("note", f"loses its index {both.digest}: x keeps none")
    ]


def test_v1_layers_give_no_manifest_back_that_was_not_made_of_them() -> None:
    found = told(lost_as_v1(modern(image(ONE, history=HISTORY), "app:1"), "x"))
    assert [problem for _, problem in found if problem.startswith("loses its manifest")]


def test_what_was_a_legacy_image_has_no_manifest_to_lose() -> None:
    assert lost_as_v1(legacy(["app:1"], [A, B], {A: ONE}), "x") == []


def test_recorded_layersizes_are_told_where_there_are_any() -> None:
    image_ = legacy(["app:1"], [A, B], {A: ONE})
    assert lost_layersizes(image_, "x") == []
    assert told(lost_layersizes(with_layersize(image_), "x")) == [
        ("note", "loses its recorded layersizes: x has no place for them")
    ]


def with_layersize(proven: ProvenImage) -> ProvenImage:
    """Return a legacy image whose base layer has a layersize."""
    (picture,) = proven.images()
    base, *others = picture.manifest.layers
    layer = V1Layer.from_annotations(base.annotations, "")
    assert layer is not None
    sized = replace(layer, layersize=Layersize("1", "aufs", "S3")).annotations()
    body = {
        "schemaVersion": 2,
        "config": picture.manifest.config.to_json(),
        "layers": [each.to_json() for each in (replace(base, annotations=sized), *others)],
    }
    manifest = Manifest.from_bytes(encode(body))
    documents = {
        **proven.documents,
        manifest.descriptor.digest: Document(manifest.descriptor, manifest.raw),
    }
    del documents[proven.top.digest]
    return replace(proven, top=manifest.descriptor, documents=documents)


def test_a_manifest_that_every_reader_makes_again_is_not_lost_in_docker_v1_2() -> None:
    config = Descriptor.of("application/vnd.oci.image.config.v1+json", AMD.config)
    layer = Descriptor.of(LAYER, ONE)
    made = encode(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config.to_json(),
            "layers": [layer.to_json()],
        }
    )
    again = Picture(made, blobs={**AMD.blobs, sha256(made): made})
    other = Picture(made + b"\n", blobs={**AMD.blobs, sha256(made + b"\n"): made + b"\n"})
    assert docker_v1_2.losses(modern(again, "app:1")) == []
    assert told(docker_v1_2.losses(modern(other, "app:1"))) == [
        ("note", f"loses its manifest {other.digest}: docker-v1.2 keeps none")
    ]


def test_docker_v1_loses_the_platforms_the_index_and_the_layersizes() -> None:
    both = index(image(ONE, history=HISTORY), image(TWO, architecture="arm64"))
    found = told(docker_v1.losses(modern(both, "app:1")))
    assert ("warning", "loses its other platforms in docker-v1: linux/arm64") in found
    assert ("note", f"loses its index {both.digest}: docker-v1 keeps none") in found
    sized = with_layersize(legacy(["app:1"], [A], {A: ONE}))
    assert told(docker_v1.losses(sized)) == [
        ("note", "loses its recorded layersizes: docker-v1 has no place for them")
    ]
