"""filediff: what differs between the files of two images, without unpacking any.

A layer that only one of them has is read once, whole, held against its digests, its contents hashed on the
way. A layer that both have is the same by its diffID: only its headers are read, and of its contents
those alone that the other image has replaced by something that could be the same.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from toolkit.errors import MissingMember
from toolkit.event import Tell, nobody
from toolkit.image import Finding
from toolkit.operations.diff import LEGACY, Asked, Told, told
from toolkit.operations.filechange import FileChange, file_change, wanted
from toolkit.operations.layertable import HeldLayer, LayerTable
from toolkit.outline import modern_outline
from toolkit.plumbing.filetable import FileTable
from toolkit.plumbing.flattening import Flattening, side_by_side
from toolkit.plumbing.odd import Odd


@dataclass(frozen=True, slots=True)
class FileDifference:
    """How many paths differ, and all of them."""

    left: Told  # as its layers told it, where they were read to know it
    right: Told
    counts: Mapping[str, int]  # of added, removed and changed paths; none of what is not there
    findings: tuple[Finding, ...]
    paths: Paths

    @property
    def same(self) -> bool:
        """Tell whether no path differs."""
        return not any(self.counts.values())


@contextmanager
def compared_files(left: Asked, right: Asked, progress: Tell = nobody) -> Iterator[FileDifference]:
    """Compare the files of two images; what differs can be asked for as long as the block lasts.

    A legacy image gets its diffIDs and image ID on the way. The top folder itself is not compared, and a
    hard link is what it leads to. Raises what reading layers raises, UnsafeArchive where engines would make
    different trees of a layer or there is more than a `FileTable` takes, StoreError where TMPDIR is full.
    """
    with FileTable() as files:
        layers = LayerTable(files, progress)
        sides = _Side(left, told(left), "left"), _Side(right, told(right), "right")
        recorded = all(side.records_sizes for side in sides)
        ours, theirs = (_read_legacy(side, layers, recorded=recorded) for side in sides)
        if ours.diff_ids != theirs.diff_ids:
            _read_modern(_held(ours), _held(theirs), layers)
        paths = Paths(files, _numbers(ours, layers), _numbers(theirs, layers))
        if layers.has_unhashed:
            layers.hash_contents(paths.wanted())
        counts = Counter(change.what for change in paths.changes())
        findings = (*layers.findings(), *paths.findings(ours.told, theirs.told))
        yield FileDifference(ours.told, theirs.told, counts, findings, paths)


class Paths:
    """The paths of two images, each given by the numbers of its layers in a table, base first."""

    def __init__(self, files: FileTable, left: Sequence[int], right: Sequence[int]) -> None:
        self._files, self._layers = files, (left, right)
        self._shadowed = (Odd(), Odd())

    def wanted(self) -> dict[int, array[int]]:
        """Return, by layer, the numbers of the entries whose contents must be read to compare them."""
        numbers: dict[int, array[int]] = {}
        for _, ours, theirs in side_by_side(self._files.rows(), *map(Flattening, self._layers)):
            for layer, number in wanted(ours, theirs):
                numbers.setdefault(layer, array("q")).append(number)
        return numbers

    def changes(self) -> Iterator[FileChange]:
        """Yield every path that differs, a folder before what is in it."""
        left, right = map(Flattening, self._layers)
        for path, ours, theirs in side_by_side(self._files.rows(), left, right):
            if change := file_change(path, ours, theirs):
                yield change
        self._shadowed = left.shadowed, right.shadowed

    def findings(self, *sides: Told) -> Iterator[Finding]:
        """Yield what the last walk came upon that engines see differently."""
        for side, odd in zip(sides, self._shadowed, strict=True):
            if odd.count:
                problem = f"{odd} is no folder, and an upper layer has files below it: engines differ on them"
                yield Finding(f"image {side.name} in {side.place}", problem)


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two images."""

    asked: Asked
    told: Told
    word: str

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Return those of its layers that are known, base first."""
        return self.told.outline.diff_ids

    @property
    def records_sizes(self) -> bool:
        """Tell whether it has the layersizes of a legacy store."""
        return bool(self.told.outline.v1_ids) and self.told.outline.size is not None


def _read_legacy(side: _Side, layers: LayerTable, *, recorded: bool) -> _Side:
    """Return a side that is known as a modern image is; `recorded` sizes of layers are kept."""
    if not side.told.is_unread:
        return side
    source, before = side.asked.source, side.told.outline
    image = source.image(side.asked.name, side.asked.platform)
    proofs = layers.read([HeldLayer(source, layer, side.word) for layer in image.layers])
    proven = image.proven(proofs)
    after = replace(modern_outline(before.names, proven.images()[0], findings=proven.findings), kind=LEGACY)
    if recorded:
        pairs = zip(after.layers, before.layers, strict=True)
        sized = tuple(replace(line, size=old.size) for line, old in pairs)
        after = replace(after, layers=sized, v1_ids=before.v1_ids)
    return replace(side, told=replace(side.told, outline=after))


def _held(side: _Side) -> dict[str, HeldLayer]:
    """Return the layers of a modern image by their diffIDs; those of a legacy one are in the table."""
    if side.told.outline.kind == LEGACY:
        return {}
    source = side.asked.source
    image = source.image(side.asked.name, side.asked.platform)
    here = {str(layer.diff_id): layer for layer in image.layers}  # of all its platforms
    if gone := [diff_id for diff_id in side.diff_ids if diff_id not in here]:
        raise MissingMember(f"layer {gone[0]}", f"is not in {source.place}")
    return {diff_id: HeldLayer(source, here[diff_id], side.word) for diff_id in side.diff_ids}


def _read_modern(left: Mapping[str, HeldLayer], right: Mapping[str, HeldLayer], layers: LayerTable) -> None:
    """Read what is not in the table: whole what one image has, the headers of what both have."""
    new = {diff_id: held for diff_id, held in {**right, **left}.items() if diff_id not in layers}
    both = left.keys() & right.keys()
    layers.read([held for diff_id, held in new.items() if diff_id not in both])
    pairs = [(left[diff_id], right[diff_id]) for diff_id in new if diff_id in both]
    layers.skim([max(pair, key=lambda held: held.layer.size) for pair in pairs])  # the one not compressed


def _numbers(side: _Side, layers: LayerTable) -> list[int]:
    """Return the numbers of a side's layers; none where neither side had to be read."""
    return [layers.number(diff_id) for diff_id in side.diff_ids if diff_id in layers]
