from __future__ import annotations

import json

import pytest

from tests.archives import ONE, image
from tests.pictures import modern
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, MissingMember, NotFound
from toolkit.image import Document, Image, ProvenImage, too_deep
from toolkit.mediatype import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from toolkit.model import Config, Descriptor, Manifest
from toolkit.platform import Platform


def config_of(platform: str, layers: int) -> bytes:
    os, architecture, *variant = platform.split("/")
    rootfs = {"type": "layers", "diff_ids": [str(Digest.of(bytes([number]))) for number in range(layers)]}
    facts = {"os": os, "architecture": architecture, "variant": "".join(variant), "rootfs": rootfs}
    return json.dumps(facts).encode()


def manifest_of(config: bytes, layers: int, config_type: str = OCI_CONFIG) -> bytes:
    blobs = [Descriptor.of(OCI_LAYER, bytes([number])).to_json() for number in range(layers)]
    described = Descriptor.of(config_type, config).to_json()
    return json.dumps({"schemaVersion": 2, "config": described, "layers": blobs}).encode()


def proven(*platforms: str, config_type: str = OCI_CONFIG, without_configs: bool = False) -> ProvenImage:
    documents = {}
    for platform in platforms:
        config = config_of(platform, 2)
        manifest = manifest_of(config, 2, config_type)
        for media_type, raw in ((config_type, config), (OCI_MANIFEST, manifest)):
            if media_type == OCI_MANIFEST or not without_configs:
                described = Descriptor.of(media_type, raw)
                documents[described.digest] = Document(described, raw)
    return ProvenImage(("app:1",), Descriptor.of(OCI_INDEX, b"{}"), documents, ())


def chosen(image: ProvenImage, platform: Platform | None = None) -> str:
    found = image.preferred(platform)
    return str(found.config.platform) if found else ""


def test_an_image_pairs_each_layer_with_its_diff_id() -> None:
    config = config_of("linux/amd64", 2)
    image = Image(Manifest.from_bytes(manifest_of(config, 2)), Config.from_bytes(config))
    assert [(layer.digest, diff_id) for layer, diff_id in image.layers] == [
        (Digest.of(b"\0"), Digest.of(b"\0")),
        (Digest.of(b"\1"), Digest.of(b"\1")),
    ]


def test_unequal_counts_cannot_be_constructed() -> None:
    config = config_of("linux/amd64", 2)
    with pytest.raises(CorruptContent, match=r"has 3 layers and 2 diffIDs$"):
        Image(Manifest.from_bytes(manifest_of(config, 3)), Config.from_bytes(config))


def test_the_images_of_an_index_come_in_its_order() -> None:
    platforms = ["linux/s390x", "linux/amd64", "linux/arm/v7"]
    assert [str(image.config.platform) for image in proven(*platforms).images()] == platforms


def test_the_preferred_image_never_depends_on_this_machine() -> None:
    assert chosen(proven("linux/arm64", "linux/amd64")) == "linux/amd64"
    assert chosen(proven("linux/s390x", "linux/arm64")) == "linux/s390x"
    assert chosen(proven("linux/amd64", "linux/arm64"), Platform("linux", "arm64")) == "linux/arm64"


def test_a_platform_that_is_not_there_gets_no_other_one() -> None:
    with pytest.raises(NotFound, match=r"^platform linux/ppc64: .*; it has linux/arm64, linux/s390x$"):
        proven("linux/s390x", "linux/arm64").preferred(Platform("linux", "ppc64"))


def test_linux_amd64_is_not_taken_for_another_platform_that_was_asked_for() -> None:
    with pytest.raises(NotFound, match=r"^platform linux/arm64: is not in the image; it has linux/amd64"):
        proven("linux/amd64").preferred(Platform("linux", "arm64"))


def test_an_artifact_has_no_image() -> None:
    artifact = proven("linux/amd64", config_type="application/vnd.example.config.v1+json")
    assert artifact.images() == []
    assert artifact.preferred() is None


def test_a_config_that_is_missing_is_named() -> None:
    with pytest.raises(MissingMember, match=r"^config sha256:[0-9a-f]{64}: is not there$"):
        proven("linux/amd64", without_configs=True).images()


@pytest.mark.parametrize(("layers", "is_told"), [(125, False), (126, True)])
def test_an_image_of_more_layers_than_docker_takes_is_told(layers: int, *, is_told: bool) -> None:
    found = too_deep(modern(image(*[ONE] * layers)))
    assert [finding.problem for finding in found] == [f"has {layers} layers, and Docker takes 125 at most"][
        : int(is_told)
    ]
