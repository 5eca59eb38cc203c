"""copy: from any source to any sink, layers in parallel, the largest first, names last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from toolkit.errors import CorruptContent
from toolkit.event import MOUNTED, PRESENT, BlobSkipped, ImageBegun, ImageDone, Tell, nobody
from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage, layers_of, odd, too_deep
from toolkit.operations.alike import together
from toolkit.operations.taking import taken
from toolkit.platform import Platform
from toolkit.plumbing.parallel import in_parallel, jobs_for
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.ports import Loses, Mounts, Names, Proves, Sink, Source, Unpacks
from toolkit.voucher import must_stand

SMALL = 1 << 20  # bytes; a layer up to this is read once more, to know its digest beforehand


def copy(
    source: Source,
    sink: Sink,
    names: Sequence[str],
    *,
    platform: Platform | None = None,
    strict: bool = False,
    progress: Tell = nobody,
    jobs: int = 0,
    before_names: Callable[[], object] = lambda: None,
) -> list[ProvenImage]:
    """Bring images, and everything they point at, from source to sink; return them, proven, as named there.

    `jobs` blobs are carried at once; 0 is as many as suits the places. `before_names` is called when all is
    read: what it raises leaves no image behind. A source that was let in must be what it was then.
    Raises before anything is written where a name is unknown, or where `strict` and a finding warns.
    """
    if strict and isinstance(sink, Unpacks):
        sink.unpacks = True
    images: Sequence[SourceImage] = [source.image(name, platform) for name in dict.fromkeys(names)]
    if isinstance(sink, Names):
        images = sink.as_called(images)
    images = together(images)
    if strict:
        refuse_warnings([finding for image in images for finding in image.findings])
    for image in images:
        progress(ImageBegun(image.names, image.layers))
    layers = layers_of(images)
    known = _known(source, layers)
    with sink.receive(images, known) as receiver:

        def carry(layer: Layer) -> Proof:
            if proof := sink.present(layer):
                progress(BlobSkipped(layer, _why(sink, layer)))
                return proof
            return taken(source, layer, lambda _, seen: receiver.write(layer, seen), progress)

        at_once = jobs_for(source, sink, asked=jobs)
        proofs = in_parallel(carry, layers, size=lambda layer: layer.size, jobs=at_once)
        by_key = dict(zip((layer.key for layer in layers), proofs, strict=True))
        proven = [_with_losses(_with_odds(image, by_key), sink) for image in images]
        if strict:
            refuse_warnings([finding for image in proven for finding in image.findings])
        must_stand(source)
        before_names()
        receiver.finish(proven)
    for done in proven:
        progress(ImageDone(done.names, done.top.digest))
    return proven


def refuse_warnings(findings: Sequence[Finding]) -> None:
    """Raise CorruptContent for the first warning: what `--strict` asks for."""
    for finding in findings:
        if finding.severity == "warning":
            raise CorruptContent(finding.subject, finding.problem, "--strict makes warnings errors")


def _with_odds(image: SourceImage, proofs: Mapping[str, Proof]) -> ProvenImage:
    """Return the image, proven, with what is odd about its layers."""
    proven = image.proven(proofs)
    found = (finding for layer in image.layers for finding in odd(layer, proofs[layer.key]))
    return replace(proven, findings=tuple(dict.fromkeys((*proven.findings, *found, *too_deep(proven)))))


def _with_losses(image: ProvenImage, sink: Sink) -> ProvenImage:
    if not isinstance(sink, Loses):
        return image
    return replace(image, findings=tuple(dict.fromkeys((*image.findings, *sink.losses(image)))))


def _why(sink: Sink, layer: Layer) -> str:
    """Return why a blob is not carried."""
    return MOUNTED if isinstance(sink, Mounts) and sink.is_mounted(layer) else PRESENT


def _known(source: Source, layers: Sequence[Layer]) -> dict[str, Proof]:
    """Return proofs of layers whose digest is unknown, where they are cheap: proven before, or small.

    A legacy image has many small ones that are the same. So a bundle is laid out once, as it will be.
    """
    known = {}
    for layer in (layer for layer in layers if layer.digest is None):
        if isinstance(source, Proves) and (proof := source.proof(layer)) is not None:
            known[layer.key] = proof
        elif layer.size <= SMALL:
            with source.open(layer) as content:
                known[layer.key] = transfer(content, layer, nowhere)
    return known
