from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import NotFound, StoreError
from toolkit.mirror.jobs.jobfile import read_job
from toolkit.mirror.jobs.table import LARGEST


def test_a_job_and_its_list_are_read_from_the_job_s_folder(tmp_path: Path) -> None:
    job = tmp_path / "mirror.toml"
    job.write_text("site = 'a'\nimages = ['redis:7']\nimages_file = 'images.txt'\n")
    with pytest.raises(NotFound, match=r"images\.txt"):
        read_job(str(job))
    (tmp_path / "images.txt").write_text("# more\nubuntu:14.04\n")
    (tmp_path / "link.toml").symlink_to(job)
    for name in ("mirror.toml", "link.toml"):
        images = read_job(str(tmp_path / name)).images
        assert [wanted.reference.familiar for wanted in images] == ["redis:7", "ubuntu:14.04"]


def test_no_more_than_a_job_is_read(tmp_path: Path) -> None:
    job = tmp_path / "mirror.toml"
    with job.open("wb") as stream:
        stream.truncate(LARGEST + 1)
    with pytest.raises(StoreError, match=f"is more than {LARGEST} bytes"):
        read_job(str(job))
    with pytest.raises(NotFound):
        read_job(str(tmp_path / "none.toml"))
