"""diff: what differs between two images, wherever they are, as their metadata tells it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from toolkit.errors import ToolkitError
from toolkit.gotime import ZERO, go_time
from toolkit.model import HistoryItem
from toolkit.outline import Outline
from toolkit.platform import Platform
from toolkit.ports import Source

T = TypeVar("T")
LEGACY = "docker-v1"  # the kind of an outline
DIFF_ID, V1_ID = "diff_id", "v1_id"  # what layers are compared by
BESIDE_CONFIG = frozenset({"manifest", "platforms", "size"})  # facts that one config leaves open
SETS = frozenset(
    {"Labels", "Volumes", "ExposedPorts"}
)  # members in which an empty item is there all the same


@dataclass(frozen=True, slots=True)
class Asked:
    """An image to compare, and where it is."""

    source: Source
    name: str
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of one of the two."""

    place: str
    name: str
    outline: Outline
    top: str = ""  # the digest that the name points at; empty where that is not this image alone

    @property
    def is_unread(self) -> bool:
        """Tell a legacy image, whose diffIDs and image ID nobody knows before its layers are read."""
        return self.outline.kind == LEGACY and not self.outline.diff_ids


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that differs; None on the side that does not have it."""

    fact: str  # "image_id", "created", "config.Cmd" …
    item: str  # of a member that has several: the variable, label or port; else empty
    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class LayerLine:
    """A layer by the ID it was compared by; size in bytes as recorded, None where it is not."""

    id: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Split(Generic[T]):
    """Two sequences, base first, that begin and may end alike."""

    shared: int  # from the base up
    left: tuple[T, ...] = ()
    right: tuple[T, ...] = ()
    shared_above: int = 0

    @property
    def is_whole(self) -> bool:
        """Tell whether the two are the same."""
        return not self.left and not self.right


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs, and what could not be compared; one sentence each."""

    left: Told
    right: Told
    changes: tuple[Change, ...]
    layers: Split[LayerLine]
    layers_by: str  # DIFF_ID or V1_ID; empty where they could not be compared
    history: Split[HistoryItem]
    not_compared: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Tell whether the images are the same in everything that was compared."""
        return not self.changes and self.layers.is_whole and self.history.is_whole


def told(asked: Asked) -> Told:
    """Return what an image's metadata tells; raises NotFound, and what reading documents raises."""
    outline = asked.source.outline(asked.name, asked.platform)
    is_top = outline.kind != LEGACY and asked.platform is None
    top = asked.source.identify(asked.name) if is_top else ""
    if top == outline.id:  # an archive that keeps no manifest is known by its image's ID
        top = ""
    return Told(asked.source.place, asked.name, outline, top)


def diff(left: Told, right: Told) -> Difference:
    """Compare what is known of two images.

    Members of a config that Go reads alike, absent and empty ones, are the same. A legacy image that was
    not read is compared with a modern one by v1 IDs, where the modern one has them.
    """
    by = _layers_by(left, right)
    ours, theirs = _layer_lines(left.outline, by), _layer_lines(right.outline, by)
    layers = split(ours, theirs, [line.id for line in ours], [line.id for line in theirs])
    history = _history(left, right)
    found = _changes(left, right, by, layers_are_same=layers.is_whole)
    is_one = _is_one_config(left, right)
    changes = tuple(change for change in found if not is_one or change.fact in BESIDE_CONFIG)
    return Difference(left, right, changes, layers, by, history, tuple(_not_compared(left, right, by)))


def split(left: Sequence[T], right: Sequence[T], ours: Sequence[Any], theirs: Sequence[Any]) -> Split[T]:
    """Take off what is the same at both ends, by what `ours` and `theirs` say of the items."""
    least = min(len(left), len(right))
    below = next((n for n in range(least) if ours[n] != theirs[n]), least)
    rest = range(1, least - below + 1)
    above = next((n - 1 for n in rest if ours[-n] != theirs[-n]), least - below)
    return Split(
        below, tuple(left[below : len(left) - above]), tuple(right[below : len(right) - above]), above
    )


def _layers_by(left: Told, right: Told) -> str:
    if not left.is_unread and not right.is_unread:
        return DIFF_ID
    return V1_ID if left.outline.v1_ids and right.outline.v1_ids else ""


def _layer_lines(outline: Outline, by: str) -> list[LayerLine]:
    ids = {DIFF_ID: outline.diff_ids, V1_ID: outline.v1_ids}.get(by, ())
    sizes = [layer.size for layer in outline.layers if layer.id]
    return [LayerLine(*pair) for pair in zip(ids, sizes, strict=False)]


def _history(left: Told, right: Told) -> Split[HistoryItem]:
    if _is_one_config(left, right):
        return Split(sum(_is_told(line.history) for line in left.outline.layers))
    sides = [
        [line.history for line in side.outline.layers if _is_told(line.history)] for side in (left, right)
    ]
    seen = [[_history_facts(item, left, right) for item in items] for items in sides]
    return split(sides[0], sides[1], seen[0], seen[1])


def _is_one_config(left: Told, right: Told) -> bool:
    """Tell whether both have one config, by its digest: an engine tells less of it than its document does."""
    ours, theirs = left.outline, right.outline
    return LEGACY not in {ours.kind, theirs.kind} and (ours.id, ours.platform) == (theirs.id, theirs.platform)


def _is_told(item: HistoryItem) -> bool:
    """Tell a line of history from the stand-in for a layer that has none."""
    return item != HistoryItem()


def _history_facts(item: HistoryItem, left: Told, right: Told) -> tuple[object, ...]:
    created = _time(item.created, left, right)
    return created, item.created_by, item.author, item.comment, item.empty_layer


def _time(text: str | None, left: Told, right: Told) -> str | None:
    """Return a time as it stands; beside a legacy image, as Docker's migration would write it."""
    if left.is_unread == right.is_unread:
        return text
    try:
        return go_time(text or ZERO)
    except ToolkitError:
        return text


def _changes(left: Told, right: Told, by: str, *, layers_are_same: bool) -> Iterator[Change]:
    """Yield the facts that differ, but for layers and history."""
    ours, theirs = left.outline, right.outline
    if by == DIFF_ID:
        yield from _change("image_id", ours.id, theirs.id)
    if left.top and right.top:
        yield from _change("manifest", left.top, right.top)
    if max(len(ours.platforms), len(theirs.platforms)) > 1:
        yield from _change("platforms", list(ours.platforms), list(theirs.platforms))
    if not by:
        yield from _change("layer_count", _layer_count(ours), _layer_count(theirs))
    yield from _change("platform", ours.platform, theirs.platform)
    times = _time(ours.created, left, right), _time(theirs.created, left, right)
    yield from _change("created", ours.created, theirs.created, times)
    yield from _change("author", ours.author, theirs.author)
    only_counted = bool(ours.v1_ids) and layers_are_same  # by drivers that count a layer in their own ways
    if _sizes_are_alike(ours, theirs) and None not in {ours.size, theirs.size} and not only_counted:
        yield from _change("size", ours.size, theirs.size)
    yield from _member_changes("config.", ours.config, theirs.config)
    yield from _member_changes("", ours.others, theirs.others)


def _layer_count(outline: Outline) -> int:
    return sum(bool(line.id) for line in outline.layers)


def _change(
    fact: str, left: object, right: object, seen: tuple[object, object] | None = None
) -> Iterator[Change]:
    """Yield a change where the two differ, by what `seen` says of them if it is given."""
    if not _same(*(seen or (left, right))):
        yield Change(fact, "", _told_of(left), _told_of(right))


def _told_of(value: object) -> object:
    """Return a value, or None of what Go reads as nothing; a number is one even if it is 0."""
    return value if value or type(value) is int else None


def _member_changes(prefix: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted({*left, *right}):
        ours, theirs = _items(key, left.get(key)), _items(key, right.get(key))
        if ours is None or theirs is None:
            yield from _change(prefix + key, left.get(key), right.get(key))
            continue
        for item in sorted({*ours, *theirs}):
            if item not in ours or item not in theirs or not _same(ours[item], theirs[item]):
                yield Change(prefix + key, item, ours.get(item), theirs.get(item))


def _items(key: str, value: object) -> dict[str, Any] | None:
    """Return the items of a member that may have several; None of one that is a whole."""
    if key == "Env" and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return {item.partition("=")[0]: item for item in value}  # the last one counts
    if isinstance(value, Mapping) and key in SETS:
        return {item: {} if inner is None else inner for item, inner in value.items()}
    if isinstance(value, Mapping):
        return {item: inner for item, inner in value.items() if inner}
    return None if value else {}


def _same(left: object, right: object) -> bool:
    if not left and not right:
        return True
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def _sizes_are_alike(left: Outline, right: Outline) -> bool:
    """Tell whether both sizes were counted in one way: as layersizes, or as bytes of blobs."""
    return bool(left.v1_ids) == bool(right.v1_ids)


def _not_compared(left: Told, right: Told, by: str) -> Iterator[str]:
    if not by:
        legacy = left if left.is_unread else right
        where = f"{legacy.name} in {legacy.place}"
        why = f"the diffIDs of {where}, a legacy image, are not known before its layers are read"
        yield f"layers, image ID and size: {why}, as --files does"
    elif not _sizes_are_alike(left.outline, right.outline):
        yield "size: one is the sum of the layersizes a legacy store recorded, the other that of blobs"
    elif None in {left.outline.size, right.outline.size} and left.outline.size != right.outline.size:
        yield "size: only one of the two records a size for each layer"
