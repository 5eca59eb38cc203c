"""Bundles that we write, in the engines that each format is for: loaded, with the IDs that they must have.

Docker 20.10 works an image ID out by itself from a docker-v1 bundle, and proves every diffID; containerd
unpacks; podman and skopeo read each layer. Docker 0.7 to 1.9 is not among today's packages.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.archives import layout, written
from tests.eras import CAMEL, ERAS, IMAGE_IDS, LOSSY_IDS, STRUCT, saved_by
from tests.pictures import docker_saved
from tests.stores.facts import DIFF_IDS, IDS, IMAGE_ID
from tests.unit.test_rootfs import DIFF_ID
from tests.unit.test_rootfs_survey import EXPORTED
from toolkit.bundles import create_bundle, open_bundle
from toolkit.bundles.docker_v1_reader import V1Bundle
from toolkit.bundles.rootfs import Rootfs
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.ports import Source
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.layout import LayoutStore
from toolkit.stores.sample import sample_store

from .workplace import EngineRefused

if TYPE_CHECKING:
    from toolkit.image import ProvenImage

    from .engines import Containerd, Dockerd, Podman, Skopeo, Umoci

pytestmark = pytest.mark.engine

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: layers have owners and devices")
SAVED = Path(__file__).parent.parent / "data/vectors/docker2010-save-duplayer.tar"
SAVED_ID = "sha256:eeafda41c7f4b5c15f5d9f6d3bc0ce8db290cb30d63c712070ecafe91bb97e50"
SAMPLE_ID = "sha256:192ecff0be21839de44a855480f6306150b7fb833f9071f6653900c8d5e415f0"


@dataclass
class Cargo:
    """Images to carry: a source, the names in it, and the image IDs that Docker gave where it did."""

    source: Source
    names: list[str]
    known: dict[str, str] = field(default_factory=dict)

    def bundle(self, path: Path, format_name: str = "universal") -> dict[str, ProvenImage]:
        """Write a bundle and return what went in, by name."""
        copied = copy(self.source, create_bundle(path, format_name), self.names)
        return dict(zip(self.names, copied, strict=True))


@pytest.fixture
def golden(docker_1_9_1: Path) -> Cargo:
    """The image of four layers that Docker 1.9.1 wrote, under two names."""
    names = ["ubuntu:14.04", "ubuntu:trusty"]
    return Cargo(GraphStore(docker_1_9_1 / "docker-1.9.1-overlay"), names, dict.fromkeys(names, IMAGE_ID))


@pytest.fixture
def several(tmp_path: Path) -> Cargo:
    """Two images, one's top layer being the other's parent, under five names; and one beside them."""
    sample_store(tmp_path / "home")
    root = shutil.copytree(tmp_path / "home/sample", tmp_path / "root", symlinks=True)
    path = root / "repositories-aufs"
    table = json.loads(path.read_bytes())["Repositories"]
    chain = [layer.key for layer in GraphStore(root).image("ubuntu:14.04").layers]
    table["base"] = {"1": chain[2], "latest": chain[2]}
    table["registry.example:5000/team/root"] = {"2.1": chain[0]}
    path.write_text(json.dumps({"Repositories": table}))
    tags = ["ubuntu:14.04", "ubuntu:trusty"]
    names = [*tags, "base:1", "base:latest", "registry.example:5000/team/root:2.1"]
    return Cargo(GraphStore(root), names, dict.fromkeys(tags, SAMPLE_ID))


@pytest.fixture
def modern(tmp_path: Path) -> Cargo:
    """An image that Docker 20.10.24 made, with one layer twice."""
    names = ["v1id:x", "v1id:y"]
    picture = docker_saved(SAVED)
    path = written(tmp_path / "oci.tar", layout(*((name, picture) for name in names)))
    return Cargo(open_bundle(path), names, dict.fromkeys(names, SAVED_ID))


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
    return path, checked(cargo, cargo.bundle(path))


def checked(cargo: Cargo, images: dict[str, ProvenImage]) -> dict[str, ProvenImage]:
    """Return the images, if they have the IDs that Docker is known to give them."""
    for name, image_id in cargo.known.items():
        assert image_id_of(images[name]) == image_id
    return images


def image_id_of(image: ProvenImage) -> str:
    return str(image.images()[0].config.image_id)


def diff_ids_of(image: ProvenImage) -> list[str]:
    return [str(diff_id) for diff_id in image.images()[0].config.diff_ids]


def open_oci(folder: Path) -> ProvenImage:
    (image,) = verify(LayoutStore(folder)).images
    return image


def normal(name: str) -> str:
    """Return the name as containerd has it."""
    return name if "/" in name else f"docker.io/library/{name}"


def podmans(name: str) -> str:
    """Return the name as podman has it after a load."""
    return name if "/" in name else f"localhost/{name}"


# ── universal ──


@pytest.mark.root
def test_docker_loads_universal(dockerd: Dockerd, universal: tuple[Path, dict[str, ProvenImage]]) -> None:
    path, images = universal
    assert sorted(dockerd.load(path)) == sorted(f"Loaded image: {name}" for name in images)
    assert dockerd.images() == {name: image_id_of(image) for name, image in images.items()}
    for name, image in images.items():
        assert dockerd.inspect(name)["RootFS"]["Layers"] == diff_ids_of(image)


@pytest.mark.root
def test_docker_on_overlay2_loads_universal(
    overlay2_dockerd: Dockerd, several: Cargo, tmp_path: Path
) -> None:
    images = several.bundle(tmp_path / "u.tar")
    overlay2_dockerd.load(tmp_path / "u.tar")
    assert overlay2_dockerd.images() == {name: image_id_of(image) for name, image in images.items()}


@pytest.mark.root
def test_podman_loads_universal(podman: Podman, universal: tuple[Path, dict[str, ProvenImage]]) -> None:
    path, images = universal
    podman.load(path)
    assert podman.images() == {podmans(name): image_id_of(image) for name, image in images.items()}
    for name, image in images.items():
        assert podman.inspect(podmans(name))["RootFS"]["Layers"] == diff_ids_of(image)


@pytest.mark.root
def test_containerd_imports_and_unpacks_universal(
    containerd: Containerd, universal: tuple[Path, dict[str, ProvenImage]]
) -> None:
    path, images = universal
    containerd.load(path)
    assert containerd.images() == {normal(name): str(image.top.digest) for name, image in images.items()}
    checked_lines = containerd.check().splitlines()[1:]
    assert len(checked_lines) == len(images)
    assert all("complete" in line for line in checked_lines)


@pytest.mark.root
def test_what_containerd_exports_again_is_what_went_in(
    containerd: Containerd, modern: Cargo, tmp_path: Path
) -> None:
    images = modern.bundle(tmp_path / "u.tar")
    containerd.load(tmp_path / "u.tar")
    containerd.ctr("images", "export", tmp_path / "again.tar", *map(normal, images))
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


def test_skopeo_copies_every_layer_out_of_universal(
    skopeo: Skopeo, universal: tuple[Path, dict[str, ProvenImage]], tmp_path: Path
) -> None:
    path, images = universal
    name, image = next(iter(images.items()))
    skopeo.copy(f"oci-archive:{path}:{name}", f"dir:{tmp_path}/oci")
    assert hashlib.sha256((tmp_path / "oci/manifest.json").read_bytes()).hexdigest() == image.top.digest.hex
    skopeo.copy(f"docker-archive:{path}:{name}", f"oci:{tmp_path}/docker:x")
    copied = open_oci(tmp_path / "docker")  # its config is skopeo's own, and so is the compression
    assert diff_ids_of(copied) == diff_ids_of(image)


def test_umoci_reads_universal_once_it_is_unpacked(
    umoci: Umoci, universal: tuple[Path, dict[str, ProvenImage]], tmp_path: Path
) -> None:
    path, images = universal
    (tmp_path / "layout").mkdir()
    subprocess.run(["tar", "-xf", str(path), "-C", str(tmp_path / "layout")], check=True)
    assert set(umoci.tags(tmp_path / "layout")) == set(images)
    for name, image in images.items():
        if "/" not in name:  # umoci's own grammar of tags has no slash
            picture = image.images()[0]
            told = umoci.stat(tmp_path / "layout", name)["history"] or []
            sizes = [item["layer"]["size"] for item in told if item.get("layer")]
            assert sizes == [layer.size for layer, _ in picture.layers if picture.config.history]


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
