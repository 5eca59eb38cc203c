"""verify: read everything again, compare it with all that is recorded, and tell all that was found."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from toolkit.ancestry import REBUILT
from toolkit.errors import CorruptContent, ToolkitError
from toolkit.event import ImageBegun, ImageDone, Tell, nobody
from toolkit.image import NO_DIGESTS, Finding, Layer, Proof, ProvenImage, SourceImage, odd, too_deep
from toolkit.operations.taking import taken
from toolkit.platform import Platform
from toolkit.plumbing.compression import decompressed, sniff
from toolkit.plumbing.parallel import in_parallel, jobs_for
from toolkit.plumbing.sizemeter import SizeMeter
from toolkit.plumbing.streams import SNIFF, Extent, beginning, nowhere, transfer
from toolkit.plumbing.tarball import Entries
from toolkit.plumbing.tarreader import FileReader, StreamReader
from toolkit.ports import Content, Source
from toolkit.report import ERROR, NOTE, WARNING, Report, nothing_in
from toolkit.synthesis import own_chain

SIZE_RULES = ("S3", "S5")  # those that a tar alone can be held against (formats A.4)
TREE_RULES = ("S2", "S4")  # those that need the driver's own trees


def verify(
    source: Source,
    names: Sequence[str] = (),
    *,
    platform: Platform | None = None,
    strict: bool = False,
    progress: Tell = nobody,
    jobs: int = 0,
) -> Report:
    """Check images, all of the place's if none is named, and report every finding.

    Each blob's digest and size, each diffID, the config and manifests, v1 chains and layersizes.
    `jobs` blobs are read at once; 0 is as many as suits the place. Raises only where there is nothing to
    report on: the place cannot be read at all.
    """
    findings: list[Finding] = []
    images = _gather(source, names, platform, findings)
    for image in images:
        progress(ImageBegun(image.names, image.layers))
    layers = list({layer.key: layer for image in images for layer in image.layers}.values())
    proofs: dict[str, Proof] = {}

    def check(layer: Layer) -> list[Finding]:
        def take(content: Content, seen: Content) -> list[Finding]:
            meter = SizeMeter()
            proofs[layer.key] = transfer(seen, layer, meter if layer.v1 else nowhere)
            noted = (*odd(layer, proofs[layer.key]), *_check_proof(layer))
            return [*noted, *_check_layersize(layer, content, meter.sizes())]

        try:
            return taken(source, layer, take, progress)
        except ToolkitError as error:
            return [as_finding(error)]

    at_once = jobs_for(source, asked=jobs)
    for found in in_parallel(check, layers, size=lambda layer: layer.size, jobs=at_once):
        findings += found
    findings += _unproven(source, layers)
    proven = [result for image in images if (result := _prove(image, proofs, findings))]
    for done in proven:
        progress(ImageDone(done.names, done.top.digest))
    if strict:
        findings = list(map(_hardened, findings))
        proven = [replace(image, findings=tuple(map(_hardened, image.findings))) for image in proven]
    return Report.of(source.place, proven, findings)


def as_finding(error: ToolkitError) -> Finding:
    """Return a failure as a finding."""
    sentence = str(error).removeprefix(f"{error.subject}: ")
    return Finding(error.subject, sentence, ERROR, error.exit_code)


def _gather(
    source: Source, names: Sequence[str], platform: Platform | None, findings: list[Finding]
) -> list[SourceImage]:
    images = []
    for name in dict.fromkeys(names):
        try:
            images.append(source.image(name, platform))
        except CorruptContent as error:
            findings.append(as_finding(error))
    listings = [] if names else source.listings()
    if not names and not listings:
        findings.append(nothing_in(source.place))
    for listing in listings:
        try:
            images += [source.image(name, platform) for name in listing.names or (listing.id,)]
        except ToolkitError as error:
            findings.append(as_finding(error))
    return images


def _prove(image: SourceImage, proofs: Mapping[str, Proof], findings: list[Finding]) -> ProvenImage | None:
    findings += image.findings  # a report tells each once
    if any(layer.key not in proofs for layer in image.layers):
        return None
    try:
        proven = image.proven(proofs)
        for picture in proven.images():
            own_chain(picture)  # the v1 part must tell the same image
        findings += too_deep(proven)
    except ToolkitError as error:
        findings.append(as_finding(error))
        return None
    return proven


def _unproven(source: Source, layers: Sequence[Layer]) -> list[Finding]:
    """Say of a bundle that holds nothing to compare its layers with; docker-v1 is the one."""
    if all(layer.digest or layer.diff_id or (layer.v1 and layer.v1.proof) for layer in layers):
        return []
    return [Finding(source.place, NO_DIGESTS, NOTE)]


def _check_proof(layer: Layer) -> list[Finding]:
    """Say of a layer that travelled that nothing vouched for its tar where it came from."""
    if layer.v1 is None or layer.v1.proof != REBUILT or layer.digest is None:
        return []
    problem = "was rebuilt where it was exported, so it is not verifiable against the original"
    return [Finding(f"layer {layer.v1.id[:12]}", problem, WARNING)]


def _check_layersize(layer: Layer, content: Content, seen: Mapping[str, int] | None) -> list[Finding]:
    """Hold a recorded layersize that travelled with the layer against the tar itself.

    `seen` is what its plain headers added up to while it was hashed; another sum is looked into.
    """
    v1 = layer.v1
    if v1 is None or not isinstance(content, Extent):
        return []
    subject, rule = f"layer {v1.id[:12]}", v1.layersize.rule
    if v1.layersize.value is None:
        return [Finding(subject, v1.layersize.problem, WARNING)] if v1.layersize.problem else []
    if rule in TREE_RULES:
        problem = f"layersize follows rule {rule}, which a tar alone cannot be held against"
        return [Finding(subject, problem, NOTE)]
    if seen and v1.layersize.value in seen.values():
        return []
    sizes = tar_sizes(content)
    if v1.layersize.value in sizes.values():
        return []
    told = ", ".join(f"{sizes[rule]} by {rule}" for rule in SIZE_RULES)
    problem = f"layersize is {v1.layersize.value}, expected {told}"
    return [Finding(subject, problem, WARNING)]


def tar_sizes(content: Content) -> dict[str, int]:
    """Return what a layer's tar adds up to, by the rules that need no tree: S3 and S5."""
    tree = headers = 0
    for entry in layer_entries(content):
        headers += entry.stated_size
        if entry.type == b"2":
            tree += len(entry.linkname)
        elif entry.type == b"0":
            tree += entry.size
    return {"S3": tree, "S5": headers}


def layer_entries(content: Content) -> Entries:
    """Walk a layer's entries; bodies in an uncompressed file are passed over unread."""
    subject = getattr(content, "subject", "layer")
    if isinstance(content, Extent) and not content.compression():
        plain = FileReader(content.handle, content.offset, content.size, subject)
        return Entries(plain, subject, allow_sparse=True)
    blocks = content.blocks()
    first = beginning(blocks)
    blocks = decompressed(itertools.chain([first], blocks), sniff(first[:SNIFF]), subject)
    return Entries(StreamReader(blocks), subject, allow_sparse=True)


def _hardened(finding: Finding) -> Finding:
    return Finding(finding.subject, finding.problem, ERROR) if finding.severity == WARNING else finding
