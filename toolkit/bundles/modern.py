"""An image of an OCI layout: every document it points at, read and proven, and its blobs listed.

Source: OCI image-spec (image-layout.md, image-index.md, manifest.md); formats D.3.3, D.3.6, D.9, G.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from toolkit import mediatype
from toolkit.ancestry import V1Layer
from toolkit.bundles.entries import bare
from toolkit.bundles.several import several_for_one
from toolkit.configured import odd_types
from toolkit.digest import Digest
from toolkit.errors import (
    CorruptContent,
    Mismatch,
    MissingMember,
    NotFound,
    ToolkitError,
    UnsafeArchive,
    Unsupported,
)
from toolkit.image import MADE_ANEW, Document, Finding, Image, Layer, Proof, ProvenImage, Referrer
from toolkit.limits import above, limits, more_than
from toolkit.model import Config, Descriptor, Index, Manifest
from toolkit.platform import Platform
from toolkit.ports import Content
from toolkit.synthesis import own_chain

TOTAL = 32 << 20  # bytes of all documents of one image, which are held in memory
NOT_WHOLE = "is not there, and without it this image is not whole"
UNKNOWN = "unknown"  # BuildKit gives its attestations this platform


class Documents(Protocol):
    """What `gather` asks of a place: its documents, and how large its blobs are. From any thread."""

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a small file by its name in the layout, None where there is none; raises above `limit`."""

    def size(self, digest: Digest) -> int | None:
        """Return how many bytes lie under the digest; None where there is no such blob."""


class Blobs(Documents, Protocol):
    """Where the bytes of a layout lie: a folder, or an archive. Read-only, from any thread."""

    def open(self, digest: Digest, size: int) -> AbstractContextManager[Content]:
        """Open a blob whose size was asked before."""


def blob_name(digest: Digest) -> str:
    """Return where a layout keeps a blob (OCI image-layout.md)."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


@dataclass(frozen=True, slots=True)
class ModernImage:
    """A manifest, or an index with all that is here of it; a SourceImage."""

    names: tuple[str, ...]
    top: Descriptor
    documents: Mapping[Digest, Document] = field(repr=False)  # children before parents
    layers: tuple[Layer, ...] = field(repr=False)  # base first, each once; key is the digest
    findings: tuple[Finding, ...] = ()
    referrers: tuple[Referrer, ...] = ()  # their blobs are among the layers
    lacking: tuple[Finding, ...] = ()  # platforms of the index that are not here whole; an error: was lost

    def noting(self, finding: Finding) -> ModernImage:
        """Return the image with one more thing that a person should know."""
        return replace(self, findings=(*self.findings, finding))

    @property
    def offered(self) -> ProvenImage:
        """Return the image as it will be once its layers are proven: nothing of it is made up."""
        theirs = {blob.digest for referrer in self.referrers for blob in referrer.blobs}
        blobs = tuple(
            Descriptor(layer.media_type, layer.digest, layer.size)
            for layer in self.layers
            if layer.digest and layer.digest not in theirs
        )
        return ProvenImage(
            self.names, self.top, self.documents, blobs, self.findings, referrers=self.referrers
        )

    def under(self, names: tuple[str, ...]) -> ModernImage:
        """Return the same image under these names."""
        return replace(self, names=names)

    def proven(self, proofs: Mapping[str, Proof]) -> ProvenImage:
        """Return the image; raises Mismatch where a proof is not what its layer promised."""
        for layer in self.layers:
            proof = proofs[layer.key]
            subject = layer.subject
            if proof.digest != layer.digest:
                raise Mismatch(subject, "digest", "", proof.digest, layer.digest)
            if proof.size != layer.size:
                raise Mismatch(subject, "size", "", proof.size, layer.size)
            if layer.diff_id is not None and proof.diff_id != layer.diff_id:
                raise Mismatch(subject, "diffID", "", proof.diff_id, layer.diff_id)
        found = [(layer, proofs[layer.key]) for layer in self.layers if layer.diff_id]
        findings = (*self.findings, *odd_types(self.offered, found))
        compressions = frozenset(proof.compression for _, proof in found)
        return replace(self.offered, findings=findings, compressions=compressions)


def gather(
    blobs: Documents, names: tuple[str, ...], top: Descriptor, platform: Platform | None = None
) -> ModernImage:
    """Read everything `top` points at; with `platform`, that manifest alone becomes the top.

    Raises MissingMember where no image is here whole, NotFound for a platform it does not have,
    Unsupported for what is neither manifest nor index, and as the documents' own parsers do.
    """
    if top.media_type not in mediatype.INDEXES | mediatype.MANIFESTS:
        raise Unsupported(f"blob {top.digest}", f"is {top.media_type[:100]}, neither manifest nor index")
    found = _Gathering(blobs, top, only_one=platform is not None)
    if platform:
        found = _Gathering(blobs, found.chosen(platform))
    layers, findings, lacking = tuple(found.layers.values()), tuple(found.findings), tuple(found.lacking)
    return ModernImage(names, bare(found.top), found.documents, layers, findings, lacking=lacking)


def platforms_here(blobs: Documents, top: Descriptor) -> list[Platform]:
    """Return the platforms that can be asked for one by one, whatever is damaged beside them."""
    try:
        return [image.config.platform for image in _Gathering(blobs, top, only_one=True).image().images()]
    except ToolkitError:
        return []


def listed(raw: bytes, top: Descriptor) -> Mapping[Digest, Platform | None]:
    """Return the manifests that an index lists, in its order; none of what is no index."""
    if top.media_type not in mediatype.INDEXES:
        return {}
    return {child.digest: child.platform for child in Index.from_bytes(raw, top.media_type).manifests}


class _Gathering:
    """One walk from a top descriptor down; where `only_one` image of it is wanted, past those damaged."""

    def __init__(self, blobs: Documents, top: Descriptor, *, only_one: bool = False) -> None:
        self.top, self._only_one = top, only_one
        self.documents: dict[Digest, Document] = {}
        self.layers: dict[Digest, Layer] = {}
        self.findings: list[Finding] = []
        self.lacking: list[Finding] = []
        self._blobs = blobs
        self._damage: list[CorruptContent] = []
        self._images: list[tuple[Descriptor, Image]] = []
        self._seen: set[Digest] = set()
        self._missing: list[Digest] = []
        self._left = TOTAL
        self._take(top, 0)
        self.findings += several_for_one(top, self._images)
        if self._damage and not self._images:
            raise self._damage[0]
        if self._missing and not self._images:
            raise MissingMember(f"blob {self._missing[0]}", NOT_WHOLE)

    def chosen(self, platform: Platform) -> Descriptor:
        """Return the manifest for a platform; raises NotFound."""
        try:
            wanted = self.image().preferred(platform)
        except NotFound:
            if self._damage:  # it may be the one
                raise self._damage[0] from None
            raise
        for descriptor, image in self._images:
            if wanted and image.manifest.raw == wanted.manifest.raw:
                return Descriptor(descriptor.media_type, descriptor.digest, descriptor.size)
        raise Unsupported(f"manifest {self.top.digest}", "is an artifact, and has no platform")

    def image(self) -> ProvenImage:
        """Return what was found so far."""
        return ProvenImage((), self.top, self.documents, ())

    def _take(self, descriptor: Descriptor, depth: int) -> None:
        if descriptor.digest in self._seen:
            return
        self._seen.add(descriptor.digest)
        if depth > (limit := limits().index_depth):
            raise more_than(f"index {self.top.digest}", "is nested deeper than {} levels", limit)
        if not self._is_there(descriptor):
            where = f" for {descriptor.platform}" if descriptor.platform else ""
            self._lack(descriptor, descriptor, f"the index names it{where}, and it is not there")
        elif descriptor.media_type in mediatype.INDEXES:
            self._take_index(descriptor, depth)
        elif descriptor.media_type in mediatype.MANIFESTS:
            self._take_manifest(descriptor, is_top=depth == 0)
        else:
            self._add_blob(descriptor)

    def _take_index(self, descriptor: Descriptor, depth: int) -> None:
        raw = self._read(descriptor)
        for child in Index.from_bytes(raw, descriptor.media_type).manifests:
            try:
                self._take(child, depth + 1)
            except CorruptContent as error:
                if not self._only_one or isinstance(error, UnsafeArchive):
                    raise
                self._damage.append(error)
        self.documents[descriptor.digest] = Document(descriptor, raw)

    def _take_manifest(self, descriptor: Descriptor, *, is_top: bool) -> None:
        raw = self._read(descriptor)
        manifest = Manifest.from_bytes(raw, descriptor.media_type)
        children = (manifest.config, *manifest.layers)
        here = [child for child in children if self._is_there(child)]
        if len(here) < len(children):
            kept = {child.digest for child in here}
            gone = next(child for child in children if child.digest not in kept)
            lost = f", and so {descriptor.platform} is lost" if descriptor.platform else ""
            self._lack(descriptor, gone, f"blob {gone.digest} of it is not there{lost}")
        elif manifest.is_image and (is_top or _runs(descriptor, manifest)):
            self._take_image(descriptor, manifest)
            return
        elif not manifest.is_image:
            self.documents[descriptor.digest] = Document(descriptor, raw)
        if descriptor.digest not in self.documents:
            here.append(descriptor)  # kept as it is, and never taken for an image
        for child in here:
            self._add_blob(child)

    def _take_image(self, descriptor: Descriptor, manifest: Manifest) -> None:
        if (layers := len(manifest.layers)) > (limit := limits().layers):
            raise above(f"manifest {descriptor.digest}", f"has {layers} layers", limit)
        config_raw = self._read(manifest.config)
        image = Image(manifest, Config.from_bytes(config_raw))
        chain: Sequence[V1Layer | None] = own_chain(image) or [None] * len(manifest.layers)
        for (layer, diff_id), v1 in zip(image.layers, chain, strict=True):
            self._add_blob(layer, diff_id, v1)
            if was := layer.annotations.get(MADE_ANEW):
                problem = f"was made anew of its files where it was exported; there it was {was[:80]}"
                self.findings.append(Finding(f"layer {diff_id}", problem, check="proof"))
        self.documents[manifest.config.digest] = Document(manifest.config, config_raw)
        self.documents[descriptor.digest] = Document(descriptor, manifest.raw)
        self._images.append((descriptor, image))
        self._compare_platforms(descriptor, image)

    def _add_blob(self, blob: Descriptor, diff_id: Digest | None = None, v1: V1Layer | None = None) -> None:
        if blob.digest in self.documents:
            return
        layer = Layer(str(blob.digest), blob.size, blob.digest, diff_id, blob.media_type, v1)
        known = self.layers.setdefault(blob.digest, layer)
        if known.diff_id is None:
            self.layers[blob.digest] = layer
        elif diff_id not in {None, known.diff_id}:
            both = f"{known.diff_id} and {diff_id}"
            raise UnsafeArchive(f"layer {blob.digest}", f"is listed under two diffIDs, {both}")

    def _is_there(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is here; raises Mismatch where it is of another size."""
        descriptor.check_inline()
        size = self._blobs.size(descriptor.digest)
        if size not in {None, descriptor.size}:
            raise Mismatch(f"blob {descriptor.digest}", "size", "", size, descriptor.size)
        return size is not None

    def _lack(self, descriptor: Descriptor, gone: Descriptor, problem: str) -> None:
        finding = Finding(f"manifest {descriptor.digest}", f"is incomplete: {problem}", check="incomplete")
        self._missing.append(gone.digest)
        self.findings.append(finding)
        if descriptor.platform is None or descriptor.platform.os != UNKNOWN:
            was_here = gone is not descriptor  # what was not pulled is not lost
            self.lacking.append(replace(finding, severity="error") if was_here else finding)

    def _read(self, descriptor: Descriptor) -> bytes:
        """Read one document, bounded and proven."""
        subject = f"blob {descriptor.digest}"
        if descriptor.size > (limit := limits().document):
            raise above(subject, f"is {descriptor.size} bytes", limit)
        self._left -= descriptor.size
        if self._left < 0:
            raise UnsafeArchive(f"index {self.top.digest}", f"has more than {TOTAL} bytes of documents")
        raw = self._blobs.read(blob_name(descriptor.digest), limit)
        if raw is None:
            raise MissingMember(subject, "is not there")
        return descriptor.check(raw)

    def _compare_platforms(self, descriptor: Descriptor, image: Image) -> None:
        said, own = descriptor.platform, image.config.platform
        if said and (said.os, said.architecture) != (own.os, own.architecture):
            problem = f"is for {own} by its config, and for {said} by the index"
            subject = f"manifest {descriptor.digest}"
            odd = Finding(subject, problem, check="platform").comparing("platform", own, said)
            self.findings.append(odd)


def _runs(descriptor: Descriptor, manifest: Manifest) -> bool:
    """Tell an image from an attestation beside it, which borrows a config's media type (BuildKit)."""
    unknown = descriptor.platform is not None and descriptor.platform.os == UNKNOWN
    return not unknown and all(mediatype.is_layer(layer.media_type) for layer in manifest.layers)
