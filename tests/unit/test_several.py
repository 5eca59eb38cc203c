"""Platforms that several images of an index are for."""

from __future__ import annotations

from tests.archives import ONE, Picture, image
from toolkit.bundles.several import several_for_one
from toolkit.digest import Digest
from toolkit.image import Image
from toolkit.model import Config, Descriptor, Manifest

TOP = Descriptor("application/vnd.oci.image.index.v1+json", Digest.of(b"top"), 3)


def pair(picture: Picture) -> tuple[Descriptor, Image]:
    manifest = Manifest.from_bytes(picture.raw)
    return manifest.descriptor, Image(manifest, Config.from_bytes(picture.config))


def test_each_platform_of_several_images_is_told_once() -> None:
    pictures = [image(ONE, author=str(number)) for number in range(3)] + [image(ONE, architecture="arm64")]
    (told,) = several_for_one(TOP, map(pair, pictures))
    assert told.subject == f"index {TOP.digest}"
    assert told.problem.startswith("has 3 images for linux/amd64; ")


def test_one_image_in_two_manifests_is_one() -> None:
    assert list(several_for_one(TOP, [pair(image(ONE)), pair(image(ONE))])) == []
