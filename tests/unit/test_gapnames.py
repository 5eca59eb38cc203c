from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

from toolkit.mirror.connected.gapnames import gap_names, is_repository
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.records.lock import Gap

TODAY = dt.date(2026, 11, 27)
JOB = """
site = "plant-7"
images = ["redis:7.2", {repo = "quay.io/team/app", tags = ["*"], rename = "mirror.example/{name}"}]
"""


def job(folder: Path) -> Job:
    path = folder / "mirror.toml"
    path.write_text(JOB)
    return Job.parse(path.read_bytes(), str(path))


def test_a_repository_is_told_as_the_closed_side_calls_it(tmp_path: Path) -> None:
    gap = Gap("quay.io/team/app", "timed out", TODAY)
    gaps = [gap, replace(gap, name="redis:7.2"), gap]
    assert gap_names(job(tmp_path), gaps) == ("mirror.example/app", "redis:7.2")


def test_what_has_a_tag_or_digest_is_an_image() -> None:
    told = ["app", "host:5000/app", "app:1", "host:5000/app:1", "app@sha256:12"]
    assert [is_repository(name) for name in told] == [True, True, False, False, False]
