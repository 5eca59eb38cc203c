"""What the scenes of a killed process are played with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kill.scenes import Inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """The sample as a legacy root, a bundle and an `oci:` store."""
    return Inputs(tmp_path_factory.mktemp("inputs")).make()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All that a scene may change."""
    path = tmp_path / "scene"
    path.mkdir()
    return path
