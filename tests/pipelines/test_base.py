"""What tasks share: how far they are is told to the scheduler, every byte of a layer counted once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import ExportImage, ImportBundle
from pipelines.base import LadingTask, Meter
from tests.archives import ONE, TWO, image, layout, written
from tests.pipelines.conftest import build
from toolkit.event import PRESENT, BlobBegun, BlobDone, BlobProgress, BlobRetried, BlobSkipped, ImageBegun
from toolkit.image import Layer
from toolkit.plumbing.parallel import jobs_for

BASE, TOP = Layer("sha256:" + "aa" * 32, 3_000_000), Layer("bb" * 32, 1_000_000)


class Watched(LadingTask):
    """A task whose scheduler is a list."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.shares: list[int] = []
        self.set_status_message = self.told.append
        self.set_progress_percentage = self.shares.append


def test_a_share_is_of_bytes_that_are_counted_once() -> None:
    task = Watched()
    meter = Meter(task, "writing")
    for event in (
        ImageBegun(("a:1",), (BASE, TOP)),
        BlobBegun(BASE),
        BlobProgress(BASE, 2_000_000),
        BlobRetried(BASE, 0),
        BlobProgress(BASE, 3_000_000),
        BlobDone(BASE),
        BlobSkipped(TOP, PRESENT),
    ):
        meter(event)
    assert task.shares[0] == 0
    assert task.shares[-1] == 100
    assert task.told[-1] == f"writing layer {TOP.key[:19]}: 4.0 of 4.0 MB"


def test_a_task_outside_of_a_worker_tells_nobody() -> None:
    Meter(LadingTask(), "reading")(BlobBegun(BASE))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("workers", [1, 2])
def test_the_limits_that_the_settings_say_hold_for_tasks(tmp_path: Path, workers: int) -> None:
    path = written(tmp_path / "in.tar", layout(("app:1", image(ONE, TWO))))
    (tmp_path / "luigi.cfg").write_text(f"[lading]\nlayer_limit = {len(ONE) - 1}\n")
    assert build(ImportBundle(bundle=str(path), store="oci:store"), workers=workers) == "FAILED"
    assert not (tmp_path / "store/index.json").exists()
    (tmp_path / "luigi.cfg").write_text(f"[lading]\nlayer_limit = {len(ONE)}\n")
    assert build(ImportBundle(bundle=str(path), store="oci:store"), workers=workers) == "SUCCESS"


@pytest.mark.usefixtures("home")
def test_the_settings_say_how_many_layers_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def noted(*places: object, asked: int = 0) -> int:
        seen.append(jobs_for(*places, asked=asked))
        return seen[-1]

    for verb in ("copy", "verify"):
        monkeypatch.setattr(f"toolkit.operations.{verb}.jobs_for", noted)
    (tmp_path / "luigi.cfg").write_text("[lading]\nsource = sample:\njobs = 3\n")
    path = written(tmp_path / "in.tar", layout(("app:1", image(ONE, TWO))))
    assert build(ExportImage(tag="ubuntu:14.04")) == "SUCCESS"
    assert build(ImportBundle(bundle=str(path), store="oci:store")) == "SUCCESS"
    assert seen == [3] * 4  # two copies, two verifications
