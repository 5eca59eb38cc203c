"""checkup: what of a store is whole, what can still be saved, and what is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from toolkit.ancestry import REBUILT
from toolkit.checks import as_finding
from toolkit.errors import StoreError, ToolkitError, Unsupported
from toolkit.event import BlobsExpected, Tell, nobody
from toolkit.image import Finding, Layer, SourceImage
from toolkit.outline import Listing
from toolkit.platform import Platform
from toolkit.plumbing.followed import followed
from toolkit.plumbing.parallel import in_parallel
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.ports import Lacks, Source
from toolkit.report import ERROR

WHOLE = "whole"
PARTIAL = "partial"  # an image of several platforms, of which some are not here, or damaged
UNREAD = "not read"  # its records are whole; nobody looked at its layers
REBUILDABLE = "rebuildable"  # some of its layers' tars are lost, or were never kept; their files are there
UNREADABLE = "unreadable"  # we may not, or its disk does not let us, or it is of a kind that is not read
LOST = "lost"
UNABLE, NOT_FOR_US = StoreError.exit_code, Unsupported.exit_code


@dataclass(frozen=True, slots=True)
class Checked:
    """One listed image, and how it is."""

    listing: Listing
    state: str
    layers: int = 0  # how many it has, of its preferred platform; 0 where that cannot be known
    findings: tuple[Finding, ...] = ()  # all that is odd about it; errors where it is not whole
    platforms: tuple[str, ...] = ()  # of a partial one: those to save one by one; none: it is saved as it is

    @property
    def name(self) -> str:
        """Return what the store knows it by."""
        return _name(self.listing)


def check_up(
    source: Source,
    rescue: Callable[[], Source],
    *,
    fast: bool = False,
    progress: Tell = nobody,
) -> list[Checked]:
    """Look at every image of a place; unless `fast`, read every layer and compare it with its digest.

    `rescue` opens the same place so that layers may be made anew; it is asked only where something is
    damaged. Raises only where the place itself cannot be read.
    """
    offered = [(listing, _image(source, listing)) for listing in source.listings()]
    images = [image for _, image in offered if not isinstance(image, Finding)]
    visit = _Visit(source, fast=fast)
    visit.read([layer for image in images for layer in image.layers], progress)
    saved: list[_Visit] = []

    def rescuer() -> _Visit:
        if not saved:
            saved.append(_Visit(rescue()))
        return saved[0]

    return [_checked(listing, image, visit, rescuer) for listing, image in offered]


def _checked(
    listing: Listing, image: SourceImage | Finding, visit: _Visit, rescuer: Callable[[], _Visit]
) -> Checked:
    noticed, failures = (image,) if isinstance(image, Finding) else _noticed(image), visit.failures(image)
    if not isinstance(image, Finding) and not failures:
        layers = _count(visit.source, listing) or len(image.layers)
        return Checked(listing, _undamaged(image, visit), layers, noticed)
    errors = [finding for finding in (*noticed, *failures) if finding.severity == ERROR]
    if _may_be_whole(errors):
        return Checked(listing, UNREADABLE, _count(visit.source, listing), (*noticed, *failures))
    if left := _left(listing, image, visit):
        told = (_lost(listing, left), *noticed, *failures)
        return Checked(listing, PARTIAL, _count(visit.source, listing, left[0]), told, left)
    denied, is_ours = rescuer().lacks(listing), {finding.exit_code for finding in errors} != {NOT_FOR_US}
    if not denied:
        return Checked(listing, REBUILDABLE, _count(visit.source, listing), (*noticed, *failures))
    if not _may_be_whole(denied):
        denied = ()
    state = UNREADABLE if denied or not is_ours else LOST
    return Checked(listing, state, _count(visit.source, listing), (*noticed, *failures, *denied))


def _undamaged(image: SourceImage, visit: _Visit) -> str:
    """Return the state of an image of which nothing is known to be damaged."""
    if isinstance(image, Lacks) and image.lacking:
        return PARTIAL
    if any(layer.v1 and layer.v1.proof == REBUILT for layer in image.layers):
        return REBUILDABLE
    return UNREAD if visit.fast else WHOLE


@dataclass(slots=True)
class _Visit:
    """What has been read of a place, each layer once."""

    source: Source
    fast: bool = False
    _failed: dict[str, Finding] = field(default_factory=dict)  # key of a layer → why it cannot be read
    _read: set[str] = field(default_factory=set)  # keys

    def read(self, layers: Sequence[Layer], progress: Tell = nobody) -> None:
        """Read layers, and note those that are not what they are recorded as."""

        def check(layer: Layer) -> None:
            try:
                with self.source.open(layer) as content, followed(content, layer, progress) as told:
                    transfer(told, layer, nowhere)
            except ToolkitError as error:
                self._failed[layer.key] = as_finding(error)

        if self.fast:
            return
        new = {layer.key: layer for layer in layers if layer.key not in self._read}
        self._read.update(new)
        progress(BlobsExpected(tuple(new.values())))
        in_parallel(check, tuple(new.values()), size=lambda layer: layer.size)

    def failures(self, image: SourceImage | Finding) -> tuple[Finding, ...]:
        """Return why layers of an image that were read are not to be had."""
        layers = () if isinstance(image, Finding) else image.layers
        return tuple(self._failed[layer.key] for layer in layers if layer.key in self._failed)

    def lacks(self, listing: Listing, platform: str = "") -> tuple[Finding, ...]:
        """Read an image, or what it is for a platform; return why it is not to be had, where it is not."""
        image = _image(self.source, listing, platform)
        if isinstance(image, Finding):
            return (image,)
        self.read(image.layers)
        return self.failures(image)


def _may_be_whole(errors: Sequence[Finding]) -> bool:
    """Tell whether nothing is wrong but that we could not read it."""
    return {finding.exit_code for finding in errors} == {UNABLE}


def _image(source: Source, listing: Listing, platform: str = "") -> SourceImage | Finding:
    """Return a listed image, or why it cannot be had."""
    try:
        return source.image(_name(listing), Platform.parse(platform) if platform else None)
    except ToolkitError as error:
        return as_finding(error)


def _noticed(image: SourceImage) -> tuple[Finding, ...]:
    """Return what is odd about an image; of a platform that was here, that it is lost."""
    lacking = image.lacking if isinstance(image, Lacks) else ()
    graver = {(finding.subject, finding.problem): finding for finding in lacking}
    return tuple(graver.get((finding.subject, finding.problem), finding) for finding in image.findings)


def _left(listing: Listing, image: SourceImage | Finding, visit: _Visit) -> tuple[str, ...]:
    """Return the platforms of a damaged image that are whole, where it has, or had, several."""
    asked = listing.platforms if len(listing.platforms) > 1 or isinstance(image, Finding) else []
    return tuple(platform for platform in asked if not visit.lacks(listing, platform))


def _lost(listing: Listing, left: Sequence[str]) -> Finding:
    """Say what of an image is lost; of one whose documents are damaged, what is not."""
    lost = [platform for platform in listing.platforms if platform not in left]
    problem = f"has lost {', '.join(lost)}" if lost else f"is damaged but for {', '.join(left)}"
    return Finding(f"image {_name(listing)}", problem, ERROR)


def _count(source: Source, listing: Listing, platform: str = "") -> int:
    """Return how many layers an image has by its metadata; 0 where that cannot be read."""
    try:
        told = source.outline(_name(listing), Platform.parse(platform) if platform else None)
    except ToolkitError:
        return 0
    return sum(bool(line.id) for line in told.layers)


def _name(listing: Listing) -> str:
    return listing.names[0] if listing.names else listing.id
