"""The members of an OCI layout in a tar: what `oci`, `docker` and `universal` have in common.

oci-layout  index.json                                small metadata first
blobs/  blobs/sha256/  blobs/sha256/<hex> …           documents before layers
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from toolkit import gojson, mediatype
from toolkit.bundles.members import Member, file, folder
from toolkit.bundles.modern import blob_name
from toolkit.bundles.names import merged, name_annotations
from toolkit.bundles.refertags import listed
from toolkit.image import ProvenImage

OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


def members(images: Sequence[ProvenImage]) -> list[Member]:
    """List the members of an OCI archive, in order."""
    images = merged(images)
    return [*head(images), *blobs(images)]


def head(
    images: Sequence[ProvenImage], annotations: Callable[[str], Mapping[str, str]] = name_annotations
) -> list[Member]:
    """List what tells a reader that it is a layout, and which images it holds."""
    return [file("oci-layout", OCI_LAYOUT), file("index.json", index(images, annotations))]


def index(
    images: Sequence[ProvenImage], annotations: Callable[[str], Mapping[str, str]] = name_annotations
) -> bytes:
    """Return index.json: a descriptor for each name of each image."""
    descriptors = [
        top.annotated(annotations(name)) if name else top
        for top, names in listed(images)
        for name in names or [""]
    ]
    body = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_INDEX,
        "manifests": [descriptor.to_json() for descriptor in descriptors],
    }
    return gojson.encode(body)


def blobs(images: Sequence[ProvenImage]) -> list[Member]:
    """List the blobs, each once: every document first, so that a look at a bundle reads kilobytes."""
    parts = [part for image in images for part in image.parts]
    documents = [document for part in parts for document in part.documents.values()]
    layers = [blob for part in parts for blob in part.blobs]
    algorithms = dict.fromkeys(
        descriptor.digest.algorithm
        for descriptor in (*(document.descriptor for document in documents), *layers)
    )
    plain = {document.descriptor.digest: document for document in documents}
    return [
        folder("blobs"),
        *(folder(f"blobs/{algorithm}") for algorithm in algorithms),
        *(file(blob_name(digest), document.raw) for digest, document in plain.items()),
        *(
            Member(blob_name(layer.digest), blob=layer)
            for layer in {layer.digest: layer for layer in layers}.values()
            if layer.digest not in plain
        ),
    ]
