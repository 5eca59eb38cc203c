"""Real stores, written by Docker 1.9.1 and unpacked once a session."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent.parent / "golden" / "docker-1.9.1.tar.xz"


@pytest.fixture(scope="session")
def docker_1_9_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the three roots and the save; as root with owners and xattrs, else without."""
    folder = tmp_path_factory.mktemp("docker-1.9.1")
    if os.geteuid() == 0:
        command = ["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xJpf", str(GOLDEN)]
        subprocess.run(command, cwd=folder, check=True)
    else:
        with tarfile.open(GOLDEN) as golden:
            golden.extractall(folder, filter=lambda member, _: member.replace(uid=None, gid=None, deep=False))
    return folder


@pytest.fixture
def root(docker_1_9_1: Path, tmp_path: Path) -> Path:
    """A copy of the aufs root that a test may damage."""
    return clone(docker_1_9_1 / "docker-1.9.1-aufs", tmp_path / "root")


def clone(root: Path, to: Path) -> Path:
    """Copy a whole root as it is: owners, modes, times, links, xattrs."""
    subprocess.run(["cp", "-a", str(root), str(to)], check=True)
    return to
