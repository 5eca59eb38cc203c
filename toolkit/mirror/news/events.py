"""Events of a mirror run, beside those of its images; `docs/scheduling.md` tells of the JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from toolkit.event import Event
from toolkit.mirror.records.outcome import Gap, Outcome
from toolkit.printable import printable


@dataclass(frozen=True)
class MirrorBegun(Event):
    """All names are resolved: so many images are wanted, and so many of them cannot be had already now."""

    word: ClassVar[str] = "mirror.begun"
    site: str
    images: int
    gaps: int

    def facts(self) -> dict[str, Any]:
        """Return the site, and the numbers."""
        return {"site": printable(self.site), "images": self.images, "gaps": self.gaps}


@dataclass(frozen=True)
class ImageMissed(Event):
    """An image is left out whole; the run goes on."""

    word: ClassVar[str] = "image.missed"
    gap: Gap

    def facts(self) -> dict[str, Any]:
        """Return its name, why, and the day on which it failed first."""
        name, problem = printable(self.gap.name), printable(self.gap.problem)
        return {"name": name, "problem": problem, "since": self.gap.since.isoformat()}


@dataclass(frozen=True)
class NoticeFailed(Event):
    """Somebody, or some file, could not be told what a run came to; the run is what it was."""

    word: ClassVar[str] = "notice.failed"
    notice: str  # mail, webhook or textfile
    sentence: str

    def facts(self) -> dict[str, Any]:
        """Return which, and why."""
        return {"notice": self.notice, "sentence": printable(self.sentence)}


@dataclass(frozen=True)
class MirrorEnded(Event):
    """What a run came to."""

    word: ClassVar[str] = "mirror.ended"
    outcome: Outcome

    def facts(self) -> dict[str, Any]:
        """Return the outcome, whose gaps were told one by one."""
        facts = self.outcome.to_json()
        return {member: value for member, value in facts.items() if member not in {"schema", "gaps"}}
