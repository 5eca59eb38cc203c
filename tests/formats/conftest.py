"""The sample store, and what can be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.ports import Source
from toolkit.stores.sample import sample_store


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The sample store, unpacked once."""
    return sample_store(tmp_path_factory.mktemp("home"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
