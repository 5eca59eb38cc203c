"""The images of a containerd store whose names are lost: documents found among its blobs (formats C.1)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit import mediatype
from toolkit.bundles.modern import blob_name, gather
from toolkit.digest import Digest
from toolkit.document import load
from toolkit.errors import CorruptContent, MissingMember, ToolkitError, UnsafeArchive
from toolkit.limits import limits
from toolkit.model import Descriptor, Index, Manifest
from toolkit.plumbing.files import storing
from toolkit.stores.folder_blobs import FolderBlobs

BEGINNINGS = frozenset({b"{", b" ", b"\t", b"\r", b"\n"})  # of a JSON object
REFERENCES = 200_000  # of all indexes of a store, which are held in memory
TOPS = 100_000  # manifests and indexes


@dataclass(frozen=True, slots=True)
class _Document:
    """A blob that reads as a manifest or an index, and the manifests that it names if it is proven."""

    top: Descriptor
    children: tuple[Digest, ...]


def recovered(blobs: FolderBlobs, place: str) -> list[Descriptor]:
    """Return the indexes and manifests to which no index refers, and whose images are here; by digest.

    One that is not what its digest says is among them, so that somebody is told; one that lacks blobs is
    not. Raises UnsafeArchive for too many of them, or where the folder of the blobs is a link.
    """
    tops: dict[Digest, Descriptor] = {}
    children: set[Digest] = set()
    for document in _documents(blobs):
        tops[document.top.digest] = document.top
        children.update(document.children)
        if len(tops) > TOPS or len(children) > REFERENCES:
            bounds = f"{TOPS} manifests or {REFERENCES} references"
            raise UnsafeArchive(place, f"holds more than {bounds} to look for images in")
    return [top for digest, top in tops.items() if digest not in children and _is_here(blobs, top)]


def _documents(blobs: FolderBlobs) -> Iterator[_Document]:
    for digest in blobs.digests():
        try:
            if found := _document(blobs, digest):
                yield found
        except CorruptContent:
            continue  # it is none


def _document(blobs: FolderBlobs, digest: Digest) -> _Document | None:
    """Return a blob as a document; None, or an error of ours, where it is another thing."""
    size = blobs.size(digest)
    if not size or size > (limit := limits().document) or not _may_be_json(blobs, digest, size):
        return None
    raw = blobs.read(blob_name(digest), limit) or b""
    value = load(raw, f"blob {digest}").value
    if "manifests" in value:
        kinds, usual = mediatype.INDEXES, mediatype.OCI_INDEX
    elif "config" in value and "layers" in value:
        kinds, usual = mediatype.MANIFESTS, mediatype.OCI_MANIFEST
    else:
        return None
    told = value.get("mediaType")
    top = Descriptor(told if isinstance(told, str) and told in kinds else usual, digest, len(raw))
    if top.media_type in mediatype.MANIFESTS:
        Manifest.from_bytes(raw, top.media_type)
        return _Document(top, ())
    listed = Index.from_bytes(raw, top.media_type).manifests
    is_proven = Digest.of(raw, digest.algorithm) == digest  # one that is not hides no image
    return _Document(top, tuple(child.digest for child in listed) if is_proven else ())


def _may_be_json(blobs: FolderBlobs, digest: Digest, size: int) -> bool:
    """Look at the first byte: most blobs are layers, and need not be read."""
    with blobs.open(digest, size) as content, storing(content.subject):
        return os.pread(content.handle, 1, 0) in BEGINNINGS


def _is_here(blobs: FolderBlobs, top: Descriptor) -> bool:
    """Tell whether there is an image at a top, or one that is damaged."""
    try:
        return bool(gather(blobs, (), top).offered.images())
    except MissingMember:
        return False
    except ToolkitError:
        return True
