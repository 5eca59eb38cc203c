"""copy: from any source to any sink, layers in parallel, the largest first, names last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from toolkit.errors import CorruptContent, Spoiled
from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage
from toolkit.platform import Platform
from toolkit.plumbing.parallel import in_parallel, jobs_for
from toolkit.plumbing.streams import ProvenExtent, nowhere, transfer
from toolkit.ports import Block, Content, Loses, Names, Proves, Sink, Source

SMALL = 1 << 20  # bytes; a layer up to this is read once more, to know its digest beforehand

T = TypeVar("T")
Progress = Callable[[Layer, int], None]  # a layer, and how many more of its bytes have passed


def copy(
    source: Source,
    sink: Sink,
    names: Sequence[str],
    *,
    platform: Platform | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> list[ProvenImage]:
    """Bring images, and everything they point at, from source to sink; return them, proven, as named there.

    Raises before anything is written where a name is unknown, or where `strict` and a finding warns.
    """
    images: Sequence[SourceImage] = [source.image(name, platform) for name in dict.fromkeys(names)]
    if isinstance(sink, Names):
        images = sink.as_called(images)
    if strict:
        refuse_warnings([finding for image in images for finding in image.findings])
    layers = list({layer.key: layer for image in images for layer in image.layers}.values())
    known = _known(source, layers)
    with sink.receive(images, known) as receiver:

        def carry(layer: Layer) -> Proof:
            if proof := sink.present(layer):
                return proof

            def take(content: Content, progress: Progress | None) -> Proof:
                return receiver.write(layer, watched(content, layer, progress))

            return taken(source, layer, take, progress)

        proofs = in_parallel(carry, layers, size=lambda layer: layer.size, jobs=jobs_for(source, sink))
        by_key = dict(zip((layer.key for layer in layers), proofs, strict=True))
        proven = [_with_losses(image.proven(by_key), sink) for image in images]
        if strict:
            refuse_warnings([finding for image in proven for finding in image.findings])
        receiver.finish(proven)
    return proven


def refuse_warnings(findings: Sequence[Finding]) -> None:
    """Raise CorruptContent for the first warning: what `--strict` asks for."""
    for finding in findings:
        if finding.severity == "warning":
            raise CorruptContent(finding.subject, finding.problem, "--strict makes warnings errors")


def _with_losses(image: ProvenImage, sink: Sink) -> ProvenImage:
    if not isinstance(sink, Loses):
        return image
    return replace(image, findings=tuple(dict.fromkeys((*image.findings, *sink.losses(image)))))


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


def taken(
    source: Source,
    layer: Layer,
    take: Callable[[Content, Progress | None], T],
    progress: Progress | None,
) -> T:
    """Return what `take` makes of a layer's content; once more where what was kept of it was wrong.

    `take` tells the progress that it is given, which takes back what passed in vain.
    """
    passed = 0

    def count(of: Layer, more: int) -> None:
        nonlocal passed
        passed += more
        if progress:
            progress(of, more)

    try:
        with source.open(layer) as content:
            return take(content, progress and count)
    except Spoiled:
        count(layer, -passed)
        with source.open(layer) as content:
            return take(content, progress)


def watched(content: Content, layer: Layer, progress: Progress | None) -> Content:
    """Return content that tells `progress` how far it has got."""
    if progress is None:
        return content
    if isinstance(content, ProvenExtent):  # nobody will look at its blocks
        progress(layer, content.size)
        return content
    return _Watched(content, layer, progress)


class _Watched:
    """Content that tells how far it has got."""

    def __init__(self, content: Content, layer: Layer, progress: Progress) -> None:
        self.size, self._content = content.size, content
        self._layer, self._progress = layer, progress

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks, each reported once it was taken."""
        for block in self._content.blocks():
            yield block
            self._progress(self._layer, len(block))
