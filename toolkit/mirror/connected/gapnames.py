"""Gap names: what a set tells of the images that it could not have, so that none is taken for unwanted.

An image is told by the name that the closed side calls it; a repository whose tags are not known by its own,
without a tag, and stands for all its images.
"""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.mirror.jobs.job import Job
from toolkit.mirror.records.lock import Gap


def gap_names(job: Job, gaps: Iterable[Gap]) -> tuple[str, ...]:
    """Return the names of gaps, as the closed side knows them, each once."""
    repositories = {
        wanted.reference.familiar: wanted.name_of(wanted.reference).familiar
        for wanted in job.images
        if wanted.selection
    }
    return tuple(sorted({repositories.get(gap.name, gap.name) for gap in gaps}))


def is_repository(name: str) -> bool:
    """Tell whether a name in a gap is that of a repository."""
    return "@" not in name and ":" not in name.rpartition("/")[2]
