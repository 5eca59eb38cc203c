"""What a running engine tells of an image, as an outline (Docker Engine API: image inspect and history).

Neither says which line of the history has which layer. It is known where all lines have one, or where as
many have a size as there are layers; else the lines stand without.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.document import Node
from toolkit.image import Finding
from toolkit.model import HistoryItem
from toolkit.outline import Outline, OutlineLayer
from toolkit.platform import Platform

UNPAIRED = "tells its layers and its history, and not which line made which layer"
TIMES = range(-62_135_596_800, 253_402_300_800)  # seconds of the years 1 to 9999
OTHERS = {"DockerVersion": "docker_version", "Container": "container", "ContainerConfig": "container_config"}


def engine_outline(names: tuple[str, ...], told: Node, history: Sequence[Node]) -> Outline:
    """Outline an image by its inspect document and its history, the newest line first as engines tell it."""
    diff_ids = tuple(told.child("RootFS").texts("Layers"))
    lines = list(reversed(history))
    paired = _paired(lines, diff_ids)
    unpaired = () if paired else (Finding(f"image {told.get('Id', str)}", UNPAIRED, "note"),)
    return Outline(
        names,
        "oci",
        told.get("Id", str),
        str(platform_of(told)),
        told.optional("Created", str) or None,
        told.optional("Author", str) or "",
        _object(told, "Config"),
        tuple(_line(node, id_) for node, id_ in zip(lines, paired or [""] * len(lines), strict=True)),
        diff_ids,
        unpaired,
        others={ours: value for theirs, ours in OTHERS.items() if (value := told.value.get(theirs))},
    )


def platform_of(told: Node) -> Platform:
    """Return the platform of an inspect document."""
    return Platform(
        told.optional("Os", str) or "",
        told.optional("Architecture", str) or "",
        told.optional("Variant", str) or "",
    )


def _paired(lines: Sequence[Node], diff_ids: Sequence[str]) -> list[str]:
    """Return the diffID of each line's layer, empty for none; nothing where that cannot be known."""
    made = [len(lines) == len(diff_ids) or bool(line.optional("Size", int)) for line in lines]
    if sum(made) != len(diff_ids):
        return []
    ids = iter(diff_ids)
    return [next(ids) if each else "" for each in made]


def _line(node: Node, diff_id: str) -> OutlineLayer:
    if (seconds := node.optional("Created", int) or 0) not in TIMES:
        node.fail("Created", f"{seconds} seconds since 1970 is no time")
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    words = node.optional("CreatedBy", str) or "", "", node.optional("Comment", str) or ""
    return OutlineLayer(diff_id, HistoryItem(created, *words, not diff_id), node.optional("Size", int))


def _object(node: Node, key: str) -> Mapping[str, Any]:
    found = node.value.get(key)
    return found if isinstance(found, dict) else {}
