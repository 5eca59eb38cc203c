"""Listings, outlines and carried images, as JSON for machines and as rows for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.ancestry import Layersize, V1Layer
from toolkit.digest import is_v1_id
from toolkit.figures import day_text, short_id, size_text
from toolkit.image import Finding, Image, ProvenImage, is_told
from toolkit.report import finding_json

if TYPE_CHECKING:  # what is carried has none
    from toolkit.outline import Listing, Outline, OutlineLayer

NAMELESS = "<none>"
LISTING_HEAD = ("NAME", "ID", "PLATFORM", "CREATED", "SIZE")
CARRIED_HEAD = ("NAME", "PLATFORM", "IMAGE ID", "LAYERS", "SIZE", "LAYERSIZE")
MOST_NAMES = 20  # of an image that was carried
WORDS = ("Entrypoint", "Cmd", "WorkingDir", "User")
LISTS = ("Env", "Volumes", "ExposedPorts", "Labels")  # members of a config that take a line for each item


def listing_json(listing: Listing) -> dict[str, Any]:
    """Return one image of a place."""
    return {
        "names": list(listing.names),
        "id": listing.id,
        "platform": listing.platform,
        "created": listing.created,
        "size": listing.size,
        "problem": listing.problem,
    }


def listing_rows(listings: Iterable[Listing]) -> list[tuple[str, ...]]:
    """Return a row for each name, as `docker images` does."""
    return [
        (name, short_id(item.id), item.platform, day_text(item.created), size_text(item.size))
        for item in listings
        for name in item.names or (NAMELESS,)
    ]


def problems(listings: Iterable[Listing]) -> list[Finding]:
    """Return what is wrong with images that cannot be read."""
    return [Finding(item.asked_by, item.problem) for item in listings if item.problem]


def outline_json(outline: Outline) -> dict[str, Any]:
    """Return all that an image's metadata tells."""
    return {
        "names": list(outline.names),
        "id": outline.id,
        "manifest": outline.manifest or None,
        "index": outline.index or None,
        "platform": outline.platform,
        "created": outline.created,
        "size": outline.size,
        "kind": outline.kind,
        "platforms": list(outline.platforms),
        "author": outline.author,
        "config": dict(outline.config),
        "diff_ids": list(outline.diff_ids),
        "history": [history_json(layer) for layer in outline.layers],
        "findings": [finding_json(finding) for finding in outline.findings],
    }


def history_json(layer: OutlineLayer) -> dict[str, Any]:
    """Return one line of history."""
    return {
        "id": layer.id,
        "created": layer.history.created,
        "created_by": layer.history.created_by,
        "author": layer.history.author,
        "comment": layer.history.comment,
        "empty_layer": layer.history.empty_layer,
        "size": layer.size,
    }


def outline_rows(outline: Outline) -> list[tuple[str, str]]:
    """Return what an image is: a title and a fact a row; an untitled row goes on with the one above."""
    facts: list[tuple[str, Sequence[str]]] = [
        ("Names", outline.names or (NAMELESS,)),
        ("Layer ID (v1)" if is_v1_id(outline.id) else "Image ID", [_image_id(outline)]),
        ("Manifest", [outline.manifest]),
        ("Index", [outline.index]),
        ("Kind", [outline.kind]),
        ("Platform", [outline.platform]),
        ("Platforms", outline.platforms if len(outline.platforms) > 1 else ()),
        ("Created", [outline.created or ""]),
        ("Author", [outline.author]),
        ("Size", [size_text(outline.size)]),
        *((key, config_texts(outline.config.get(key))) for key in WORDS),
        *((key, config_texts(outline.config.get(key), each=True)) for key in LISTS),
        ("Layers", [_layer_text(layer) for layer in outline.layers if layer.id]),
    ]
    return [
        (title if number == 0 else "", text)
        for title, texts in facts
        for number, text in enumerate(filter(None, texts))
    ]


def _image_id(outline: Outline) -> str:
    """Return the ID; nothing of an image that is known by its manifest alone, until its layers are read."""
    return "" if outline.id == outline.manifest else outline.id


def config_texts(value: object, *, each: bool = False) -> list[str]:
    """Return a member of a config as text: lists and objects as they are written, or an item a line."""
    import json

    if not value or isinstance(value, str):
        return [value] if isinstance(value, str) and value else []
    if each and isinstance(value, Mapping):
        return [f"{key}={item}" if isinstance(item, str) else str(key) for key, item in value.items()]
    if each and isinstance(value, list):
        return [item if isinstance(item, str) else json.dumps(item) for item in value]
    return [json.dumps(value, ensure_ascii=False)]


def carried_rows(images: Iterable[ProvenImage], *, every_platform: bool = True) -> list[tuple[str, ...]]:
    """Return a row for each platform of images that were carried or verified, or for the preferred one."""
    return [
        (
            names,
            str(image.config.platform),
            short_id(str(image.config.image_id)) if is_told(image.config.raw) else "-",
            str(len(image.manifest.layers)),
            size_text(sum(layer.size for layer in image.manifest.layers)),
            _layersize_text(image),
        )
        for proven in images
        for names in [_names_text(proven.names)]
        for image in (proven.images() if every_platform else filter(None, [proven.preferred()]))
    ]


def _names_text(names: Sequence[str]) -> str:
    """Return an image's names, of very many the first and how many more: they stand in a row a platform."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "") or NAMELESS


def _layersize_text(image: Image) -> str:
    """Return how a legacy image's layersizes fared: how many match which rule; `-` where it has none."""
    layers = [V1Layer.from_annotations(layer.annotations, "") for layer in image.manifest.layers]
    fates = Counter(_layersize_fate(layer.layersize) for layer in layers if layer)
    return ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items())) or "-"


def _layersize_fate(size: Layersize) -> str:
    if size.text is None:
        return "not recorded"
    return f"by {size.rule}" if size.rule else "by no rule"


def _layer_text(layer: OutlineLayer) -> str:
    return f"{layer.id}  {size_text(layer.size)}"
