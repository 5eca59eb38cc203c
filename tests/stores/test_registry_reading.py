"""The storage that a registry 2.8 wrote: `pytest --corpus DIR`, a folder with stores/ that engines wrote."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conformance import proven
from tests.stores.facts import DIFF_IDS, IMAGE_ID
from toolkit.operations.verify import verify
from toolkit.platform import Platform
from toolkit.stores.registry_root.store import RegistryRoot

NAMES = ("library/ubuntu:14.04", "library/ubuntu:14.04-arm64", "library/ubuntu:multi")


@pytest.fixture
def root(corpus: Path, tmp_path: Path) -> Path:
    packed = corpus / "stores" / "registry-2.8.tar.zst"
    subprocess.run(["tar", "--zstd", "-xf", str(packed), "--no-same-owner"], cwd=tmp_path, check=True)
    return tmp_path


def test_what_a_registry_stored_is_read(root: Path) -> None:
    source = RegistryRoot(root)
    assert [line.names for line in source.listings()] == [(name,) for name in NAMES]
    (picture,) = proven(source, "ubuntu:14.04").images()
    assert str(picture.config.image_id) == IMAGE_ID
    assert tuple(diff_id.hex for diff_id in picture.config.diff_ids) == DIFF_IDS
    assert not verify(source).errors


def test_a_platform_of_the_index_is_the_image_that_has_a_name_of_its_own(root: Path) -> None:
    source = RegistryRoot(root)
    arm = source.image("ubuntu:multi", Platform("linux", "arm64", "v8"))
    assert arm.layers == source.image("ubuntu:14.04-arm64").layers
    assert source.outline("ubuntu:multi").platforms == ("linux/amd64", "linux/arm64/v8")
