"""`docker-v1`: as Docker up to 1.9 writes (formats A.10).

<id>/  <id>/VERSION  <id>/json  <id>/layer.tar    one folder a layer, base first
repositories                                      {"<name>":{"<tag>":"<id>"}}
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.ancestry import VERSION, V1Layer
from toolkit.bundles.docker_members import layered
from toolkit.bundles.losses import lost_as_v1, lost_layersizes
from toolkit.bundles.members import Member, file, folder
from toolkit.bundles.names import merged, repositories_json
from toolkit.digest import Digest
from toolkit.image import Finding, Image, ProvenImage
from toolkit.model import Descriptor
from toolkit.synthesis import own_chain, told_chain, v1_json_for_bundle

NAME = "docker-v1"
ADVICE = "docker-v1 carries layers only; choose --format universal"


def members(images: Sequence[ProvenImage]) -> list[Member]:
    """List the members of a docker-v1 bundle, in order; layers are whole files, never links.

    Raises Unsupported for what is no image, or one without layers.
    """
    listed: list[Member] = []
    tops: list[tuple[tuple[str, ...], str]] = []
    blobs: dict[tuple[str, Digest], Descriptor] = {}
    for proven in merged(images):
        image = layered(proven, ADVICE)
        chain = own_chain(image) or told_chain(image)
        listed += layer_folders(image, chain, blobs)
        tops.append((proven.names, chain[-1].id))
    return [*listed, file("repositories", repositories_json(tops))]


def losses(proven: ProvenImage) -> list[Finding]:
    """Return what the format cannot carry."""
    return [*lost_as_v1(proven, NAME), *lost_layersizes(proven, NAME)]


def layer_folders(
    image: Image, chain: Sequence[V1Layer], blobs: dict[tuple[str, Digest], Descriptor]
) -> list[Member]:
    """List the four members of each layer; one that another image has too is the first that was listed.

    Its blob may be compressed otherwise there, and unpacks to the same.
    """
    return [
        member
        for layer, (own, diff_id) in zip(chain, image.layers, strict=True)
        for blob in (blobs.setdefault((layer.id, diff_id), own),)
        for member in (
            folder(layer.id),
            file(f"{layer.id}/VERSION", VERSION),
            file(f"{layer.id}/json", v1_json_for_bundle(layer)),
            Member(f"{layer.id}/layer.tar", blob=blob),
        )
    ]
