from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.archives import (
    LAYER,
    ONE,
    TWO,
    A,
    Body,
    Picture,
    blob,
    described,
    docker_item,
    encode,
    image,
    index,
    layout,
    sha256,
    v1_folder,
    written,
)
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


# ── attacks ──


def oci(*pictures: Picture, **more: Body) -> dict[str, Body]:
    return {**layout(*(("", picture) for picture in pictures)), **more}


def annotated(picture: Picture, many: int) -> list[Picture]:
    """Return manifests of one image that differ in an annotation alone."""
    body = json.loads(picture.raw)
    raws = [encode({**body, "annotations": {"number": str(number)}}) for number in range(many)]
    return [Picture(raw, picture.media_type, {**picture.blobs, sha256(raw): raw}) for raw in raws]


@pytest.mark.parametrize("beside", [{}, {"manifest.json": b"[]"}], ids=["oci", "docker"])
def test_one_huge_config_of_many_manifests_is_refused(tmp_path: Path, beside: dict[str, Body]) -> None:
    """It would be parsed for each of them."""
    huge = annotated(image(ONE, pad="x" * 4_000_000), 30)
    with pytest.raises(UnsafeArchive, match="documents of more than 67108864 bytes"):
        open_bundle(written(tmp_path / "a.tar", oci(*huge, **beside))).listings()


@pytest.mark.parametrize("beside", [{}, {"manifest.json": b"[]"}], ids=["oci", "docker"])
def test_configs_of_many_values_together_are_refused(tmp_path: Path, beside: dict[str, Body]) -> None:
    """All images of an archive are compared with its other parts; so all of them are held in memory."""
    dense = [image(ONE, number=number, junk=[[]] * 90_000) for number in range(12)]
    with pytest.raises(UnsafeArchive, match="or 2000000 values together"):
        open_bundle(written(tmp_path / "a.tar", oci(*dense, **beside))).listings()


def test_an_archive_that_was_refused_is_refused_again() -> None:
    source = open_bundle(VECTORS / "two-images.tar")
    for _ in range(2):
        with pytest.raises(UnsafeArchive):
            source.image("two:1")


def test_thousands_of_images_that_only_manifest_json_has_are_one_warning(tmp_path: Path) -> None:
    """It would be told of each, with each image."""
    configs: dict[str, Body] = {f"c{number}": image(ONE, number=number).config for number in range(3000)}
    listed = [{"Config": name, "RepoTags": None, "Layers": [blob(sha256(ONE))]} for name in configs]
    members = {**oci(APP), **configs, "manifest.json": encode([docker_item(APP), *listed])}
    (finding,) = bundle(tmp_path, members).image(APP.digest).findings
    first = sha256(configs["c0"]) if isinstance(configs["c0"], bytes) else ""
    assert f"has {first} and 2999 other images, without a name, in manifest.json only" in finding.problem


def test_a_preference_for_a_part_that_is_not_there_settles_nothing(tmp_path: Path) -> None:
    """The layout and a v1 folder tell two images, and no manifest.json says which."""
    members = {**dict(layout(("app:1", APP))), **v1_folder(A, layer=TWO)}
    for prefer in ("", "docker"):
        with pytest.raises(UnsafeArchive, match="of no such image"):
            bundle(tmp_path, members, prefer).listings()
    assert bundle(tmp_path, members, "oci").image("app:1").names == ("app:1",)


def test_an_image_with_diff_ids_that_no_engine_reads_does_not_hide_the_others(tmp_path: Path) -> None:
    odd = image(TWO, diff_ids=[f"sha512:{'0' * 128}"])
    source = bundle(tmp_path, dict(layout(("app:1", APP), ("odd:1", odd))))
    assert verify(source, ["app:1"]).ok
    with pytest.raises(Unsupported, match="has a diffID of sha512, expected sha256"):
        source.image("odd:1")


# ── Docker 25.0, whose manifests have their layers in the order of a map, each once (formats D.3.2, case 17) ──


def disordered(picture: Picture, *layers: bytes) -> Picture:
    """Return the image as Docker 25.0 wrote it: its config, and a manifest of these layers in this order."""
    body = json.loads(picture.raw)
    body["layers"] = [described(layer, LAYER) for layer in layers]
    raw = encode(body)
    return Picture(raw, picture.media_type, {**picture.blobs, sha256(raw): raw})


RIGHT = image(ONE, TWO, ONE)
WRONG = [disordered(RIGHT, ONE, TWO), disordered(RIGHT, TWO, ONE), disordered(RIGHT, ONE, ONE, TWO)]


@pytest.mark.parametrize("wrong", WRONG, ids=["each once", "each once, otherwise", "out of order"])
def test_an_archive_of_docker_25_0_is_read_in_the_order_of_the_config(tmp_path: Path, wrong: Picture) -> None:
    members = {**dict(layout(("app:1", wrong))), "manifest.json": encode([docker_item(RIGHT, "app:1")])}
    source = open_bundle(written(tmp_path / "a.tar", members))
    report = verify(source)
    (picture,) = report.images[0].images()
    assert report.ok
    assert [str(layer.digest) for layer, _ in picture.layers] == [sha256(ONE), sha256(TWO), sha256(ONE)]
    assert picture.config.raw == RIGHT.config
    assert any("out of order, as Docker 25.0 wrote them" in finding.problem for finding in report.findings)
    copy(source, create_bundle(tmp_path / "new.tar", "docker"), ["app:1"])
    assert verify(open_bundle(tmp_path / "new.tar")).findings == ()


def test_one_disordered_image_does_not_hide_that_another_is_two(tmp_path: Path) -> None:
    """containerd would load APP as app:1 from here, and Docker OTHER."""
    members = {**dict(layout(("old:1", WRONG[0]), ("app:1", APP), ("", OTHER)))}
    listed = [docker_item(RIGHT, "old:1"), docker_item(OTHER, "app:1")]
    with pytest.raises(UnsafeArchive, match=f"{sha256(APP.config)} as 'app:1'.*{sha256(OTHER.config)}"):
        open_bundle(written(tmp_path / "a.tar", {**members, "manifest.json": encode(listed)}))


@pytest.mark.parametrize("layers", [[TWO, ONE, ONE], [ONE, TWO], [ONE, TWO, TWO]])
def test_a_disordered_image_has_the_layers_of_its_config_and_no_others(
    tmp_path: Path, layers: list[bytes]
) -> None:
    item = docker_item(RIGHT, "app:1") | {"Layers": [blob(sha256(layer)) for layer in layers]}
    members = {**dict(layout(("app:1", WRONG[0]))), "manifest.json": encode([item])}
    with pytest.raises(UnsafeArchive, match=r"with other layers in manifest\.json"):
        open_bundle(written(tmp_path / "a.tar", members))
