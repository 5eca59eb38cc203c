"""checkup: what of a store is whole, what can still be saved, and what is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from toolkit.errors import StoreError, ToolkitError
from toolkit.event import BlobsExpected, Tell, nobody
from toolkit.image import Finding, Layer, SourceImage
from toolkit.operations.verify import as_finding
from toolkit.outline import Listing
from toolkit.plumbing.followed import followed
from toolkit.plumbing.parallel import in_parallel
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.ports import Source
from toolkit.report import ERROR

WHOLE = "whole"
UNREAD = "not read"  # its records are whole; nobody looked at its layers
REBUILDABLE = "rebuildable"  # some of its layers' tars are lost; their files are there
UNREADABLE = "unreadable"  # we may not read it, or its disk does not let us
LOST = "lost"
UNABLE = StoreError.exit_code


@dataclass(frozen=True, slots=True)
class Checked:
    """One listed image, and how it is."""

    listing: Listing
    state: str
    layers: int = 0  # how many it has; 0 where that cannot be known
    findings: tuple[Finding, ...] = ()  # all that is odd about it; errors where it is not whole

    @property
    def name(self) -> str:
        """Return what the store knows it by."""
        return self.listing.names[0] if self.listing.names else self.listing.id


@dataclass(slots=True)
class _Seen:
    """What has been read of a place."""

    failures: dict[str, Finding] = field(default_factory=dict)  # key of a layer → why it cannot be read
    read: set[str] = field(default_factory=set)  # keys


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
    seen = _Seen()
    if not fast:
        _read(source, [layer for image in images for layer in image.layers], seen, progress)
    saved: list[Source] = []

    def rescuer() -> Source:
        if not saved:
            saved.append(rescue())
        return saved[0]

    whole = UNREAD if fast else WHOLE
    return [_checked(listing, image, whole, seen, rescuer) for listing, image in offered]


def _image(source: Source, listing: Listing) -> SourceImage | Finding:
    """Return a listed image, or why it cannot be had."""
    try:
        return source.image(listing.names[0] if listing.names else listing.id)
    except ToolkitError as error:
        return as_finding(error)


def _checked(
    listing: Listing, image: SourceImage | Finding, whole: str, seen: _Seen, rescuer: Callable[[], Source]
) -> Checked:
    layers = () if isinstance(image, Finding) else image.layers
    noticed = (image,) if isinstance(image, Finding) else tuple(image.findings)
    errors = tuple(seen.failures[layer.key] for layer in layers if layer.key in seen.failures)
    if not errors and not isinstance(image, Finding):
        return Checked(listing, whole, len(layers), noticed)
    if {finding.exit_code for finding in (*noticed, *errors) if finding.severity == ERROR} == {UNABLE}:
        return Checked(listing, UNREADABLE, len(layers), (*noticed, *errors))
    rescued = _rescued(rescuer(), listing)
    state = REBUILDABLE if rescued is not None else LOST
    return Checked(listing, state, len(rescued or layers), (*noticed, *errors))


def _rescued(source: Source, listing: Listing) -> Sequence[Layer] | None:
    """Return the layers of an image as far as it can be saved; None where one of them cannot be read."""
    image = _image(source, listing)
    if isinstance(image, Finding):
        return None
    seen = _Seen()
    _read(source, image.layers, seen, nobody)
    return None if seen.failures else image.layers


def _read(source: Source, layers: Sequence[Layer], seen: _Seen, progress: Tell) -> None:
    """Read layers, each once, and note those that are not what they are recorded as."""
    once = tuple({layer.key: layer for layer in layers}.values())
    progress(BlobsExpected(once))

    def check(layer: Layer) -> None:
        try:
            with source.open(layer) as content, followed(content, layer, progress) as told:
                transfer(told, layer, nowhere)
        except ToolkitError as error:
            seen.failures[layer.key] = as_finding(error)

    in_parallel(check, once, size=lambda layer: layer.size)
