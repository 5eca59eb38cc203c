from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, Body, Picture, docker_item, encode, image, index, layout, sha256, written
from toolkit.bundles import create_bundle, open_bundle
from toolkit.bundles.oci_reader import OciBundle
from toolkit.errors import Mismatch, MissingMember, UnsafeArchive, Unsupported
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify

VECTORS = Path(__file__).parents[1] / "data" / "vectors"
APP, OTHER = image(ONE), image(TWO)


def bundle(folder: Path, members: dict[str, Body], prefer: str = "") -> OciBundle:
    source = open_bundle(written(folder / "a.tar", members), prefer)
    assert isinstance(source, OciBundle)
    return source


def test_what_skopeo_wrote_is_read() -> None:
    source = open_bundle(VECTORS / "skopeo-oci-archive.tar")
    report = verify(source)
    assert report.ok
    (image_,) = report.images[0].images()
    assert source.listings()[0].names == ("tagA",)
    assert str(image_.config.image_id).startswith("sha256:53429c67c0ece")  # as skopeo named the blob


def test_two_images_in_one_archive_are_refused_by_both_their_ids() -> None:
    source = open_bundle(VECTORS / "two-images.tar")
    for ask in (source.listings, lambda: source.image("two:1"), lambda: source.identify("two:1")):
        with pytest.raises(UnsafeArchive, match=r"sha256:522c5e0f.*'two:1'.*sha256:9d4a3386"):
            ask()


@pytest.mark.parametrize(("prefer", "image_id"), [("docker", "9d4a3386"), ("oci", "522c5e0f")])
def test_the_one_that_is_preferred_is_read(prefer: str, image_id: str) -> None:
    source = open_bundle(VECTORS / "two-images.tar", prefer)
    report = verify(source, ["two:1"])
    assert report.ok
    assert str(report.images[0].images()[0].config.image_id).startswith(f"sha256:{image_id}")


def test_a_layout_of_another_version_is_unsupported() -> None:
    with pytest.raises(Unsupported, match=r"version 1\.1\.0, expected 1\.0\.0"):
        open_bundle(VECTORS / "oci-layout-badversion.tar").listings()


def test_a_blob_of_other_bytes_is_refused() -> None:
    with pytest.raises(Mismatch, match="size is 13, expected 10240"):
        open_bundle(VECTORS / "oci-badblob.tar").image("two:1")


def test_an_image_that_docker_25_saved_without_a_name_is_read(tmp_path: Path) -> None:
    files: dict[str, Body] = dict(layout(("", APP)))
    files["index.json"] = b'{"schemaVersion":2,"manifests":null}'
    source = open_bundle(written(tmp_path / "a.tar", files | {"manifest.json": encode([docker_item(APP)])}))
    assert [line.id for line in source.listings()] == [sha256(APP.config)]


def test_what_is_odd_about_the_archive_is_told_with_the_image(tmp_path: Path) -> None:
    files: dict[str, Body] = dict(layout(("app:1", APP), ("", OTHER)))
    files["index.json"] = layout(("app:1", APP))["index.json"]
    manifest = encode([docker_item(APP, "app:1"), docker_item(OTHER)])
    (finding,) = bundle(tmp_path, files | {"manifest.json": manifest}).image("app:1").findings
    assert f"{sha256(OTHER.config)}, without a name, in manifest.json only" in finding.problem


def test_an_image_that_is_not_whole_does_not_hide_the_others(tmp_path: Path) -> None:
    files = layout(("app:1", APP), ("gone:1", index(OTHER)))
    del files[f"blobs/{OTHER.digest.replace(':', '/')}"]
    source = bundle(tmp_path, {**files, "manifest.json": encode([docker_item(APP, "app:1")])})
    assert source.image("app:1").names == ("app:1",)
    with pytest.raises(MissingMember):
        source.image("gone:1")


@pytest.mark.parametrize("name", ["docker-29-containerd", "docker-29-overlay2"])
def test_what_docker_29_saved_is_read(corpus: Path, name: str) -> None:
    source = open_bundle(corpus / "bundles" / f"{name}.tar")
    (line,) = source.listings()
    assert line.names == ("ubuntu:14.04", "ubuntu:trusty")
    assert line.id == "sha256:5b329b596366519f28fc2233ef2199e77f495064e5012315649e9b5fbf5efc00"
    assert verify(source).findings == ()


def disordered(*named: str) -> dict[str, Body]:
    """As Docker 25.0 saved an image of three layers, two of them the same: a set in the order of a map."""
    right = image(ONE, TWO, ONE)
    manifest = json.loads(right.raw)
    manifest["layers"] = [manifest["layers"][1], manifest["layers"][0]]
    wrong = Picture(
        encode(manifest), right.media_type, right.blobs | {sha256(encode(manifest)): encode(manifest)}, {}
    )
    files: dict[str, Body] = dict(layout(*((name, wrong) for name in named)))
    return {**files, "manifest.json": encode([docker_item(right, *named)])}


def test_the_order_of_the_config_counts_where_docker_25_lost_it(tmp_path: Path) -> None:
    source = open_bundle(written(tmp_path / "a.tar", disordered("app:1")))
    right = image(ONE, TWO, ONE)
    found = source.image("app:1")
    assert any("out of order, as Docker 25.0 wrote them" in finding.problem for finding in found.findings)
    copy(source, create_bundle(tmp_path / "b.tar"), ["app:1"])
    (again,) = verify(open_bundle(tmp_path / "b.tar")).images
    assert str(again.top.digest) == right.digest  # the manifest that Docker would have written in order
    assert [str(layer.digest) for layer, _ in again.images()[0].layers] == [
        sha256(ONE),
        sha256(TWO),
        sha256(ONE),
    ]
