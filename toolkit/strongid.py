"""Strong IDs: Docker 1.8.3 to 1.9.1 called a layer that it pulled by the digest of its json (formats A.7).

Such a json has no `id`, and tells the digests of the blob and of the json below: `layer_id`, `parent_id`.
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.ancestry import V1Layer
from toolkit.digest import Digest
from toolkit.image import Finding

PROBES = 8  # of the IDs that Docker tried where another layer had the ID already


def strong_id_finding(layer: V1Layer) -> Finding | None:
    """Say of a layer with a strong ID that it is not that of its json; nothing of one with another ID."""
    if "layer_id" not in layer.node.value or layer.node.value.get("id"):
        return None
    if layer.id in strong_ids(layer.raw):
        return None
    digest = Digest.of(layer.raw)
    problem = f"v1 ID is {layer.id}, expected {digest.hex}, the digest of its json"
    odd = Finding(f"layer {layer.id[:12]}", problem, check="v1-id")
    return odd.comparing("v1 ID", digest.hex, layer.id)


def strong_ids(raw: bytes) -> Iterator[str]:
    """Yield the ID of a json, and those that Docker took in its stead: each the digest of the one before."""
    hex_ = Digest.of(raw).hex
    for _ in range(PROBES):
        yield hex_
        hex_ = Digest.of(hex_.encode()).hex
