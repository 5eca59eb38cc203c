"""What the layers of an image say of each other: whiteouts and hard links, and what their programs run on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from toolkit.elf import go_name
from toolkit.image import Finding, Image, ProvenImage, subject_of
from toolkit.operations.layercheck import CheckedLayer
from toolkit.plumbing.layerlook import Inside
from toolkit.plumbing.oddities import ODDITIES
from toolkit.report import NOTE, WARNING

UNKNOWN = "has whiteouts or hard links that were not held against the layers below: there are too many paths"
HALF = 2


def stack_findings(proven: ProvenImage, checked: Sequence[CheckedLayer]) -> Iterator[Finding]:
    """Yield what shows only where layers stand upon each other, of those that were looked into."""
    by_digest = {each.proof.digest: each.inside for each in checked if each.proof}
    for picture in proven.images():
        stack = [by_digest.get(layer.digest) for layer in picture.manifest.layers]
        for number, inside in enumerate(stack):
            if inside is not None:
                yield from _against_below(inside, stack[:number])
        yield from _programs(subject_of(proven, picture), picture, list(filter(None, stack)))


def _against_below(layer: Inside, below: Sequence[Inside | None]) -> Iterator[Finding]:
    """Hold a layer's whiteouts and hard links against what lies below it."""
    if not layer.hidden.paths and not layer.linked.paths:
        return
    paths = [each.there if each else None for each in below]
    if None in paths or not (layer.hidden.all_kept and layer.linked.all_kept):
        yield Finding(layer.subject, UNKNOWN, NOTE, check="idle-whiteout")
        return
    there = list(filter(None, paths))
    hidden, linked = layer.hidden.sought(there), layer.linked.sought(there)
    for kind, odd in (("lost link", linked[1]), ("lower link", linked[0]), ("idle whiteout", hidden[1])):
        if odd.count:
            yield ODDITIES[kind].finding(layer.subject, str(odd))


def _programs(subject: str, picture: Image, stack: Sequence[Inside]) -> Iterator[Finding]:
    """Say of an image that most of its programs are for another machine than its config tells."""
    told = go_name(picture.config.platform.architecture)
    machines = Counter[str]()
    for inside in stack:
        for machine, count in inside.machines.items():
            machines[go_name(machine)] += count
    total, others = machines.total(), machines.total() - machines[told]
    if told and others * HALF > total:
        (most, count), *_ = machines.most_common(1)
        problem = f"is for {picture.config.platform} by its config, and {count} of {total} programs and "
        problem += f"libraries in it run on {most}"
        yield Finding(subject, problem, WARNING, check="elf").comparing("architecture", told, most)
