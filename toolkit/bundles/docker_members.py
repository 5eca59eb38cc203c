"""`docker`: as Docker 25 and later save (formats D.3.2, D.3.3): a layout, and manifest.json over its blobs.

    oci-layout  index.json  manifest.json  repositories  blobs/ …

Docker sorts the members; here small metadata stands first, because a legacy layer's digest, and so its
place among sorted names, is not known before it was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from toolkit import gojson
from toolkit.bundles.layout_members import blobs, head
from toolkit.bundles.members import Member, file
from toolkit.bundles.modern import blob_name
from toolkit.bundles.names import IMAGE_NAME, REF_NAME, loadable, merged, name_annotations, repositories_json
from toolkit.errors import Unsupported
from toolkit.image import Image, ProvenImage
from toolkit.reference import Reference

Pictured = Sequence[tuple[ProvenImage, Image]]  # an image, and the one platform of it that Docker shows


def members(images: Sequence[ProvenImage]) -> list[Member]:
    """List the members of a docker bundle, in order."""
    images = merged(images)
    pictured = pictures(images)
    return [
        *head(images, bare_tag),
        *docker_part(pictured),
        *([file("repositories", repositories(pictured))] if pictured else []),
        *blobs(images),
    ]


def bare_tag(name: str) -> dict[str, str]:
    """Return the annotations that Docker gives a name: the tag alone, and the whole name for containerd."""
    annotations = name_annotations(name)
    if IMAGE_NAME not in annotations:
        return annotations
    return {**annotations, REF_NAME: Reference.parse(name).tag}


def pictures(images: Sequence[ProvenImage]) -> Pictured:
    """Pair each image with the platform that an engine without indexes gets; artifacts have none."""
    return [(image, picture) for image in images if (picture := image.preferred())]


def layered(proven: ProvenImage, advice: str) -> Image:
    """Return the platform that Docker shows; raises Unsupported where there is none, or none with a layer."""
    image = proven.preferred()
    if image is None or not image.layers:
        raise Unsupported(
            ", ".join(proven.names) or str(proven.top.digest),
            "has no layers" if image else "is an artifact, not an image",
            advice,
        )
    return image


def docker_part(pictured: Pictured) -> list[Member]:
    """List manifest.json, where there is an image to list in it."""
    return [file("manifest.json", manifest_json(pictured))] if pictured else []


def manifest_json(pictured: Pictured) -> bytes:
    """Return manifest.json: one item an image, over the same blobs (formats D.2)."""
    return items_json(
        (
            proven,
            blob_name(image.manifest.config.digest),
            [blob_name(layer.digest) for layer in image.manifest.layers],
        )
        for proven, image in pictured
    )


def items_json(items: Iterable[tuple[ProvenImage, str, Sequence[str]]]) -> bytes:
    """Return a manifest.json of images, each with the members that are its config and its layers."""
    listed = [
        {"Config": config, "RepoTags": loadable(proven.names) or None, "Layers": layers}
        for proven, config, layers in items
    ]
    return gojson.encode(listed) + b"\n"


def repositories(pictured: Pictured) -> bytes:
    """Return `repositories` as Docker 25 writes it: a name's value is the top layer's diffID."""
    return repositories_json(
        (proven.names, image.config.diff_ids[-1].hex) for proven, image in pictured if image.layers
    )
