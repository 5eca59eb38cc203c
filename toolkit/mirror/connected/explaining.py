"""Explain a job: which images it means, and of each tag whether it is in, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from toolkit.errors import NotFound, ToolkitError
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.jobs.selection import Verdict
from toolkit.mirror.jobs.version import Version
from toolkit.mirror.jobs.wanted import Wanted
from toolkit.operations.tags import tags
from toolkit.plumbing.parallel import in_parallel
from toolkit.ports import Source
from toolkit.reference import Reference

AT_ONCE = 6  # repositories to list the tags of
AHEAD = 24  # repositories whose tags are held at once

ListTags = Callable[[Wanted], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Explained:
    """What a job says of one of its images, or of a repository's tags, the highest version first."""

    wanted: Wanted
    verdicts: tuple[Verdict, ...] = ()
    idle: tuple[str, ...] = ()  # rules that took no tag
    clashes: tuple[str, ...] = ()  # names over there that something else has
    error: ToolkitError | None = None  # why the tags are not known

    @property
    def images(self) -> list[Reference]:
        """Return the images that are in, as they are called where they come from."""
        if self.wanted.selection is None:
            return [self.wanted.reference]
        return [self.wanted.tagged(verdict.tag) for verdict in self.verdicts if verdict.is_in]


def explain(job: Job, list_tags: ListTags, at_once: int = AT_ONCE) -> Iterator[Explained]:
    """Yield what becomes of each of the job's images, in their order; `list_tags` is asked in threads.

    A repository that cannot be listed has its error, and the others go on.
    """
    taken = _Names(job)
    for start in range(0, len(job.images), AHEAD):
        batch = job.images[start : start + AHEAD]
        asked = [wanted for wanted in batch if wanted.selection]
        listed = in_parallel(lambda one: _listed(one, list_tags), asked, size=lambda _: 0, jobs=at_once)
        found = dict(zip(asked, listed, strict=True))
        for wanted in batch:
            yield taken.checked(_explained(wanted, found.get(wanted, ())))


def tags_of(job: Job, wanted: Wanted, opened: Callable[[str], Source]) -> list[str]:
    """Return a repository's tags, from the first of its places that has it; raises NotFound."""
    missing: NotFound | None = None
    for place in job.places(wanted):
        try:
            return tags(opened(place), wanted.repository)
        except NotFound as error:
            missing = error
    raise missing or NotFound(wanted.repository, "has no place that it comes from")


def _listed(wanted: Wanted, list_tags: ListTags) -> Sequence[str] | ToolkitError:
    try:
        return list_tags(wanted)
    except ToolkitError as error:
        return error


def _explained(wanted: Wanted, found: Sequence[str] | ToolkitError) -> Explained:
    if isinstance(found, ToolkitError):
        return Explained(wanted, error=found)
    if wanted.selection is None:
        reference = wanted.reference
        named = reference.tag or str(reference.digest)
        return Explained(wanted, (Verdict(named, is_in=True, why="named by the job"),))
    verdicts = sorted(wanted.selection.verdicts(found), key=_height, reverse=True)
    return Explained(wanted, tuple(verdicts), tuple(wanted.selection.idle(found)))


def _height(verdict: Verdict) -> tuple[object, ...]:
    """Return what sorts a tag among versions, or, below all of them, by its name."""
    version = Version.parse(verdict.tag)
    if version is None:
        return False, verdict.tag
    return True, version.precedence, version.variant, version.text


@dataclass(slots=True)
class _Names:
    """The names that images of a job get over there, each of one image from one place."""

    job: Job
    taken: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def checked(self, explained: Explained) -> Explained:
        """Note the names of what is in, and say which of them something else has already."""
        wanted, clashes = explained.wanted, []
        for image in explained.images:
            name = wanted.name_of(image).familiar
            origin = image.familiar, wanted.platforms, self.job.places(wanted)
            before = self.taken.setdefault(name, origin)
            if before[0] != origin[0]:
                clashes.append(f"{name} is already {before[0]}, and would be {origin[0]} too")
            elif before != origin:
                clashes.append(f"{name} is wanted twice, with other platforms or from another place")
        return replace(explained, clashes=tuple(clashes)) if clashes else explained
