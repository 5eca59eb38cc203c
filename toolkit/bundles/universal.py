"""`universal`: one tar for every engine from Docker 0.7 on (design/universal-bundle).

    oci-layout  index.json  manifest.json  repositories
    blobs/  blobs/sha256/  blobs/sha256/<hex> …                documents first, then layers
    <v1 id>/  VERSION  json  layer.tar → ../blobs/sha256/<hex>  every v1 layer but one
    blobs/VERSION  blobs/json  blobs/layer.tar → sha256/<hex>   the top layer of one image

A v1 loader takes every top-level folder for an image, `blobs` too, and knows an image by the `id` in
its json, not by its folder: so one layer that is nobody's parent lives in `blobs`.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.ancestry import VERSION, V1Layer
from toolkit.bundles.docker_members import docker_part, pictures
from toolkit.bundles.layout_members import blobs, head
from toolkit.bundles.members import Member, file, folder, link
from toolkit.bundles.modern import blob_name
from toolkit.bundles.names import merged, repositories_json
from toolkit.digest import Digest
from toolkit.errors import UnsafeArchive
from toolkit.image import Image, ProvenImage
from toolkit.model import Descriptor
from toolkit.synthesis import own_chain, saved_chain, v1_json_for_bundle

Pair = tuple[V1Layer, tuple[Descriptor, Digest]]  # a v1 layer; its blob, and what that unpacks to
Chain = list[Pair]


def members(images: Sequence[ProvenImage]) -> list[Member]:
    """List the members of a universal bundle, in order."""
    images = merged(images)
    pictured = pictures(images)
    chains = {id(image): v1_chain(picture) for image, picture in pictured}
    return [
        *head(images),
        *docker_part(pictured),
        *([file("repositories", repositories(images, chains))] if chains else []),
        *blobs(images),
        *v1_part(list(chains.values())),
    ]


def repositories(images: Sequence[ProvenImage], chains: dict[int, Chain]) -> bytes:
    """Return the v1 names: repository → tag → ID of the top layer."""
    told = ((image.names, chains.get(id(image))) for image in images)
    return repositories_json((names, chain[-1][0].id) for names, chain in told if chain)


def v1_chain(image: Image) -> Chain:
    """Pair the v1 layers, a legacy image's own or synthesised ones, with their blobs; base first."""
    chain = own_chain(image) or saved_chain(image)
    return list(zip(chain, image.layers, strict=True))


def v1_part(chains: Sequence[Chain]) -> list[Member]:
    """List the v1 folders; one image's top layer, nobody's parent, takes the folder `blobs`."""
    layers: dict[str, Pair] = {}
    for layer, (blob, diff_id) in (pair for chain in chains for pair in chain):
        known, (_, unpacked) = layers.setdefault(layer.id, (layer, (blob, diff_id)))
        facts = (layer.raw, layer.parent, diff_id)  # not the blob, which may be compressed otherwise
        if (known.raw, known.parent, unpacked) != facts:
            raise UnsafeArchive(f"layer {layer.id[:12]}", "is two different layers under one v1 ID")
    parents = {layer.parent for layer, _ in layers.values()}
    guest = next((chain[-1][0].id for chain in chains if chain and chain[-1][0].id not in parents), None)
    found = [_v1_folder(pair, layer_id == guest) for layer_id, pair in layers.items() if layer_id != guest]
    if guest:
        found.append(_v1_folder(layers[guest], is_guest=True))
    return [member for group in found for member in group]


def _v1_folder(pair: Pair, is_guest: bool) -> list[Member]:  # noqa: FBT001
    layer, (blob, _) = pair
    where = "blobs" if is_guest else layer.id
    path = blob_name(blob.digest)
    return [
        *([] if is_guest else [folder(where)]),
        file(f"{where}/VERSION", VERSION),
        file(f"{where}/json", v1_json_for_bundle(layer)),
        link(f"{where}/layer.tar", path.removeprefix("blobs/") if is_guest else f"../{path}"),
    ]
