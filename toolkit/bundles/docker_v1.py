"""`docker-v1`: as Docker up to 1.9 writes (formats A.10).

<id>/  <id>/VERSION  <id>/json  <id>/layer.tar    one folder a layer, base first
repositories                                      {"<name>":{"<tag>":"<id>"}}
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit import gojson
from toolkit.bundles.losses import lost_as_v1, lost_layersizes
from toolkit.bundles.members import Member, file, folder
from toolkit.bundles.names import merged, split_tag, tags
from toolkit.bundles.universal import VERSION
from toolkit.errors import Unsupported
from toolkit.image import Finding, Image, ProvenImage
from toolkit.synthesis import own_chain, told_chain, v1_json_for_bundle

NAME = "docker-v1"


def members(images: Sequence[ProvenImage]) -> list[Member]:
    """List the members of a docker-v1 bundle, in order; layers are whole files, never links.

    Raises Unsupported for what is no image, or one without layers.
    """
    listed: list[Member] = []
    names: dict[str, dict[str, str]] = {}
    for proven in merged(images):
        image = _carried(proven)
        chain = own_chain(image) or told_chain(image)
        listed += layer_folders(image)
        for name in tags(proven.names):
            repository, tag = split_tag(name)
            names.setdefault(repository, {})[tag] = chain[-1].id
    return [*listed, file("repositories", gojson.encode(names, sort_keys=True) + b"\n")]


def losses(proven: ProvenImage) -> list[Finding]:
    """Return what the format cannot carry."""
    return [*lost_as_v1(proven, NAME), *lost_layersizes(proven, NAME)]


def _carried(proven: ProvenImage) -> Image:
    """Return the image that goes in; raises Unsupported where there is none, or none with a layer."""
    image = proven.preferred()
    if image is None or not image.layers:
        raise Unsupported(
            ", ".join(proven.names) or str(proven.top.digest),
            "has no layers" if image else "is an artifact, not an image",
            "docker-v1 carries layers only; choose --format universal",
        )
    return image


def layer_folders(image: Image) -> list[Member]:
    """List the four members of each layer."""
    chain = own_chain(image) or told_chain(image)
    return [
        member
        for layer, blob in zip(chain, image.manifest.layers, strict=True)
        for member in (
            folder(layer.id),
            file(f"{layer.id}/VERSION", VERSION),
            file(f"{layer.id}/json", v1_json_for_bundle(layer)),
            Member(f"{layer.id}/layer.tar", blob=blob),
        )
    ]
