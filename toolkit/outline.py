"""What can be told of an image from its metadata alone: the lines of `ls`, `inspect` and `history`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.ancestry import V1Layer
from toolkit.document import Node
from toolkit.image import Finding, Image
from toolkit.migration import FORGOTTEN
from toolkit.model import CONFIG_KEYS, HistoryItem
from toolkit.platform import Platform


@dataclass(frozen=True, slots=True)
class Listing:
    """A line of `lading ls`: one image, without a look at its layers."""

    names: tuple[str, ...]
    id: str  # image ID with its algorithm, the top v1 ID of a legacy image, or a schema 1 manifest's digest
    created: str | None = None
    platform: str = ""
    size: int | None = None  # bytes, as recorded; None where it is not recorded
    problem: str = ""  # one sentence where the image cannot be read

    @property
    def asked_by(self) -> str:
        """Return what the source knows the image by: its first name, else its ID."""
        return self.names[0] if self.names else self.id

    @property
    def platforms(self) -> list[str]:
        """Return the platforms that can be asked for; of an image that cannot be read, those left of it."""
        return self.platform.split(", ") if self.platform else []


@dataclass(frozen=True, slots=True)
class OutlineLayer:
    """A line of `lading history`."""

    id: str  # v1 ID or diffID; empty for a history item without a layer
    history: HistoryItem
    size: int | None = None  # bytes as recorded: layersize, or the blob's size


@dataclass(frozen=True, slots=True)
class Outline:
    """One image as its metadata tells it; no layer is read for it."""

    names: tuple[str, ...]
    kind: str  # "docker-v1" or "oci"
    id: str  # as in Listing
    platform: str
    created: str | None
    author: str
    config: Mapping[str, Any]  # Cmd, Env, …
    layers: tuple[OutlineLayer, ...]  # base first
    diff_ids: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    platforms: tuple[str, ...] = field(default=())  # of an index, all of them
    v1_ids: tuple[str, ...] = ()  # base first; those an image has that is, or was, a legacy one
    manifest: str = ""  # its digest, where the place keeps one
    index: str = ""  # the digest of the index that names point at, where it is one
    others: Mapping[str, Any] = field(default_factory=dict)  # what else the config says: docker_version, …

    @property
    def size(self) -> int | None:
        """Return the sum of the sizes, in bytes; None where one of a layer is not recorded."""
        sizes = [layer.size for layer in self.layers if layer.id]
        return None if None in sizes else sum(size or 0 for size in sizes)


def v1_history(layer: V1Layer) -> HistoryItem:
    """Return the history item that a v1 json holds (formats B.6, rule R)."""
    command = _object(layer.node, "container_config").value.get("Cmd")
    words = command if isinstance(command, list) else [command or ""]
    return HistoryItem(
        _text(layer.node, "created") or None,
        " ".join(word for word in words if isinstance(word, str)),
        _text(layer.node, "author"),
        _text(layer.node, "comment"),
    )


def legacy_outline(
    names: tuple[str, ...], chain: Sequence[V1Layer], findings: Sequence[Finding] = ()
) -> Outline:
    """Outline a legacy image by its chain, base first."""
    top = chain[-1]
    platform = Platform.from_node(top.node)
    return Outline(
        names,
        "docker-v1",
        top.id,
        str(platform),
        _text(top.node, "created") or None,
        _text(top.node, "author"),
        _object(top.node, "config").value,
        tuple(OutlineLayer(layer.id, v1_history(layer), layer.layersize.value) for layer in chain),
        findings=tuple(findings),
        v1_ids=tuple(layer.id for layer in chain),
        others=_others(top.node.value),
    )


def modern_outline(
    names: tuple[str, ...], image: Image, platforms: Sequence[str] = (), findings: Sequence[Finding] = ()
) -> Outline:
    """Outline an image by its config and manifest."""
    config = image.config
    return Outline(
        names,
        "oci",
        str(config.image_id),
        str(config.platform),
        config.created,
        _text(Node(config.value, ""), "author"),
        _object(Node(config.value, ""), "config").value,
        _history_lines(image),
        tuple(map(str, config.diff_ids)),
        tuple(findings),
        tuple(platforms),
        others=_others(config.value),
    )


def _others(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a config that an outline has no place for; a v1 json's own are not of it."""
    return {key: value for key, value in config.items() if key not in FORGOTTEN.union(CONFIG_KEYS)}


def _history_lines(image: Image) -> tuple[OutlineLayer, ...]:
    """Pair history items with layers as Docker does: each item without `empty_layer` takes the next."""
    layers = iter(image.layers)
    lines = []
    for item in image.config.history:
        pair = None if item.empty_layer else next(layers, None)
        lines.append(OutlineLayer(str(pair[1]) if pair else "", item, pair[0].size if pair else 0))
    lines += [OutlineLayer(str(diff_id), HistoryItem(), layer.size) for layer, diff_id in layers]
    return tuple(lines)


def _text(node: Node, key: str) -> str:
    value = node.value.get(key)
    return value if isinstance(value, str) else ""


def _object(node: Node, key: str) -> Node:
    value = node.value.get(key)
    return Node(value if isinstance(value, dict) else {}, node.subject, f"{node.path}{key}.")
