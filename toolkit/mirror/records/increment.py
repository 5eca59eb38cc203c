"""Increment: what a set holds, and what it takes for granted on the closed side; a member of the set.

    {"lading":"increment","version":1,"site":"plant-7","number":7,"date":"2026-11-27","baseline":"confirmed",
     "new":{NAME:"sha256:…"},            whole with this set and what it requires
     "unchanged":{NAME:"sha256:…"},      whole over there already; the name may be new
     "contains":[["sha256:…",SIZE]],     blobs in this set
     "requires":[["sha256:…",SIZE]],     blobs of the new images that are over there
     "held":"0123abcd…",                 how the digests of all other blobs of the unchanged images begin
     "gaps":[NAME]}                      wanted, and could not be had; absent where there is none

An image that did not change costs its name, its digest and six marks, and eight digits for each blob of it
that no other has named. They tell that it is over there as it is here: its top alone would be the same with a
platform or a signature less.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from toolkit.bundles.ocilayout import INDEX, LAYOUT
from toolkit.digest import Digest
from toolkit.document import Node
from toolkit.errors import UsageError
from toolkit.mirror.records import papers
from toolkit.mirror.records.baseline import KINDS, Baseline
from toolkit.mirror.records.blob import Blob, ImageBlobs, from_pairs, from_shorts, short, to_pairs

INCREMENT = "increment.json"
FILES = (LAYOUT, INDEX, INCREMENT)  # documents of a set that are found without going through its tar


@dataclass(frozen=True, slots=True)
class Carried:
    """One image that the closed side has once the set is there."""

    name: str
    digest: Digest  # of its top
    is_new: bool  # else it is whole over there without this set


@dataclass(frozen=True, slots=True)
class Increment:
    """The contents of one set."""

    site: str
    number: int
    date: dt.date  # that it was asked for
    baseline: str  # what it was reckoned against: a row of KINDS
    images: tuple[Carried, ...]  # by name
    contains: tuple[Blob, ...]  # by digest
    requires: tuple[Blob, ...]  # by digest
    held: tuple[str, ...] = ()  # `short` of what unchanged images consist of besides, sorted
    gaps: tuple[
        str, ...
    ] = ()  # names (toolkit.mirror.connected.gapnames), sorted: nobody may take them for unwanted

    @classmethod
    def of(
        cls,
        site: str,
        number: int,
        when: dt.date,
        images: Iterable[ImageBlobs],
        baseline: Baseline,
        *,
        gaps: Iterable[str] = (),
    ) -> Self:
        """Reckon what a set must hold; the order of the images is nothing to it.

        Raises UsageError where one name would be two images.
        """
        inside: dict[Digest, Blob] = {}
        there: dict[Digest, Blob] = {}
        carried = []
        held: set[Digest] = set()
        for image in in_order(images):
            is_new = not baseline.holds(image)
            carried.append(Carried(image.name, image.top, is_new))
            if not is_new:
                held.update(blob.digest for blob in image.blobs if blob.digest != image.top)
            for blob in image.blobs if is_new else ():
                (there if blob.digest in baseline.blobs else inside)[blob.digest] = blob
        contains, requires = tuple(sorted(inside.values())), tuple(sorted(there.values()))
        missing = tuple(sorted(set(gaps).difference(image.name for image in carried)))
        shorts = tuple(sorted({short(digest) for digest in held - there.keys()}))
        return cls(site, number, when, baseline.kind, tuple(carried), contains, requires, shorts, missing)

    @classmethod
    def parse(cls, raw: bytes, subject: str) -> Self:
        """Read the document; raises InvalidDocument."""
        node = papers.opened(raw, subject, "increment")
        return cls.from_node(node)

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read the members of the document; raises InvalidDocument where they contradict each other."""
        new, unchanged = papers.digest_map(node, "new"), papers.digest_map(node, "unchanged")
        if twice := sorted(new.keys() & unchanged.keys()):
            node.fail("unchanged", f"{twice[0]} is among the new ones too")
        contains, requires = from_pairs(node, "contains"), from_pairs(node, "requires")
        if {blob.digest for blob in contains} & {blob.digest for blob in requires}:
            node.fail("requires", "names a blob that the set contains")
        if (kind := node.get("baseline", str)) not in KINDS:
            node.fail("baseline", f"is {kind[:50]!r}, expected one of {', '.join(KINDS)}")
        gaps = papers.image_names(node, "gaps")
        if there := sorted(set(gaps) & (new.keys() | unchanged.keys())):
            node.fail("gaps", f"{there[0]} is among the images too")
        images = [Carried(name, digest, is_new=True) for name, digest in new.items()]
        images += [Carried(name, digest, is_new=False) for name, digest in unchanged.items()]
        return cls(
            node.parsed("site", papers.site_name),
            papers.count(node, "number", papers.MOST_NUMBER),
            papers.day(node, "date"),
            kind,
            tuple(sorted(images, key=lambda image: image.name)),
            contains,
            requires,
            from_shorts(node, "held"),
            gaps,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the members of the document."""
        return {
            "site": self.site,
            "number": self.number,
            "date": self.date.isoformat(),
            "baseline": self.baseline,
            "new": {image.name: str(image.digest) for image in self.images if image.is_new},
            "unchanged": {image.name: str(image.digest) for image in self.images if not image.is_new},
            "contains": to_pairs(self.contains),
            "requires": to_pairs(self.requires),
            **({"held": "".join(self.held)} if self.held else {}),
            **({"gaps": list(self.gaps)} if self.gaps else {}),
        }

    def __bytes__(self) -> bytes:
        return papers.written("increment", self.to_json())

    @property
    def name(self) -> str:
        """Return what the set is called."""
        return papers.set_name(self.site, self.number)

    @property
    def new(self) -> tuple[Carried, ...]:
        """Return the images that this set makes whole."""
        return tuple(image for image in self.images if image.is_new)

    @property
    def tops(self) -> dict[str, Digest]:
        """Return what each name is to mean, new or not."""
        return {image.name: image.digest for image in self.images}

    @property
    def requires_images(self) -> frozenset[Digest]:
        """Return the tops that must be whole over there already."""
        return frozenset(image.digest for image in self.images if not image.is_new)

    @property
    def is_whole(self) -> bool:
        """Tell whether the set requires nothing: then it is a bundle as any other."""
        return not self.requires and not self.requires_images

    def is_same_content(self, other: Increment) -> bool:
        """Compare all but the number: a run that was killed is taken up under the number it had."""
        return replace(other, number=self.number) == self


@dataclass(frozen=True, slots=True)
class Share:
    """What one image costs in a set, in bytes."""

    image: Carried
    new: int  # that it brings
    shared: int  # that an image before it brings
    there: int  # that the closed side has


def shares(images: Iterable[ImageBlobs], baseline: Baseline) -> tuple[Share, ...]:
    """Say of each image, by name, what it costs; the `new` together are what the set holds."""
    brought: set[Digest] = set()
    found = []
    for image in in_order(images):
        sizes = {"new": 0, "shared": 0, "there": 0}
        for blob in image.blobs:
            sizes[_share(blob.digest, baseline, brought)] += blob.size
        brought.update(blob.digest for blob in image.blobs)
        found.append(Share(Carried(image.name, image.top, not baseline.holds(image)), **sizes))
    return tuple(found)


def in_order(images: Iterable[ImageBlobs]) -> Sequence[ImageBlobs]:
    """Return images by name; raises UsageError where one name would be two images."""
    ordered = sorted(images, key=lambda image: image.name)
    for one, other in itertools.pairwise(ordered):
        if one.name == other.name:
            problem = f"would be {one.top} and {other.top}"
            raise UsageError(f"image {one.name}", problem, "rename one of them in the job")
    return ordered


def _share(digest: Digest, baseline: Baseline, brought: set[Digest]) -> str:
    if digest in baseline.blobs:
        return "there"
    return "shared" if digest in brought else "new"
