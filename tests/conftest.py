"""What every test may ask for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import hypothesis
import pytest

GOLDEN = Path(__file__).parent / "golden" / "engines.tar.xz"

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
def engine_stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root for each engine that wrote one, and a save; as root with owners, devices and xattrs.

    Another user gets no devices: they are whiteouts of overlay trees, which an exact tar does not need.
    """
    folder = tmp_path_factory.mktemp("engines")
    as_root = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-p"] if os.geteuid() == 0 else []
    done = subprocess.run(
        ["tar", *as_root, "-xJf", str(GOLDEN)], cwd=folder, check=bool(as_root), capture_output=True
    )
    complaints = [
        line for line in done.stderr.splitlines() if b"mknod" not in line and b"Exiting" not in line
    ]
    assert not complaints, complaints
    return folder
