"""What every test may ask for."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

# A law holds or does not; how fast a shared machine finds out is no part of it.
hypothesis.settings.register_profile("lading", deadline=None)
hypothesis.settings.load_profile("lading")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--corpus", metavar="DIR", help="a folder of real bundles; tests that read one skip without it"
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
