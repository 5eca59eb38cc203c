"""Each pipeline test runs luigi in a folder of its own, with nothing kept from the test before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import luigi
import pytest
from luigi.task_register import Register

import pipelines.base
import pipelines.exporting


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with the sample as the source; yields `<home>`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    monkeypatch.setenv("LADING_HOME", str(tmp_path / "var"))
    (tmp_path / "luigi.cfg").write_text("[lading]\nsource = sample:\n")
    begin_a_run()
    yield tmp_path / "var"
    begin_a_run()
    pipelines.exporting.STAGINGS.clear()


def begin_a_run() -> None:
    """Forget what a process knows of its run."""
    Register.clear_instance_cache()
    pipelines.exporting.PLACES.clear()
    pipelines.exporting.KEYS.clear()
    pipelines.base.HELD.clear()


def build(*tasks: luigi.Task, workers: int = 1) -> str:
    """Run tasks as the `luigi` command would; return the name of the summary's status."""
    begin_a_run()
    result = luigi.build(
        list(tasks), local_scheduler=True, detailed_summary=True, workers=workers, log_level="WARNING"
    )
    return str(result.status.name)
