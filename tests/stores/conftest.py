"""Roots that a test may damage."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def root(engine_stores: Path, tmp_path: Path) -> Path:
    """A copy of the aufs root that a test may damage."""
    return clone(engine_stores / "docker-1.9.1-aufs", tmp_path / "root")


def clone(root: Path, to: Path) -> Path:
    """Copy a whole root as it is: owners, modes, times, links, xattrs."""
    subprocess.run(["cp", "-a", str(root), str(to)], check=True)
    return to
