"""verify: read everything again, compare it with all that is recorded, and tell all that was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolkit.errors import CorruptContent, ToolkitError
from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage
from toolkit.operations.copy import Progress, watched
from toolkit.platform import Platform
from toolkit.plumbing.compression import decompressed
from toolkit.plumbing.parallel import in_parallel
from toolkit.plumbing.streams import Extent, nowhere, transfer
from toolkit.plumbing.tarball import Entries
from toolkit.plumbing.tarreader import FileReader, StreamReader
from toolkit.ports import Content, Source
from toolkit.report import ERROR, WARNING, Report
from toolkit.synthesis import own_chain

SIZE_RULES = ("S3", "S5")  # those that a tar alone can be held against (formats A.4)


def verify(
    source: Source,
    names: Sequence[str] = (),
    *,
    platform: Platform | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Check images, all of the place's if none is named, and report every finding.

    Each blob's digest and size, each diffID, the config and manifests, v1 chains and layersizes.
    Raises only where there is nothing to report on: the place cannot be read at all.
    """
    findings: list[Finding] = []
    images = _gather(source, names, platform, findings)
    layers = list({layer.key: layer for image in images for layer in image.layers}.values())
    proofs: dict[str, Proof] = {}

    def check(layer: Layer) -> list[Finding]:
        try:
            with source.open(layer) as content:
                proofs[layer.key] = transfer(
                    watched(content, layer, progress), layer, nowhere, prove_diff_id=True
                )
                return _check_layersize(layer, content)
        except ToolkitError as error:
            return [as_finding(error)]

    for found in in_parallel(check, layers, size=lambda layer: layer.size):
        findings += found
    proven = [result for image in images if (result := _prove(image, proofs, findings))]
    if strict:
        findings = [_hardened(finding) for finding in findings]
    return Report.of(source.place, proven, findings)


def as_finding(error: ToolkitError) -> Finding:
    """Return a failure as a finding."""
    sentence = str(error).removeprefix(f"{error.subject}: ")
    return Finding(error.subject, sentence, ERROR, error.exit_code)


def _gather(
    source: Source, names: Sequence[str], platform: Platform | None, findings: list[Finding]
) -> list[SourceImage]:
    if names:
        return [source.image(name, platform) for name in dict.fromkeys(names)]
    images = []
    for listing in source.listings():
        try:
            if listing.problem:
                raise CorruptContent(listing.names[0] if listing.names else listing.id, listing.problem)
            images += [source.image(name, platform) for name in listing.names or (listing.id,)]
        except ToolkitError as error:
            findings.append(as_finding(error))
    return images


def _prove(image: SourceImage, proofs: Mapping[str, Proof], findings: list[Finding]) -> ProvenImage | None:
    findings += [finding for finding in image.findings if finding not in findings]
    if any(layer.key not in proofs for layer in image.layers):
        return None
    try:
        proven = image.proven(proofs)
        for picture in proven.images():
            own_chain(picture)  # the v1 part must tell the same image
    except ToolkitError as error:
        findings.append(as_finding(error))
        return None
    return proven


def _check_layersize(layer: Layer, content: Content) -> list[Finding]:
    """Hold a recorded layersize that travelled with the layer against the tar itself."""
    v1 = layer.v1
    if v1 is None or v1.layersize.value is None or not isinstance(content, Extent):
        return []
    sizes = tar_sizes(content)
    if v1.layersize.value in sizes.values():
        return []
    told = ", ".join(f"{sizes[rule]} by {rule}" for rule in SIZE_RULES)
    problem = f"layersize is {v1.layersize.value}, expected {told}"
    return [Finding(f"layer {v1.id[:12]}", problem, WARNING)]


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
    if isinstance(content, Extent):
        plain = FileReader(content.handle, content.offset, content.size, subject)
        if not (compression := content.compression()):
            return Entries(plain, subject, allow_sparse=True)
        return Entries(
            StreamReader(decompressed(content.blocks(), compression, subject)), subject, allow_sparse=True
        )
    return Entries(StreamReader(content.blocks()), subject, allow_sparse=True)


def _hardened(finding: Finding) -> Finding:
    return Finding(finding.subject, finding.problem, ERROR) if finding.severity == WARNING else finding
