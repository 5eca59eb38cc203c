"""A set that requires nothing is a bundle: every engine loads its one file, and its volumes once they are joined."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.archives import sha256, tar
from tests.fortnights import noise, picture
from tests.mirrors import ConnectedSide
from tests.webregistry import MemoryRegistry
from toolkit.mirror.connected.running import Ran

if TYPE_CHECKING:
    from .engines import Containerd, Dockerd, Podman, Skopeo

pytestmark = pytest.mark.engine

BASE = tar({"base": noise("base", 700_000)})
IMAGES = {"vendor/app:1": ("app:1", "app"), "vendor/tool:2": ("tool:2", "tool")}
PICTURES = {name: picture(BASE, tar({own: noise(own, 400_000)})) for name, (_, own) in IMAGES.items()}


IDS = {name: sha256(found.config) for name, found in PICTURES.items()}


@pytest.fixture
def side(tmp_path: Path) -> Iterator[ConnectedSide]:
    with MemoryRegistry() as web:
        for name, (pushed, _) in IMAGES.items():
            web.push(pushed, PICTURES[name])
        yield ConnectedSide(web, tmp_path / "home")


def sent(side: ConnectedSide, *, volume: str = "", since: str = "") -> Ran:
    images = [{"reference": pushed, "rename": "vendor/{name}"} for pushed, _ in IMAGES.values()]
    return side.run(side.job(*images, bundle={"volume": volume} if volume else {}), since=since)


@pytest.fixture(params=["the first set", "a later one, --since full", "volumes that tar joins"])
def bundle(request: pytest.FixtureRequest, side: ConnectedSide, tmp_path: Path) -> Path:
    """The file of a set: as it is written, or joined by tar alone."""
    if "full" in request.param:
        sent(side)
        side.sleep()
        ran = sent(side, since="full")
    else:
        ran = sent(side, volume="1MiB" if "joins" in request.param else "")
    files = [ran.folder / volume.name for volume in ran.finished.record.volumes]
    if len(files) == 1:
        return files[0]
    joined = tmp_path / "joined.tar"
    with joined.open("wb") as out:
        for file in files:
            name = f"{ran.finished.record.increment.name}.part"
            subprocess.run(["tar", "xOf", file, name], stdout=out, check=True)
    return joined


@pytest.mark.root
def test_docker_loads_a_set(bundle: Path, dockerd: Dockerd) -> None:
    dockerd.load(bundle)
    assert dockerd.images() == IDS


@pytest.mark.root
def test_podman_loads_a_set(bundle: Path, podman: Podman) -> None:
    podman.load(bundle)
    assert podman.images() == {
        f"localhost/{name}": id_ for name, id_ in IDS.items()
    }  # its own word before a short name


@pytest.mark.root
def test_containerd_imports_a_set(bundle: Path, containerd: Containerd) -> None:
    containerd.load(bundle)
    assert containerd.images() == {f"docker.io/{name}": found.digest for name, found in PICTURES.items()}


def test_skopeo_reads_a_set(bundle: Path, skopeo: Skopeo) -> None:
    for name, found in PICTURES.items():
        assert skopeo.config(f"docker-archive:{bundle}:{name}") == found.config
        assert skopeo.inspect(f"oci-archive:{bundle}:{name}")["Digest"] == found.digest
