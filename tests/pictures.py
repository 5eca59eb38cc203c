"""Images as a sink gets them, proven; and as any source offers them, from literals."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType

from tests.archives import EMPTY, Picture, image, sha256, v1_json
from toolkit.ancestry import V1Layer
from toolkit.bundles.modern import blob_name, gather
from toolkit.digest import Digest
from toolkit.image import Layer, Proof, ProvenImage
from toolkit.migration import LegacyImage
from toolkit.model import Descriptor
from toolkit.ports import Content


class InMemory:
    """The blobs of a picture; only documents are ever opened."""

    def __init__(self, blobs: Mapping[str, bytes]) -> None:
        self.files = {blob_name(Digest.parse(digest)): content for digest, content in blobs.items()}

    def read(self, name: str, limit: int) -> bytes | None:
        del limit
        return self.files.get(name)

    def size(self, digest: Digest) -> int | None:
        content = self.files.get(blob_name(digest))
        return None if content is None else len(content)

    def open(self, digest: Digest, size: int) -> AbstractContextManager[Content]:
        raise NotImplementedError  # nothing may read a layer to tell what a picture shows


def modern(picture: Picture, *names: str) -> ProvenImage:
    """Return an image of blobs, under these names."""
    top = Descriptor.of(picture.media_type, picture.raw)
    return gather(InMemory(picture.blobs), names, top).offered


def legacy(
    names: Sequence[str],
    ids: Sequence[str],
    tars: Mapping[str, bytes],
    packed: Mapping[str, bytes] = MappingProxyType({}),
) -> ProvenImage:
    """Return the image of a v1 chain, base first; a layer without a tar is empty, some lie there `packed`."""
    chain, layers, proofs = [], [], {}
    for layer_id, parent in zip(ids, ("", *ids), strict=False):
        content = tars.get(layer_id, EMPTY)
        blob = packed.get(layer_id, content)
        chain.append(V1Layer.from_bytes(v1_json(layer_id, parent, architecture="amd64")))
        layers.append(Layer(layer_id, len(blob)))
        compression = "gzip" if layer_id in packed else ""
        proofs[layer_id] = Proof(Digest.of(blob), len(blob), Digest.of(content), compression)
    return LegacyImage(tuple(names), tuple(chain), tuple(layers)).proven(proofs)


def docker_saved(path: Path) -> Picture:
    """Return the one image of a `docker save` (Docker 1.10 to 24) as an OCI image: its config, its layers."""
    with tarfile.open(path) as saved:

        def content(name: str) -> bytes:
            found = saved.extractfile(name)
            assert found is not None
            return found.read()

        (item,) = json.loads(content("manifest.json"))
        config, layers = content(item["Config"]), [content(name) for name in item["Layers"]]
    made = image(*layers)
    raw = made.raw.replace(sha256(made.config).encode(), sha256(config).encode())
    raw = raw.replace(b'"size":%d' % len(made.config), b'"size":%d' % len(config), 1)
    blobs = {sha256(each): each for each in (raw, config, *layers)}
    return Picture(raw, made.media_type, blobs, made.platform)


def found_in(bundle: Path) -> dict[str, tarfile.TarInfo]:
    """Return what Python's own reader finds in a bundle: name → member, in order."""
    with tarfile.open(bundle) as archive:
        return {member.name: member for member in archive}


def content_of(bundle: Path, name: str) -> bytes:
    """Return a member's bytes, links followed, as Python's own reader finds them."""
    with tarfile.open(bundle) as archive:
        found = archive.extractfile(name)
        assert found is not None
        return found.read()
