"""Lock: the names of a job, resolved to digests once a run; and Gap: what could not be had.

{"lading":"lock","version":1,"site":"plant-7","date":"2026-11-27",
 "images":[{"name":…,"origin":…,"place":…,"digest":"sha256:…","platforms":["linux/amd64"],"index":"sha256:…"}],
 "gaps":[{"name":…,"problem":…,"since":"2026-11-25"}],"wanted":"sha256:…"}
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from toolkit.digest import Digest
from toolkit.document import Node
from toolkit.errors import ToolkitError
from toolkit.mirror.records import papers
from toolkit.platform import Platform


@dataclass(frozen=True, slots=True)
class Locked:
    """One image of a run."""

    name: str  # as the closed side will call it
    origin: str  # the reference that it was found by
    place: str  # the URI of the source
    digest: Digest  # of the manifest or index that is carried
    platforms: tuple[Platform, ...] = ()  # all of them where none is named
    index: Digest | None = None  # what the origin pointed at, where one manifest of it is carried

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read one image; raises InvalidDocument."""
        return cls(
            papers.name(node, "name"),
            papers.name(node, "origin"),
            papers.text(node, "place"),
            node.parsed("digest", Digest.parse),
            tuple(_platform(node, each) for each in node.texts("platforms")),
            node.parsed("index", Digest.parse) if node.optional("index", str) else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object of this image."""
        body = {"name": self.name, "origin": self.origin, "place": self.place, "digest": str(self.digest)}
        platforms = {"platforms": papers.as_texts(self.platforms)} if self.platforms else {}
        return {**body, **platforms, **({"index": str(self.index)} if self.index else {})}

    @property
    def told(self) -> Digest:
        """Return what the origin pointed at."""
        return self.index or self.digest

    @property
    def narrowing(self) -> tuple[Platform, ...]:
        """Return the platforms to take of what is carried; none where that is all of it."""
        return () if self.index else self.platforms


@dataclass(frozen=True, slots=True)
class Gap:
    """An image that is left out whole, and is tried first the next time."""

    name: str
    problem: str  # one sentence
    since: date  # the first night that it failed

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read one gap; raises InvalidDocument."""
        return cls(papers.name(node, "name"), papers.text(node, "problem"), papers.day(node, "since"))

    def to_json(self) -> dict[str, Any]:
        """Return the object of this gap."""
        problem = self.problem[: papers.TEXT_LIMIT]
        return {"name": self.name, "problem": problem, "since": self.since.isoformat()}


@dataclass(frozen=True, slots=True)
class Lock:
    """What a run carries, and what it cannot."""

    site: str
    date: date
    images: tuple[Locked, ...]
    gaps: tuple[Gap, ...] = ()
    wanted: Digest | None = None  # of what the job asked for: another one is resolved anew on the same day

    @classmethod
    def parse(cls, raw: bytes, subject: str) -> Self:
        """Read a lock file; raises InvalidDocument, also where a name stands twice."""
        node = papers.opened(raw, subject, "lock")
        images = tuple(map(Locked.from_node, node.children("images")))
        gaps = tuple(map(Gap.from_node, node.children("gaps")))
        refuse_twice(node, "images", (each.name for each in images))
        refuse_twice(node, "gaps", (each.name for each in gaps))
        wanted = node.parsed("wanted", Digest.parse) if node.optional("wanted", str) else None
        return cls(node.parsed("site", papers.site_name), papers.day(node, "date"), images, gaps, wanted)

    @property
    def crowded(self) -> frozenset[str]:
        """Return the origins of which several images are carried, each of another platform."""
        first: dict[str, Digest] = {}
        images = self.images
        return frozenset(
            each.origin for each in images if first.setdefault(each.origin, each.digest) != each.digest
        )

    def to_json(self) -> dict[str, Any]:
        """Return the members of the document."""
        return {
            "site": self.site,
            "date": self.date.isoformat(),
            "images": [each.to_json() for each in self.images],
            "gaps": [each.to_json() for each in self.gaps],
            **({"wanted": str(self.wanted)} if self.wanted else {}),
        }

    def __bytes__(self) -> bytes:
        return papers.written("lock", self.to_json())


def lasting(gaps: Iterable[Gap], before: Iterable[Gap]) -> tuple[Gap, ...]:
    """Return tonight's gaps, each since the first night that it failed without a good one between."""
    first = {gap.name: gap.since for gap in before}
    return tuple(Gap(gap.name, gap.problem, min(gap.since, first.get(gap.name, gap.since))) for gap in gaps)


def refuse_twice(node: Node, key: str, names: Iterable[str]) -> None:
    """Raise InvalidDocument where a name stands twice in a list."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            node.fail(key, f"{name} stands twice")
        seen.add(name)


def _platform(node: Node, text: str) -> Platform:
    try:
        return Platform.parse(text)
    except ToolkitError as error:
        node.fail("platforms", str(error))
