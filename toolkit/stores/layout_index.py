"""index.json of a layout that others write to as well: their entries keep all their members."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

from toolkit import gojson, mediatype
from toolkit.bundles.entries import entry_names
from toolkit.bundles.names import IMAGE_NAME, REF_NAME, name_annotations
from toolkit.bundles.ocilayout import INDEX
from toolkit.bundles.refertags import listed
from toolkit.document import load
from toolkit.image import ProvenImage
from toolkit.model import Descriptor, Index

EMPTY = gojson.encode({"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": []})


def named_in(raw: bytes, images: Sequence[ProvenImage], place: str) -> bytes:
    """Return index.json with the images in it; a name that it had before now points at its new image.

    An image without a name gets an entry unless it has one. Raises InvalidDocument for a broken index.
    """
    Index.from_bytes(raw)  # refused here as it would be when read
    body = load(raw, f"{INDEX} of {place}").value
    new = listed(images)
    named = {_key(name): top for top, names in new for name in names}
    entries = [kept for entry in body.get("manifests") or [] if (kept := _without(entry, named.keys()))]
    for top, names in new:
        entries += [_entry(top, name) for name in names if named[_key(name)] is top]
        if not names and all(entry["digest"] != str(top.digest) for entry in entries):
            entries.append(top.to_json())
    return gojson.encode({**body, "manifests": entries})


def unnamed_in(raw: bytes, names: Iterable[str], gone: Container[str], place: str) -> bytes:
    """Return index.json without these names, and without nameless entries of digests that are `gone`.

    All others keep their place and all their members; where there is nothing to remove, it is the same bytes.
    """
    body = load(raw, f"{INDEX} of {place}").value
    moved = {_key(name) for name in names}
    before = body.get("manifests") or []
    left = [
        kept
        for entry in before
        if (kept := _without(entry, moved))
        and (entry["digest"] not in gone or entry_names(entry.get("annotations") or {}))
    ]
    return gojson.encode({**body, "manifests": left}) if left != before else raw


def _entry(top: Descriptor, name: str) -> dict[str, Any]:
    return top.annotated(name_annotations(name)).to_json()


def _without(entry: dict[str, Any], moved: Container[str]) -> dict[str, Any] | None:
    """Return an entry without the names that move; None where no name is left of those it had."""
    annotations = entry.get("annotations") or {}
    names = entry_names(annotations)
    left = [name for name in names if _key(name) not in moved]
    if len(left) == len(names):
        return entry
    if not left:
        return None
    others = {key: text for key, text in annotations.items() if key not in {REF_NAME, IMAGE_NAME}}
    return {**entry, "annotations": {**others, **name_annotations(left[0])}}


def _key(name: str) -> str:
    """Return the normalised name, or the name itself where it is no reference."""
    return name_annotations(name).get(IMAGE_NAME, name)
