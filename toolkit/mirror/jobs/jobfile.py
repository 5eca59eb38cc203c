"""A job file and the list of images that it names, where they lie."""

from __future__ import annotations

from pathlib import Path

from toolkit.mirror.jobs.job import Job
from toolkit.mirror.jobs.table import LARGEST
from toolkit.operations.keys import read_named

LARGEST_LIST = 16 << 20  # bytes of a plain list


def read_job(path: str) -> Job:
    """Read a job, and the images of its `images_file`; raises InvalidJob, NotFound or StoreError."""
    job = Job.parse(read_named(path, LARGEST), path, Path(path).parent)
    return job.with_listed(read_named(job.images_file, LARGEST_LIST)) if job.images_file else job
