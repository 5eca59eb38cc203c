"""verify: read everything again, compare it with all that is recorded, and tell all that was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from toolkit.checks import as_finding
from toolkit.errors import CorruptContent, ToolkitError
from toolkit.event import ImageBegun, ImageDone, Tell, nobody
from toolkit.findings import Findings, names_of
from toolkit.hazards import hazards
from toolkit.image import (
    NO_DIGESTS,
    Finding,
    Layer,
    Proof,
    ProvenImage,
    SourceImage,
    layers_of,
    placeholder,
    too_deep,
)
from toolkit.operations.alike import together
from toolkit.operations.layercheck import CheckedLayer, check_layer, recorded_findings
from toolkit.outline import Listing
from toolkit.platform import Platform
from toolkit.plumbing.parallel import in_parallel, jobs_for
from toolkit.plumbing.pathtable import Room
from toolkit.ports import Source, remarks_of
from toolkit.report import DEEP, ERROR, FAST, FULL, NOTE, WARNING, Report, nothing_in
from toolkit.synthesis import own_chain

UNCOVERED = "a .sha256 or a signature beside it would tell; the other formats hold digests"


@runtime_checkable
class Disagrees(Protocol):
    """A bundle of several parts, refused as a whole where they differ or one of its images is damaged."""

    def disagreements(self) -> Iterable[ToolkitError]:
        """Yield all that it would be refused for; from now on what can be read of it is read."""


@runtime_checkable
class Sniffs(Protocol):
    """A source whose blobs lie here, so that their first bytes cost nothing."""

    def compression(self, layer: Layer) -> str:
        """Return how a layer is compressed, by its first bytes; empty where it is not."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """An image to be read, and what findings call it: its names, or what it was asked for by."""

    image: SourceImage
    called: tuple[str, ...]

    @classmethod
    def of(cls, image: SourceImage, asked: str) -> Gathered:
        """Take an image that was asked for so."""
        return cls(image, tuple(image.names) or (asked,))


def verify(
    source: Source,
    names: Sequence[str] = (),
    *,
    platform: Platform | None = None,
    strict: bool = False,
    depth: str = FULL,
    progress: Tell = nobody,
    jobs: int = 0,
) -> Report:
    """Check images, all of the place's if none is named, and report every finding.

    Each blob's digest and size, each diffID, the config and manifests, v1 chains and layersizes. With a
    `depth` of FAST no layer is read, with DEEP each is looked into too, in the pass that hashes it. `jobs`
    blobs are read at once; 0 is as many as suits the place. Raises only where there is nothing to report on:
    the place cannot be read at all.
    """
    findings = Findings(source.place, strict=strict)
    findings += _disagreements(source)
    images = _gather(source, names, platform, findings)
    layers = layers_of(each.image for each in images)
    if depth == FAST:
        checked = [_unread(source, layer) for layer in layers]
        progress = nobody  # nothing is read, and nothing proven
    else:
        for each in images:
            progress(ImageBegun(each.image.names, each.image.layers))
        checked = _read(source, layers, depth, progress, jobs)
    findings += _of_layers(layers, checked, images)
    findings += [*_unproven(source, layers), *_unverifiable(source, layers), *remarks_of(source)]
    proofs = {layer.key: each.proof for layer, each in zip(layers, checked, strict=True) if each.proof}
    proven = [result for each in images if (result := _prove(each, source.place, proofs, findings))]
    for done in proven:
        findings += (hazard.of(done.names) for hazard in hazards(done))
        progress(ImageDone(done.names, done.top.digest))
    if depth == DEEP:
        from toolkit.operations.layerstacks import stack_findings

        findings += (odd.of(done.names) for done in proven for odd in stack_findings(done, checked))
    if strict:
        proven = [replace(image, findings=tuple(map(_hardened, image.findings))) for image in proven]
    return replace(Report.of(source.place, proven, findings), depth=depth)


def vouched(report: Report, *, is_covered: bool, strict: bool = False) -> Report:
    """Return the report of a place that was read, `is_covered` where a sum or signature beside it fits it.

    Where none does, that it records no digest of its layers is a warning, and an error where `strict`.
    """
    if is_covered or report.depth == FAST:
        return report
    severity = ERROR if strict else WARNING
    findings = (
        replace(each, severity=severity, advice=UNCOVERED) if each.problem == NO_DIGESTS else each
        for each in report.findings
    )
    return replace(report, findings=tuple(findings))


def refused(place: str, error: CorruptContent, depth: str) -> Report:
    """Return the report on a place that is so damaged that it cannot even be opened."""
    return Report(place, (), (as_finding(error),), depth=depth)


def _unread(source: Source, layer: Layer) -> CheckedLayer:
    """Return what can be told of a layer that is not read, but its first bytes."""
    told, assumed = recorded_findings(layer), placeholder(layer)
    if not isinstance(source, Sniffs) or layer.diff_id is None:
        return CheckedLayer(told, assumed)
    try:
        return CheckedLayer(told, replace(assumed, compression=source.compression(layer)))
    except ToolkitError as error:
        return CheckedLayer((as_finding(error), *told))


def _of_layers(
    layers: Sequence[Layer], checked: Sequence[CheckedLayer], images: Sequence[Gathered]
) -> Iterator[Finding]:
    """Yield what was found of layers, with the images that have them."""
    whose: dict[str, list[tuple[str, ...]]] = {
        layer.key: [] for layer, each in zip(layers, checked, strict=True) if each.findings
    }
    for gathered in images if whose else ():
        for layer in gathered.image.layers:
            if layer.key in whose:
                whose[layer.key].append(gathered.called)
    for layer, each in zip(layers, checked, strict=True):
        called = names_of(whose.get(layer.key, ()))
        yield from (finding.of(called) for finding in each.findings)


def _read(
    source: Source, layers: Sequence[Layer], depth: str, progress: Tell, jobs: int
) -> list[CheckedLayer]:
    """Read every layer, several at once."""
    room = Room() if depth == DEEP else None

    def check(layer: Layer) -> CheckedLayer:
        return check_layer(source, layer, progress, room)

    return in_parallel(check, layers, size=lambda layer: layer.size, jobs=jobs_for(source, asked=jobs))


def _disagreements(source: Source) -> Iterator[Finding]:
    """Yield what a bundle would be refused for, once: afterwards its images are read one by one."""
    try:
        if isinstance(source, Disagrees):
            yield from map(as_finding, source.disagreements())
    except CorruptContent as error:
        yield as_finding(error)


def _gather(
    source: Source, names: Sequence[str], platform: Platform | None, findings: Findings
) -> list[Gathered]:
    images = []
    for name in dict.fromkeys(names):
        try:
            images.append(Gathered.of(source.image(name, platform), name))
        except CorruptContent as error:
            findings.add(as_finding(error).of((name,)))
    listings: list[Listing] = []
    try:
        listings = [] if names else source.listings()
        if not names and not listings and not findings:  # of what was refused nothing may be left
            findings.add(nothing_in(source.place))
    except CorruptContent as error:
        findings.add(as_finding(error))
    for listing in listings:
        called = listing.names or (listing.id,)
        try:
            same = together(source.image(name, platform) for name in called)
            images += [Gathered.of(image, called[0]) for image in same]
        except ToolkitError as error:
            findings.add(as_finding(error).of(called))
    return images


def _prove(
    gathered: Gathered, place: str, proofs: Mapping[str, Proof], findings: Findings
) -> ProvenImage | None:
    image, called = gathered.image, gathered.called
    findings += (  # a report tells each once
        finding if finding.subject == place else finding.of(called) for finding in image.findings
    )
    if any(layer.key not in proofs for layer in image.layers):
        return None
    try:
        proven = image.proven(proofs)
        for picture in proven.images():
            own_chain(picture)  # the v1 part must tell the same image
        findings += (deep.of(called) for deep in too_deep(proven))
    except ToolkitError as error:
        findings.add(as_finding(error).of(called))
        return None
    return proven


def _unproven(source: Source, layers: Sequence[Layer]) -> list[Finding]:
    """Say of a bundle that holds nothing to compare its layers with; docker-v1 is the one."""
    if all(layer.digest or layer.diff_id or (layer.v1 and layer.v1.proof) for layer in layers):
        return []
    return [Finding(source.place, NO_DIGESTS, NOTE, check="proof")]


def _unverifiable(source: Source, layers: Sequence[Layer]) -> list[Finding]:
    """Say how many digests a legacy store keeps of blobs that it pulled or pushed (formats A.5)."""
    kept = sum(layer.v1 is not None and layer.v1.checksum.startswith("sha256:") for layer in layers)
    if not kept:
        return []
    problem = f"records the digests of {kept} compressed layers, which are not here and cannot be compared"
    return [Finding(source.place, problem, NOTE, check="checksum")]


def _hardened(finding: Finding) -> Finding:
    return replace(finding, severity=ERROR) if finding.severity == WARNING else finding
