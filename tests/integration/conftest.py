"""The real programs as fixtures; where one is missing, the test skips and says which."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from .engines import Containerd, Dockerd, Podman, Skopeo, Umoci
from .workplace import EngineMissing, Workplace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    if names := list(running_containerd.images()):
        running_containerd.ctr("images", "remove", "--sync", *names)
    return running_containerd


@pytest.fixture
def podman() -> Iterator[Podman]:
    yield from started(Podman)


@pytest.fixture
def skopeo() -> Iterator[Skopeo]:
    yield from started(Skopeo)


@pytest.fixture
def umoci() -> Iterator[Umoci]:
    yield from started(Umoci)
