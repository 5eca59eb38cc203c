"""Bundles that are compressed as a whole, in the engines that unpack them themselves."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.archives import image, layout, sha256, tar, written
from tests.stores.facts import IDS
from toolkit.bundles import create_bundle, open_bundle
from toolkit.operations.copy import copy
from toolkit.plumbing.compressing import CHUNK
from toolkit.stores.sample import sample_store

if TYPE_CHECKING:
    from .engines import Dockerd, Podman, Skopeo

pytestmark = pytest.mark.engine

TAG = "ubuntu:14.04"
SAMPLE_ID = "sha256:192ecff0be21839de44a855480f6306150b7fb833f9071f6653900c8d5e415f0"


def bundle(tmp_path: Path, suffix: str, format_name: str = "universal") -> Path:
    path = tmp_path / f"b.tar.{suffix}"
    copy(sample_store(tmp_path / "home"), create_bundle(path, format_name), [TAG])
    return path


@pytest.mark.root
@pytest.mark.parametrize("format_name", ["universal", "docker-v1"])
@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
def test_docker_loads_them(dockerd: Dockerd, tmp_path: Path, suffix: str, format_name: str) -> None:
    dockerd.load(bundle(tmp_path, suffix, format_name))
    assert dockerd.images() == {TAG: SAMPLE_ID}


@pytest.mark.root
@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
def test_docker_reads_every_chunk(dockerd: Dockerd, tmp_path: Path, suffix: str) -> None:
    made = image(tar({"noise": hashlib.shake_128(b"noise").digest(2 * CHUNK + 999)}))
    source = open_bundle(written(tmp_path / "in.tar", layout(("app:1", made))))
    copy(source, create_bundle(tmp_path / f"b.tar.{suffix}"), ["app:1"])
    dockerd.load(tmp_path / f"b.tar.{suffix}")
    assert dockerd.images() == {"app:1": sha256(made.config)}


@pytest.mark.root
@pytest.mark.parametrize("suffix", ["xz", "zst", "bz2"])
def test_podman_loads_them(podman: Podman, tmp_path: Path, suffix: str) -> None:
    podman.load(bundle(tmp_path, suffix))
    assert set(podman.images().values()) == {SAMPLE_ID}


@pytest.mark.parametrize("suffix", ["xz", "zst", "bz2"])
def test_skopeo_reads_them(skopeo: Skopeo, tmp_path: Path, suffix: str) -> None:
    path = bundle(tmp_path, suffix)
    assert len(skopeo.inspect(f"docker-archive:{path}:{TAG}")["Layers"]) == len(IDS)
