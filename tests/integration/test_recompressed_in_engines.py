"""Images with their layers packed anew, in real engines: the same image IDs and diffIDs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.archives import layout, written
from tests.pictures import docker_saved
from tests.stores.facts import IDS
from toolkit.bundles import create_bundle, open_bundle
from toolkit.operations.copy import copy
from toolkit.operations.recompress import recompressed
from toolkit.stores.layout import LayoutStore
from toolkit.stores.sample import sample_store

if TYPE_CHECKING:
    from toolkit.ports import Sink, Source

    from .engines import Containerd, Dockerd, Podman, Skopeo, Umoci

pytestmark = pytest.mark.engine

TAG = "ubuntu:14.04"
SAMPLE_ID = "sha256:192ecff0be21839de44a855480f6306150b7fb833f9071f6653900c8d5e415f0"
SAVED = Path(__file__).parent.parent / "data/vectors/docker2010-save-duplayer.tar"
SAVED_ID = "sha256:eeafda41c7f4b5c15f5d9f6d3bc0ce8db290cb30d63c712070ecafe91bb97e50"


def source(tmp_path: Path, name: str) -> Source:
    """Return the legacy sample, or an image that Docker 20.10.24 made."""
    if name == TAG:
        return sample_store(tmp_path / "home")
    return open_bundle(written(tmp_path / "in.tar", layout((name, docker_saved(SAVED)))))


def deliver(tmp_path: Path, name: str, compression: str, sink: Sink) -> str:
    """Carry one image, its layers packed anew, and return its manifest's digest."""
    with recompressed(source(tmp_path, name), compression) as packed:
        (found,) = copy(packed, sink, [name])
    return str(found.top.digest)


IMAGES = pytest.mark.parametrize(("name", "image_id"), [(TAG, SAMPLE_ID), ("v1id:x", SAVED_ID)])


@pytest.mark.root
@IMAGES
@pytest.mark.parametrize("format_name", ["universal", "docker-v1"])
def test_docker_loads_gzip_layers(
    dockerd: Dockerd, tmp_path: Path, name: str, image_id: str, format_name: str
) -> None:
    deliver(tmp_path, name, "gzip", create_bundle(tmp_path / "b.tar", format_name))
    dockerd.load(tmp_path / "b.tar")
    if format_name == "universal" or name == TAG:  # a v1 chain cannot carry the other one's history
        assert dockerd.images() == {name: image_id}
    assert len(dockerd.inspect(name)["RootFS"]["Layers"]) in {3, len(IDS)}


@pytest.mark.root
@IMAGES
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_podman_loads_them(
    podman: Podman, tmp_path: Path, name: str, image_id: str, compression: str
) -> None:
    deliver(tmp_path, name, compression, create_bundle(tmp_path / "b.tar"))
    podman.load(tmp_path / "b.tar")
    assert set(podman.images().values()) == {image_id}


@pytest.mark.root
@pytest.mark.parametrize("name", [TAG, "v1id:x"])
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_containerd_unpacks_them(containerd: Containerd, tmp_path: Path, name: str, compression: str) -> None:
    digest = deliver(tmp_path, name, compression, create_bundle(tmp_path / "b.tar"))
    containerd.load(tmp_path / "b.tar")
    assert containerd.images() == {f"docker.io/library/{name}": digest}


@pytest.mark.parametrize("name", [TAG, "v1id:x"])
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_skopeo_and_umoci_read_them(
    skopeo: Skopeo, umoci: Umoci, tmp_path: Path, name: str, compression: str
) -> None:
    deliver(tmp_path, name, compression, LayoutStore(tmp_path / "store"))
    tag = name.rpartition(":")[2]
    skopeo.copy(f"oci:{tmp_path}/store:{name}", f"oci:{tmp_path}/copied:{tag}")
    assert umoci.tags(tmp_path / "copied") == [tag]
    assert umoci.stat(tmp_path / "copied", tag)
