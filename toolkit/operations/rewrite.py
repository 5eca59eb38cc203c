"""An image whose layers have become other blobs: its manifests and indexes, written anew.

Of a descriptor only what tells the old bytes is changed: media type, digest, size. All other members, of
documents too, keep their values and places. Configs are what they were, and so are the image IDs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from toolkit import gojson, mediatype
from toolkit.digest import Digest
from toolkit.document import load
from toolkit.errors import ToolkitError
from toolkit.image import Document, Finding, ProvenImage
from toolkit.model import Descriptor, Manifest

REFERENCE = "vnd.docker.reference.digest"  # of a descriptor in an index: the manifest it attests (BuildKit)
# They tell where things lie in the bytes that were; readers would look there.
OF_THE_BYTES = ("containerd.io/snapshot/stargz/", "io.github.containers.zstd-chunked.")

Json = dict[str, Any]


def rewritten(
    image: ProvenImage,
    moved: Mapping[Digest, Descriptor],
    compression: str,
    beside: Mapping[Digest, bytes] = MappingProxyType({}),
) -> ProvenImage:
    """Return the image with the layers of its manifests `moved`, old digest → new blob; its blobs stay.

    Each new manifest is a finding. What speaks of an old one, a signature or an attestation, is kept and
    told; `beside` are manifests that are carried as mere blobs.
    """
    work = _Rewriting(moved, compression)
    documents = [work.document(document) for document in image.documents.values()]  # children first
    if not work.renamed:
        return image
    by_digest = {document.descriptor.digest: document for document in documents}
    work.tell_subjects({**{digest: document.raw for digest, document in by_digest.items()}, **beside})
    top = work.renamed.get(image.top.digest)
    return replace(
        image,
        top=_described_anew(image.top, top) if top else image.top,
        documents=by_digest,
        findings=tuple(dict.fromkeys((*image.findings, *work.findings))),
    )


@dataclass
class _Rewriting:
    """The documents of one image on their way."""

    moved: Mapping[Digest, Descriptor]
    compression: str
    renamed: dict[Digest, Descriptor] = field(default_factory=dict)  # manifests and indexes, by old digest
    findings: list[Finding] = field(default_factory=list)

    def document(self, document: Document) -> Document:
        """Return a document as it is to be; itself where nothing in it has moved."""
        kind = document.descriptor.media_type
        if kind in mediatype.INDEXES:
            what, raw = "index", _changed(document.raw, "manifests", self._listed)
        elif kind in mediatype.MANIFESTS and Manifest.from_bytes(document.raw, kind).is_image:
            what, raw = "manifest", _changed(document.raw, "layers", self._layer)
        else:
            return document
        if raw == document.raw:
            return document
        old, new = document.descriptor, Descriptor.of(kind, raw)
        self.renamed[old.digest] = new
        how = f"recompressed with {self.compression}" if self.compression else "unpacked"
        self.findings.append(
            Finding(f"{what} {old.digest}", f"is now {new.digest}, its layers {how}", "note")
        )
        return Document(_described_anew(old, new), raw)

    def tell_subjects(self, raws: Mapping[Digest, bytes]) -> None:
        """Find what names a manifest that is no more as its `subject`."""
        for digest, raw in raws.items():
            subject = _members(raw).get("subject")
            if isinstance(subject, dict) and (old := self._old(subject.get("digest"))):
                self._tell(f"manifest {digest}", old)

    def _layer(self, descriptor: Json) -> Json:
        if (new := self.moved.get(Digest.parse(descriptor["digest"]))) is None:
            return descriptor
        if descriptor.get("urls"):
            problem = "has urls, and what they lead to is the layer as it was before it was recompressed"
            self.findings.append(Finding(f"layer {new.digest}", problem))
        media_type = mediatype.with_compression(descriptor["mediaType"], self.compression)
        changed = {**_replaced(descriptor, new), "mediaType": media_type}
        if annotations := descriptor.get("annotations"):
            kept = {key: text for key, text in annotations.items() if not key.startswith(OF_THE_BYTES)}
            changed["annotations"] = kept
        return changed

    def _listed(self, descriptor: Json) -> Json:
        digest = Digest.parse(descriptor["digest"])
        annotations = descriptor.get("annotations") or {}
        if old := self._old(annotations.get(REFERENCE)):
            self._tell(f"attestation {digest}", old)
            told = {**annotations, REFERENCE: str(self.renamed[old].digest)}
            descriptor = {**descriptor, "annotations": told}
        new = self.renamed.get(digest)
        return _replaced(descriptor, new) if new else descriptor

    def _old(self, text: object) -> Digest | None:
        """Return the digest a text tells, if it is one of those that are no more."""
        return next((digest for digest in self.renamed if str(digest) == text), None)

    def _tell(self, subject: str, old: Digest) -> None:
        self.findings.append(
            Finding(subject, f"speaks of manifest {old}, which is now {self.renamed[old].digest}")
        )


def named_by(raw: bytes) -> set[str]:
    """Return the digests of the blobs that a manifest names; none where it is no document that we read."""
    members = _members(raw)
    blobs = [members.get("config"), *(members.get("layers") or [])]
    return {str(blob.get("digest")) for blob in blobs if isinstance(blob, dict)}


def _members(raw: bytes) -> Mapping[str, Any]:
    try:
        return load(raw, "manifest").value
    except ToolkitError:
        return {}  # carried as it is


def _changed(raw: bytes, key: str, change: Callable[[Json], Json]) -> bytes:
    """Return a document with its list of descriptors changed; the very bytes where none is."""
    before = load(raw, f"blob {Digest.of(raw)}").value.get(key) or []
    after = [change(descriptor) for descriptor in before]
    if after == before:
        return raw
    members = {name: gojson.compact(value) for name, value in gojson.raw_members(raw).items()}
    return gojson.join({**members, key: gojson.encode(after)})


def _replaced(descriptor: Json, new: Descriptor) -> Json:
    """Return a descriptor of the new bytes; a copy of the old ones that it carried is dropped."""
    facts = {key: value for key, value in descriptor.items() if key != "data"}
    return {**facts, "digest": str(new.digest), "size": new.size}


def _described_anew(old: Descriptor, new: Descriptor) -> Descriptor:
    extra = {key: value for key, value in old.extra.items() if key != "data"}
    return replace(old, digest=new.digest, size=new.size, extra=extra)
