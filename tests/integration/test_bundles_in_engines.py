"""What single formats promise to engines beyond being loaded, and what old Dockers and root file systems give.

That every format is loaded is in `test_formats_in_engines.py`. Docker 20.10 works an image ID out by itself
from a docker-v1 bundle.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.archives import ONE, layout, written
from tests.archives import image as picture
from tests.eras import CAMEL, ERAS, IMAGE_IDS, LOSSY_IDS, STRUCT, saved_by
from tests.stores.facts import DIFF_IDS, IDS, IMAGE_ID
from tests.unit.test_rootfs import DIFF_ID
from tests.unit.test_rootfs_survey import EXPORTED
from toolkit.bundles import open_bundle
from toolkit.bundles.docker_v1_reader import V1Bundle
from toolkit.bundles.rootfs import Rootfs
from toolkit.operations.verify import verify

from .cargo import Cargo, diff_ids_of, image_id_of
from .workplace import EngineRefused

if TYPE_CHECKING:
    from toolkit.image import ProvenImage

    from .engines import Containerd, Dockerd, Skopeo

pytestmark = pytest.mark.engine

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: layers have owners and devices")


@pytest.fixture(params=[pytest.param("golden", marks=[ROOT, pytest.mark.root]), "several", "modern"])
def cargo(request: pytest.FixtureRequest) -> Cargo:
    """Every kind of image."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Cargo)
    return found


@pytest.fixture
def universal(cargo: Cargo, tmp_path: Path) -> tuple[Path, dict[str, ProvenImage]]:
    """A universal bundle, and what is in it by name."""
    path = tmp_path / "universal.tar"
    return path, cargo.bundle(path)


# ── universal ──


@pytest.mark.root
def test_docker_on_overlay2_loads_universal(
    overlay2_dockerd: Dockerd, several: Cargo, tmp_path: Path
) -> None:
    images = several.bundle(tmp_path / "u.tar")
    overlay2_dockerd.load(tmp_path / "u.tar")
    assert overlay2_dockerd.images() == {name: image_id_of(image) for name, image in images.items()}


@pytest.mark.parametrize("name", ["docker.io/library/app@{}", "plainname", "quay.io/team/app:1@{}"])
def test_what_containerd_exports_under_any_name_is_read(
    containerd: Containerd, tmp_path: Path, name: str
) -> None:
    """Of a name with a digest it writes the digest alone for podman, and the whole into manifest.json too."""
    containerd.load(written(tmp_path / "in.tar", layout(("docker.io/library/app:1", picture(ONE)))))
    known = name.format(containerd.images()["docker.io/library/app:1"])
    containerd.ctr("images", "tag", "docker.io/library/app:1", known)
    containerd.ctr("images", "export", tmp_path / "out.tar", "docker.io/library/app:1", known)
    report = verify(open_bundle(tmp_path / "out.tar"))
    assert report.ok, report.errors
    assert len({name for each in report.images for name in each.names}) == 2


@pytest.mark.root
def test_what_containerd_exports_again_is_what_went_in(
    containerd: Containerd, modern: Cargo, tmp_path: Path
) -> None:
    images = modern.bundle(tmp_path / "u.tar")
    containerd.load(tmp_path / "u.tar")
    containerd.ctr(
        "images", "export", tmp_path / "again.tar", *(f"docker.io/library/{name}" for name in images)
    )
    again = open_bundle(tmp_path / "again.tar")
    assert verify(again).ok
    for name, image in images.items():
        (found,) = verify(again, [name]).images
        assert found.top.digest == image.top.digest


def test_skopeo_reads_both_parts_of_universal(
    skopeo: Skopeo, universal: tuple[Path, dict[str, ProvenImage]]
) -> None:
    path, images = universal
    for name, image in images.items():
        for place in (f"docker-archive:{path}:{name}", f"oci-archive:{path}:{name}"):
            config = skopeo.config(place)
            assert f"sha256:{hashlib.sha256(config).hexdigest()}" == image_id_of(image)


def test_skopeo_keeps_the_manifest_that_universal_holds(
    skopeo: Skopeo, universal: tuple[Path, dict[str, ProvenImage]], tmp_path: Path
) -> None:
    path, images = universal
    for number, (name, image) in enumerate(images.items()):
        skopeo.copy(f"oci-archive:{path}:{name}", f"dir:{tmp_path}/{number}")
        raw = (tmp_path / f"{number}/manifest.json").read_bytes()
        assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == str(image.top.digest)


# ── docker-v1 ──


@pytest.mark.root
def test_docker_makes_the_images_of_docker_v1_that_we_foresee(
    dockerd: Dockerd, cargo: Cargo, tmp_path: Path
) -> None:
    images = cargo.bundle(tmp_path / "v1.tar", "docker-v1")
    dockerd.load(tmp_path / "v1.tar")
    bundle = open_bundle(tmp_path / "v1.tar")
    foreseen = {name: image_id_of(verify(bundle, [name]).images[0]) for name in images}
    assert dockerd.images() == foreseen
    for name, image in images.items():
        assert dockerd.inspect(name)["RootFS"]["Layers"] == diff_ids_of(image)
        if foreseen[name] != image_id_of(image):
            assert any(foreseen[name] in finding.problem for finding in image.findings)


@ROOT
@pytest.mark.root
def test_docker_gives_the_golden_image_its_id_from_docker_v1(
    dockerd: Dockerd, golden: Cargo, tmp_path: Path
) -> None:
    golden.bundle(tmp_path / "v1.tar", "docker-v1")
    dockerd.load(tmp_path / "v1.tar")
    assert set(dockerd.images().values()) == {IMAGE_ID}
    layers = dockerd.inspect("ubuntu:14.04")["RootFS"]["Layers"]
    assert layers == [f"sha256:{diff_id}" for diff_id in DIFF_IDS]
    assert [layer.key for layer in open_bundle(tmp_path / "v1.tar").image("ubuntu:14.04").layers] == list(IDS)


# ── what old Dockers saved ──


def image_ids(path: Path, *, docker_compatible: bool = False) -> dict[str, str]:
    """Return the image IDs that we give the images of a v1 archive, by name."""
    source = open_bundle(path)
    assert isinstance(source, V1Bundle)
    source.docker_compatible = docker_compatible
    names = [name for line in source.listings() for name in line.names]
    return {name: image_id_of(verify(source, [name]).images[0]) for name in names}


@pytest.mark.root
@pytest.mark.parametrize("version", [version for version, era in ERAS.items() if era.form != CAMEL])
def test_docker_makes_of_an_old_archive_the_images_that_we_make(
    dockerd: Dockerd, tmp_path: Path, version: str
) -> None:
    path = tmp_path / "saved.tar"
    path.write_bytes(saved_by(version))
    dockerd.load(path)
    assert dockerd.images() == image_ids(path)
    assert dockerd.images()["app:1"] == IMAGE_IDS[version][0]


@pytest.mark.root
@pytest.mark.parametrize("version", [version for version, era in ERAS.items() if era.form == CAMEL])
def test_docker_loses_of_camelcase_what_we_lose_when_asked_to(
    dockerd: Dockerd, tmp_path: Path, version: str
) -> None:
    saved, usual, readable = (tmp_path / name for name in ("saved.tar", "usual.tar", "readable.tar"))
    saved.write_bytes(saved_by(version))
    with pytest.raises(EngineRefused, match="cannot unmarshal number"):
        dockerd.load(saved)
    usual.write_bytes(saved_by(version, form=STRUCT))
    dockerd.load(usual)
    assert dockerd.images() == image_ids(saved) == image_ids(usual)
    readable.write_bytes(saved_by(version, comment="no number"))
    dockerd.load(readable)
    assert dockerd.images() == image_ids(readable, docker_compatible=True)
    assert dockerd.images()["app:1"] == LOSSY_IDS[version][0]


# ── root file systems ──


@pytest.mark.root
def test_docker_imports_a_root_file_system_to_the_same_layer_and_loads_our_image_of_it(
    dockerd: Dockerd, tmp_path: Path
) -> None:
    dockerd.docker("import", EXPORTED, "first:1")
    dockerd.docker("create", "--name", "one", "first:1", "/bin/sh")
    try:
        dockerd.docker("export", "--output", dockerd.home / "exported.tar", "one")
    finally:
        dockerd.docker("rm", "one")
    path = tmp_path / "exported.tar"
    shutil.move(dockerd.home / "exported.tar", path)
    dockerd.docker("import", path, "docker:1")
    theirs = dockerd.inspect("docker:1")

    ours = Cargo(Rootfs(path, ["app:1"]), ["app:1"])
    image = ours.bundle(tmp_path / "u.tar")["app:1"]
    assert diff_ids_of(image) == theirs["RootFS"]["Layers"]
    assert {finding.severity for finding in image.findings} == {"note"}
    for format_ in ("universal", "docker-v1"):
        ours.bundle(tmp_path / "b.tar", format_)
        dockerd.forget()
        dockerd.load(tmp_path / "b.tar")
        assert dockerd.images() == {"app:1": image_id_of(image)}
        found = dockerd.inspect("app:1")
        assert found["RootFS"] == theirs["RootFS"]
        assert (found["Architecture"], found["Os"]) == (theirs["Architecture"], theirs["Os"])
        assert found["Config"] == theirs["Config"]


@pytest.mark.root
def test_docker_import_gives_a_packed_file_the_layer_that_we_give_it(
    dockerd: Dockerd, tmp_path: Path
) -> None:
    packed = tmp_path / "rootfs.tar.gz"
    packed.write_bytes(gzip.compress(EXPORTED.read_bytes()))
    dockerd.docker("import", packed, "docker:1")
    image = Cargo(Rootfs(packed), ["rootfs"]).bundle(tmp_path / "u.tar")["rootfs"]
    assert diff_ids_of(image) == dockerd.inspect("docker:1")["RootFS"]["Layers"] == [DIFF_ID]
