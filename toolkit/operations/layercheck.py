"""One layer, read once: its digests, and in the same pass whatever else its bytes can be held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toolkit.ancestry import REBUILT
from toolkit.checks import as_finding
from toolkit.errors import ToolkitError
from toolkit.event import Tell
from toolkit.hazards import v1_hazards
from toolkit.image import Finding, Layer, Proof, odd
from toolkit.mediatype import is_layer
from toolkit.operations.layerguard import Guard
from toolkit.operations.layersizes import check_layersize
from toolkit.operations.taking import taken
from toolkit.plumbing.pathtable import Room
from toolkit.plumbing.sizemeter import SizeMeter
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.plumbing.unpacking import unpacked
from toolkit.ports import Block, Content, Source
from toolkit.report import NOTE, WARNING
from toolkit.strongid import strong_id_finding

if TYPE_CHECKING:  # few layers are walked
    from toolkit.plumbing.layerlook import Inside
    from toolkit.plumbing.tarsum import Label, TarSum


@dataclass(frozen=True, slots=True)
class CheckedLayer:
    """What became of a layer; no proof where its bytes are not what they should be."""

    findings: tuple[Finding, ...]
    proof: Proof | None = None
    inside: Inside | None = None  # where it was looked into


def check_layer(source: Source, layer: Layer, progress: Tell, room: Room | None = None) -> CheckedLayer:
    """Read a layer and compare it with all that is recorded of it.

    With `room` for its paths, look inside it too.
    """
    found: list[Finding] = []  # told of a layer also where its bytes prove to be others in the end

    def take(content: Content, seen: Content) -> CheckedLayer:
        found.clear()
        inside = room if _is_tar(layer) else None
        if inside is not None or _labels(layer):
            return _walked(layer, content, seen, found, inside)
        if is_layer(layer.media_type):
            return _watched(layer, content, seen, found)
        proof = transfer(seen, layer, nowhere)
        return CheckedLayer(tuple(odd(layer, proof)), proof)

    told = recorded_findings(layer)
    try:
        checked = taken(source, layer, take, progress)
    except ToolkitError as error:
        return CheckedLayer((as_finding(error), *told, *found))
    return replace(checked, findings=(*told, *found, *checked.findings))


def _watched(layer: Layer, content: Content, seen: Content, found: list[Finding]) -> CheckedLayer:
    """Read a layer, the headers looked at as they pass."""
    guard, meter = Guard(_subject(layer)), SizeMeter() if layer.v1 else None

    def drain(tar: Iterator[Block]) -> None:
        for block in guard.watched(tar):
            if meter:
                meter(block)

    try:
        proof, _ = unpacked(seen, layer, drain)
    finally:
        found += guard.findings()
    sizes = check_layersize(layer, content, meter.sizes()) if meter else ()
    return CheckedLayer((*odd(layer, proof), *sizes), proof)


def _walked(
    layer: Layer, content: Content, seen: Content, found: list[Finding], room: Room | None
) -> CheckedLayer:
    """Read a layer entry by entry; what is imported for it few runs need."""
    from toolkit.operations.layerwalk import LayerWalk
    from toolkit.plumbing.layerlook import LayerLook
    from toolkit.plumbing.tarsum import TarSum

    guard, look = Guard(_subject(layer)), LayerLook(_subject(layer)) if room else None
    walk = LayerWalk(_subject(layer), look, list(map(TarSum, _labels(layer))))
    try:
        proof, _ = unpacked(seen, layer, lambda tar: walk.run(tar if look else guard.watched(tar)))
    finally:
        found += (*guard.findings(), *walk.findings())
    sizes, sums = check_layersize(layer, content, walk.sizes), _check_sums(layer, walk.sums)
    inside = look.inside(room) if look and room else None
    return CheckedLayer((*odd(layer, proof), *sizes, *sums), proof, inside)


def recorded_findings(layer: Layer) -> tuple[Finding, ...]:
    """Return what the records of a legacy layer tell, whatever its bytes are."""
    if layer.v1 is None:
        return ()
    strong = strong_id_finding(layer.v1)
    found = [*v1_hazards(layer.v1), *([strong] if strong else [])]
    if layer.v1.proof == REBUILT and layer.digest is not None:
        problem = "was rebuilt where it was exported, so it is not verifiable against the original"
        found.append(Finding(f"layer {layer.v1.id[:12]}", problem, WARNING, check="proof"))
    return tuple(found)


def _labels(layer: Layer) -> list[Label]:
    """Return the tarsums that are recorded of a layer, each once."""
    if layer.v1 is None or not (texts := dict.fromkeys(layer.v1.checksums)):
        return []
    from toolkit.plumbing.tarsum import Label

    return list(filter(None, map(Label.parse, texts)))


def _is_tar(layer: Layer) -> bool:
    """Tell a layer of an image from the content of an artifact, which may borrow its media type."""
    return layer.diff_id is not None or layer.v1 is not None or layer.digest is None


def _subject(layer: Layer) -> str:
    is_legacy = layer.v1 is not None and layer.key == layer.v1.id
    return f"layer {layer.key[:12]}" if is_legacy else layer.subject


def _check_sums(layer: Layer, sums: Sequence[TarSum]) -> Iterator[Finding]:
    """Hold recorded tarsums against what versions of Docker would make of the layer."""
    for each in sums:
        made = [label for extra in (b"", layer.v1.raw if layer.v1 else b"") for label in each.labels(extra)]
        if each.label in made:
            continue
        if not made or each.depends:
            problem = f"tarsum cannot be computed again; {each.label} is recorded"
            yield Finding(_subject(layer), problem, NOTE, check="tarsum")
            continue
        odd = Finding(_subject(layer), f"tarsum is {made[0]}, expected {each.label}", WARNING, check="tarsum")
        yield odd.comparing("tarsum", each.label, made[0])
