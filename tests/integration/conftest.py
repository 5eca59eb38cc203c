"""The real programs as fixtures; where one is missing, the test skips and says which."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.stores.facts import IMAGE_ID
from toolkit.stores.graph.store import GraphStore

from .cargo import Cargo, repeated, several
from .engines import Containerd, Dockerd, Podman, Registry, Skopeo, Umoci
from .workplace import EngineMissing, Workplace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Engine = TypeVar("Engine", bound=Workplace)


def started(make: Callable[[], Engine]) -> Iterator[Engine]:
    try:
        engine = make()
    except EngineMissing as missing:
        pytest.skip(str(missing))
    with engine:
        yield engine


@pytest.fixture(scope="session")
def running_dockerd() -> Iterator[Dockerd]:
    yield from started(Dockerd)


@pytest.fixture(scope="session")
def running_containerd() -> Iterator[Containerd]:
    yield from started(Containerd)


@pytest.fixture
def dockerd(running_dockerd: Dockerd) -> Dockerd:
    """A Docker engine (vfs) without images; the daemon itself is shared by the whole run."""
    running_dockerd.forget()
    return running_dockerd


@pytest.fixture
def overlay2_dockerd() -> Iterator[Dockerd]:
    """A Docker engine of its own on overlay2, for what vfs cannot show."""
    yield from started(lambda: Dockerd("overlay2"))


@pytest.fixture
def containerd(running_containerd: Containerd) -> Containerd:
    """A containerd without images."""
    running_containerd.forget()
    return running_containerd


@pytest.fixture
def registry() -> Iterator[Registry]:
    yield from started(Registry)


@pytest.fixture
def podman() -> Iterator[Podman]:
    yield from started(Podman)


@pytest.fixture
def skopeo() -> Iterator[Skopeo]:
    yield from started(Skopeo)


@pytest.fixture
def umoci() -> Iterator[Umoci]:
    yield from started(Umoci)


@pytest.fixture
def golden(engine_stores: Path) -> Cargo:
    """The image of four layers that Docker 1.9.1 wrote, under two names."""
    if os.geteuid() != 0:
        pytest.skip("needs root: layers have owners and devices")
    names = ["ubuntu:14.04", "ubuntu:trusty"]
    return Cargo(GraphStore(engine_stores / "docker-1.9.1-overlay"), names, dict.fromkeys(names, IMAGE_ID))


@pytest.fixture(name="several")
def several_images(tmp_path: Path) -> Cargo:
    """Two images under five names, and one beside them."""
    return several(tmp_path)


@pytest.fixture
def modern(tmp_path: Path) -> Cargo:
    """An image that Docker 20.10.24 made, with one layer twice."""
    return repeated(tmp_path)
