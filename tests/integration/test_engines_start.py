"""The harness itself: each real program starts, takes a known archive, and says what its makers say.

The image IDs below were given by Docker 20.10.24 and skopeo 1.9.3 when they made the files.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .engines import Dockerd
from .workplace import EngineMissing, EngineRefused, Workplace, mounts_below

if TYPE_CHECKING:
    from .engines import Containerd, Podman, Skopeo, Umoci

pytestmark = pytest.mark.engine

VECTORS = Path(__file__).parent.parent / "data/vectors"
SAVED = VECTORS / "docker2010-save-duplayer.tar"
LAYOUT = VECTORS / "skopeo-oci-archive.tar"

IMAGE_ID = "sha256:eeafda41c7f4b5c15f5d9f6d3bc0ce8db290cb30d63c712070ecafe91bb97e50"
DIFF_IDS = [
    "sha256:31629fae8a9a3d0b35bfad1c821c14e177f35ba144d42ff67fb852d4522a2037",
    "sha256:3a18bad8bb6288e15a836530e4ca166ca391fc7d6d70e8676c91d063ae877f56",
    "sha256:31629fae8a9a3d0b35bfad1c821c14e177f35ba144d42ff67fb852d4522a2037",
]
LAYOUT_MANIFEST = "sha256:615433cf6409430995f95c84cf1204f111104e25f24cc0feb7de6cee65013e73"


@pytest.mark.root
def test_docker_loads_a_saved_image_under_its_id(dockerd: Dockerd) -> None:
    assert sorted(dockerd.load(SAVED)) == ["Loaded image: v1id:x", "Loaded image: v1id:y"]
    assert dockerd.images() == {"v1id:x": IMAGE_ID, "v1id:y": IMAGE_ID}
    assert dockerd.image_ids() == {IMAGE_ID}
    assert dockerd.inspect("v1id:x")["RootFS"]["Layers"] == DIFF_IDS


@pytest.mark.root
def test_docker_loads_bytes_and_saves_what_it_can_load_again(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.load(SAVED.read_bytes())
    dockerd.save(["v1id:x", "v1id:y"], tmp_path / "again.tar")
    dockerd.forget()
    assert dockerd.image_ids() == set()
    dockerd.load(tmp_path / "again.tar")
    assert dockerd.image_ids() == {IMAGE_ID}


@pytest.mark.root
def test_docker_loads_on_overlay2(overlay2_dockerd: Dockerd) -> None:
    overlay2_dockerd.load(SAVED)
    assert overlay2_dockerd.images()["v1id:x"] == IMAGE_ID


@pytest.mark.root
def test_docker_says_why_it_refuses(dockerd: Dockerd) -> None:
    with pytest.raises(EngineRefused, match=r"No such image"):
        dockerd.inspect("nothing:here")


@pytest.mark.root
def test_containerd_imports_an_oci_archive(containerd: Containerd) -> None:
    containerd.load(LAYOUT)
    assert list(containerd.images().values()) == [LAYOUT_MANIFEST]
    assert "complete (4/4)" in containerd.check()


@pytest.mark.root
def test_containerd_imports_a_saved_image(containerd: Containerd) -> None:
    containerd.load(SAVED)
    assert set(containerd.images()) == {"docker.io/library/v1id:x", "docker.io/library/v1id:y"}


@pytest.mark.root
def test_podman_loads_a_saved_image_under_its_id(podman: Podman) -> None:
    assert podman.load(SAVED) == ["Loaded image: localhost/v1id:x", "Loaded image: localhost/v1id:y"]
    assert podman.images() == {"localhost/v1id:x": IMAGE_ID, "localhost/v1id:y": IMAGE_ID}
    assert podman.inspect("v1id:x")["RootFS"]["Layers"] == DIFF_IDS


def test_skopeo_reads_the_same_config(skopeo: Skopeo) -> None:
    assert f"sha256:{sha256(skopeo.config(f'docker-archive:{SAVED}:v1id:x')).hexdigest()}" == IMAGE_ID
    assert skopeo.inspect(f"docker-archive:{SAVED}:v1id:x")["Layers"] == DIFF_IDS


def test_skopeo_reads_an_oci_archive_and_umoci_its_copy(skopeo: Skopeo, umoci: Umoci, tmp_path: Path) -> None:
    assert skopeo.inspect(f"oci-archive:{LAYOUT}:tagA")["Digest"] == LAYOUT_MANIFEST
    skopeo.copy(f"oci-archive:{LAYOUT}:tagA", f"oci:{tmp_path}/layout:tagA")
    assert umoci.tags(tmp_path / "layout") == ["tagA"]
    assert umoci.stat(tmp_path / "layout", "tagA") == {"history": None}  # its config has no history


def test_umoci_refuses_a_tag_that_is_not_there(skopeo: Skopeo, umoci: Umoci, tmp_path: Path) -> None:
    skopeo.copy(f"oci-archive:{LAYOUT}:tagA", f"oci:{tmp_path}/layout:tagA")
    with pytest.raises(EngineRefused, match="tag not found: tagB"):
        umoci.stat(tmp_path / "layout", "tagB")


def test_a_missing_program_is_named() -> None:
    class Nonesuch(Workplace):
        programs = ("no-such-engine",)

    with pytest.raises(EngineMissing, match=r"^no-such-engine is not installed$"):
        Nonesuch()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="dockerd needs root")
def test_nothing_is_left_of_a_daemon_whose_test_failed() -> None:
    try:
        engine = Dockerd("overlay2")
    except EngineMissing as missing:
        pytest.skip(str(missing))
    with pytest.raises(ZeroDivisionError):
        load_and_fail(engine)
    assert processes_of(engine.home) == []
    assert mounts_below(engine.home) == []
    assert not engine.home.exists()


def load_and_fail(engine: Dockerd) -> None:
    with engine:
        engine.load(SAVED)
        assert processes_of(engine.home)
        raise ZeroDivisionError


def processes_of(home: Path) -> list[str]:
    """The process IDs whose command line names this folder."""
    commands = Path("/proc").glob("[0-9]*/cmdline")
    return [path.parent.name for path in commands if str(home).encode() in read_if_there(path)]


def read_if_there(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
