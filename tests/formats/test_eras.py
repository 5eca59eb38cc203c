"""What Docker 0.6.7 to 1.9.1 saved is the image that Docker 20.10 makes of it; of CamelCase jsons, a fuller one."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.archives import sha256
from tests.eras import (
    BASE,
    CAMEL,
    ERAS,
    IMAGE_IDS,
    LOSSY_IDS,
    MIDDLE,
    OTHER,
    TOP,
    layer_tar,
    saved_by,
    v1_json,
)
from tests.pictures import content_of, found_in
from toolkit.bundles import create_bundle, open_bundle
from toolkit.bundles.docker_v1_reader import V1Bundle
from toolkit.errors import InvalidDocument
from toolkit.image import Finding, ProvenImage
from toolkit.model import Config
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.ports import Source
from toolkit.stores.layout import LayoutStore

CAMELS = [version for version, era in ERAS.items() if era.form == CAMEL]


def opened(folder: Path, content: bytes, *, docker_compatible: bool = False) -> V1Bundle:
    path = folder / "saved.tar"
    path.write_bytes(content)
    source = open_bundle(path)
    assert isinstance(source, V1Bundle)
    source.docker_compatible = docker_compatible
    return source


def config_of(image: ProvenImage) -> Config:
    (picture,) = image.images()
    return picture.config


def ids_of(source: Source) -> tuple[str, ...]:
    report = verify(source, ["app:1", "team/other:0.1"])
    assert report.ok, report.errors
    return tuple(str(config_of(image).image_id) for image in report.images)


@pytest.mark.parametrize("version", ERAS)
def test_an_archive_of_this_docker_has_the_images_that_docker_20_10_makes_of_it(
    tmp_path: Path, version: str
) -> None:
    source = opened(tmp_path, saved_by(version))
    assert [line.names for line in source.listings()] == [("app:1", "app:latest"), ("team/other:0.1",)]
    assert ids_of(source) == IMAGE_IDS[version]
    (image,) = verify(source, ["app:1"]).images
    diff_ids = [str(diff_id) for diff_id in config_of(image).diff_ids]
    assert diff_ids == [sha256(layer_tar(version, v1_id)) for v1_id in (BASE, MIDDLE, TOP)]
    assert len(config_of(image).history) == 3


@pytest.mark.parametrize("version", ERAS)
def test_an_archive_without_names_has_its_images_by_id(tmp_path: Path, version: str) -> None:
    source = opened(tmp_path, saved_by(version, named=False))
    assert [(line.names, line.id, line.problem) for line in source.listings()] == [
        ((), TOP, ""), ((), OTHER, ""),
    ]  # fmt: skip
    report = verify(source, [TOP, OTHER])
    assert tuple(str(config_of(image).image_id) for image in report.images) == IMAGE_IDS[version]


@pytest.mark.parametrize("version", ERAS)
@pytest.mark.parametrize("format_", ["universal", "docker-v1"])
def test_the_jsons_of_this_docker_keep_their_bytes_and_the_images_their_ids(
    tmp_path: Path, version: str, format_: str
) -> None:
    copy(opened(tmp_path, saved_by(version)), LayoutStore(tmp_path / "oci"), ["app:1", "team/other:0.1"])
    copy(
        LayoutStore(tmp_path / "oci"),
        create_bundle(tmp_path / "b.tar", format_),
        ["app:1", "team/other:0.1"],
    )
    names = [name for name in found_in(tmp_path / "b.tar") if name.endswith("/json")]
    jsons = {content_of(tmp_path / "b.tar", name) for name in names}
    assert jsons == {v1_json(version, v1_id, ERAS[version].form) for v1_id in (BASE, MIDDLE, TOP, OTHER)}
    assert ids_of(open_bundle(tmp_path / "b.tar")) == IMAGE_IDS[version]


@pytest.mark.parametrize("version", CAMELS)
def test_of_camelcase_jsons_everything_is_recovered_and_told(tmp_path: Path, version: str) -> None:
    (image,) = verify(opened(tmp_path, saved_by(version)), ["app:1"]).images
    config = json.loads(config_of(image).raw)
    assert config["docker_version"] == version
    assert config["container_config"]["Hostname"] == "cccccccccccc"
    assert [item.created_by for item in config_of(image).history] == [
        "/bin/sh -c #(nop) ADD file:dab0 in /",
        "/bin/sh -c echo middle > /etc/name && true",
        "/bin/sh -c #(nop) CMD [/bin/sh]",
    ]
    assert config_of(image).history[0].comment == "2014"
    subject = f"image {TOP[:12]}"
    assert (
        Finding(
            subject,
            "3 of its 3 v1 jsons are in the CamelCase of Docker 0.12 to 1.0.1; ContainerConfig and DockerVersion are "
            "kept, and Docker loses them: there the image has another ID",
            "note",
        )
        in image.findings
    )
    assert (
        Finding(
            subject,
            "Comment of a v1 json is no text: these Dockers wrote what looks like JSON as JSON; it is read as text",
            "note",
        )
        in image.findings
    )


@pytest.mark.parametrize("version", CAMELS)
def test_docker_compatible_gives_the_image_that_docker_has(tmp_path: Path, version: str) -> None:
    source = opened(tmp_path, saved_by(version, comment="no number"), docker_compatible=True)
    assert ids_of(source) == LOSSY_IDS[version]
    (image,) = verify(source, ["app:1"]).images
    (told,) = [finding for finding in image.findings if "CamelCase" in finding.problem]
    assert told.severity == "note"
    assert told.problem.endswith("ContainerConfig and DockerVersion are left out, as Docker loses them")
    assert source.outline("app:1").layers[0].history.created_by == ""


@pytest.mark.parametrize("version", CAMELS)
def test_docker_compatible_refuses_what_docker_cannot_read(tmp_path: Path, version: str) -> None:
    source = opened(tmp_path, saved_by(version), docker_compatible=True)
    with pytest.raises(InvalidDocument, match="Comment is 2014, no text, so Docker cannot read it"):
        source.image("app:1")
    assert "Docker cannot read it" in source.listings()[0].problem


@pytest.mark.parametrize("docker_compatible", [True, False])
def test_an_image_of_either_reading_stays_what_it_is_in_a_store(
    tmp_path: Path, *, docker_compatible: bool
) -> None:
    source = opened(tmp_path, saved_by("1.0.1", comment="no number"), docker_compatible=docker_compatible)
    (image, _) = copy(source, LayoutStore(tmp_path / "oci"), ["app:1", "team/other:0.1"])
    (again,) = copy(LayoutStore(tmp_path / "oci"), create_bundle(tmp_path / "u.tar"), ["app:1"])
    report = verify(open_bundle(tmp_path / "u.tar"))
    assert report.ok, report.errors
    assert report.images[0].top == again.top == image.top
    assert (ids_of(LayoutStore(tmp_path / "oci")) == LOSSY_IDS["1.0.1"]) is docker_compatible


def test_a_bundle_of_v1_jsons_alone_says_which_id_docker_gives_it(tmp_path: Path) -> None:
    source = opened(tmp_path, saved_by("1.0.1", comment="no number"))
    (image,) = copy(source, create_bundle(tmp_path / "v1.tar", "docker-v1"), ["app:1"])
    told = {finding.problem for finding in image.findings if finding.severity == "warning"}
    assert told == {f"its ID becomes {LOSSY_IDS['1.0.1'][0]} in an engine that reads its v1 layers"}
    (image,) = copy(
        opened(tmp_path, saved_by("1.0.1")), create_bundle(tmp_path / "v1.tar", "docker-v1"), ["app:1"]
    )
    (warning,) = [finding for finding in image.findings if finding.severity == "warning"]
    assert warning.problem == "Comment is 2014, no text, so Docker cannot read it"


def test_a_config_that_neither_reading_gives_is_refused(tmp_path: Path) -> None:
    """Annotations of another image: one byte of a CamelCase json is changed on its way."""
    source = opened(tmp_path, saved_by("1.0.1"))
    store = LayoutStore(tmp_path / "oci")
    (image,) = copy(source, store, ["app:1"])
    raw = v1_json("1.0.1", TOP, CAMEL)
    encoded, other = (base64.b64encode(each) for each in (raw, raw.replace(b"says", b"said")))
    manifest = image.documents[image.top.digest].raw
    assert encoded in manifest
    changed = manifest.replace(encoded, other)
    blob = tmp_path / "oci/blobs/sha256" / sha256(changed).removeprefix("sha256:")
    blob.write_bytes(changed)
    index = tmp_path / "oci/index.json"
    index.write_bytes(index.read_bytes().replace(image.top.digest.hex.encode(), blob.name.encode()))
    (problem,) = [finding.problem for finding in verify(LayoutStore(tmp_path / "oci")).errors]
    assert "tell v1 layers of another image" in problem
