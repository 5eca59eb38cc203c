"""What every test may ask for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import hypothesis
import pytest

GOLDEN = Path(__file__).parent / "golden" / "docker-1.9.1.tar.xz"

# A law holds or does not; how fast a shared machine finds out is no part of it.
hypothesis.settings.register_profile("lading", deadline=None)
hypothesis.settings.load_profile("lading")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--corpus",
        metavar="DIR",
        help="a folder with bundles/ that engines saved; tests that read one skip without",
    )


@pytest.fixture(scope="session")
def corpus(request: pytest.FixtureRequest) -> Path:
    """The folder given as `--corpus DIR`."""
    given = request.config.getoption("--corpus")
    if not given:
        pytest.skip("needs --corpus DIR")
    folder = Path(given)
    if not folder.is_dir():
        raise pytest.UsageError(f"--corpus: {folder} is not a folder")
    return folder


@pytest.fixture(scope="session")
def docker_1_9_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three roots and a save, written by Docker 1.9.1; as root with owners and xattrs, else without."""
    folder = tmp_path_factory.mktemp("docker-1.9.1")
    as_root = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-p"] if os.geteuid() == 0 else []
    subprocess.run(["tar", *as_root, "-xJf", str(GOLDEN)], cwd=folder, check=True)
    return folder
