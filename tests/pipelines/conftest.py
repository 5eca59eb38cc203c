"""Each pipeline test runs luigi in a folder of its own, with nothing kept from the test before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import luigi
import pytest
from luigi.task_register import Register

import pipelines.exporting


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with the sample as the source; yields `<home>`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    monkeypatch.setenv("LADING_HOME", str(tmp_path / "var"))
    (tmp_path / "luigi.cfg").write_text("[lading]\nsource = sample:\n")
    Register.clear_instance_cache()
    yield tmp_path / "var"
    Register.clear_instance_cache()
    pipelines.exporting.STAGINGS.clear()


def build(*tasks: luigi.Task, workers: int = 1) -> str:
    """Run tasks as the `luigi` command would; return the name of the summary's status."""
    Register.clear_instance_cache()
    result = luigi.build(
        list(tasks), local_scheduler=True, detailed_summary=True, workers=workers, log_level="WARNING"
    )
    return str(result.status.name)
