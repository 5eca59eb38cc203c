"""The roots that podman 4.3 wrote of the golden image: `pytest --corpus DIR`, a folder with stores/."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conformance import proven, snapshot
from tests.stores.facts import DIFF_IDS, IMAGE_ID
from toolkit.stores.containers_storage.store import ContainersStorage

MANIFEST = "sha256:f6ed8f387afeb6df073b6740e966b3ccfab7884376e86725122c067426b1f07a"
SIZES = [2388480, 1021952, 5120, 1024]  # bytes of each layer's tar
NAMES = ("localhost/ubuntu:14.04", "localhost/ubuntu:trusty")


@pytest.fixture(scope="module", params=["overlay", "vfs"])
def root(corpus: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root as podman left it, with owners and xattrs."""
    packed = corpus / "stores" / f"podman-4.3-{request.param}.tar.zst"
    if os.geteuid() != 0 or not packed.exists():
        pytest.skip(f"needs root, and {packed}")
    folder = tmp_path_factory.mktemp(request.param)
    words = ["tar", "--zstd", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", str(packed)]
    subprocess.run(words, cwd=folder, check=True)
    return folder


def test_podmans_root_gives_dockers_image(root: Path) -> None:
    source, before = ContainersStorage(root), snapshot(root)
    (line,) = source.listings()
    assert (line.names, line.id, line.size, line.problem) == (NAMES, IMAGE_ID, sum(SIZES), "")
    for name in NAMES:
        found = proven(source, name)
        (picture,) = found.images()
        assert str(picture.config.image_id) == IMAGE_ID
        assert [diff_id.hex for diff_id in picture.config.diff_ids] == list(DIFF_IDS)
        assert [blob.size for blob in found.blobs] == SIZES
        assert str(found.top.digest) == MANIFEST
    assert snapshot(root) == before


def test_what_podman_calls_gzip_and_is_not_is_told(root: Path) -> None:
    findings = proven(ContainersStorage(root), NAMES[0]).findings
    assert len(findings) == 4
    assert all("is not compressed, and gzip by its media type" in finding.problem for finding in findings)


def test_an_outline_has_the_sizes_of_the_tars(root: Path) -> None:
    outline = ContainersStorage(root).outline(NAMES[0])
    assert [layer.size for layer in outline.layers] == SIZES
