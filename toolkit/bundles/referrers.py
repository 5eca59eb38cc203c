"""What refers to an image and travels with it: signatures, SBOMs, attestations, and what refers to those.

A place claims that something refers to a manifest; the claim is believed once what it leads to was read and
proven: it names that manifest as its subject, or was found under a tag of cosign's. What cannot be had stays
behind and is told, for the image itself is whole without it.

Source: OCI image-spec 1.1 (manifest.md, subject), distribution-spec 1.1 (spec.md, Listing Referrers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from toolkit import mediatype
from toolkit.bundles.entries import bare
from toolkit.bundles.modern import ModernImage
from toolkit.bundles.refertags import subject_in
from toolkit.digest import Digest
from toolkit.document import Node, load
from toolkit.errors import CorruptContent, Mismatch, NotFound, ToolkitError, UnsafeArchive, Unsupported
from toolkit.image import Finding, Referrer
from toolkit.limits import limits
from toolkit.model import Descriptor
from toolkit.plumbing.parallel import in_parallel

MANY = 1_000  # of one image
DOCUMENT_BYTES = 32 << 20  # of all that refers to one image; they are held in memory
BLOB_BYTES = 16 << 30  # likewise
LONGEST_TYPE, LONGEST_ANNOTATIONS = 255, 2_048  # characters that a list of referrers repeats of a manifest
STAYS = (CorruptContent, NotFound, Unsupported)  # what is told of a referrer, and is no failure of the image

T = TypeVar("T")
R = TypeVar("R")


class Claim(NamedTuple):
    """Somebody's word that something refers to a manifest."""

    reference: str  # its digest, or the tag that it was found under
    subject: Digest
    tag: str = ""  # of cosign's, where that is all that tells


class Guide(Protocol):
    """What a place knows of referrers; asked from several threads."""

    at_once: int  # questions to ask at once

    def claims(self, subject: Digest) -> Iterator[Claim]:
        """Yield what is said to refer to a manifest; what comes before a failure counts."""

    def artifact(self, claim: Claim) -> ModernImage:
        """Return what a claim leads to, its documents proven and its blobs there; raises as `gather`."""


def accompanied(image: ModernImage, guide: Guide) -> ModernImage:
    """Return the image with all that refers to it, in an order that does not depend on the place's."""
    walk = _Walk(image, guide)
    level = _subjects(image)
    for _ in range(depth := limits().index_depth):
        level = walk.next(level)
    if level:
        walk.tell(f"manifest {level[0]}", f"is the last of {depth} in a row that was looked at for referrers")
    return walk.result()


class _Walk:
    """One walk from an image up: to what refers to it, and to that."""

    def __init__(self, image: ModernImage, guide: Guide) -> None:
        self._image, self._guide = image, guide
        self._found: dict[Digest, Referrer] = {}
        self._layers = {layer.digest: layer for layer in image.layers}
        self._own = {*image.documents, *self._layers}
        self._seen: set[Claim] = set()
        self._findings: list[Finding] = []
        self._left = [DOCUMENT_BYTES, BLOB_BYTES]

    def next(self, level: Sequence[Digest]) -> list[Digest]:
        """Take what refers to these manifests, and return what may be referred to in turn."""
        claims = self._bounded(claim for told in self._each(self._claims, level) for claim in told)
        few = self._guide.at_once  # what has been read is held, or let go, before more is
        batches = (claims[start : start + few] for start in range(0, len(claims), few))
        return [new for batch in batches for new in self._taken(batch)]

    def _taken(self, claims: Sequence[Claim]) -> list[Digest]:
        pairs = zip(claims, self._each(self._examined, claims), strict=True)
        return [new for claim, found in pairs if found and (new := self._take(claim, *found))]

    def tell(self, subject: str, problem: str) -> None:
        """Note something that stays behind, or was not looked for."""
        self._findings.append(Finding(subject, problem, check="referrer"))

    def result(self) -> ModernImage:
        """Return the image with what was found."""
        layers = tuple(self._layers.values())
        # Threads tell in any order.
        told = sorted(set(self._findings), key=lambda finding: (finding.subject, finding.problem))
        findings = (*self._image.findings, *told)
        return replace(self._image, layers=layers, findings=findings, referrers=tuple(self._found.values()))

    def _each(self, ask: Callable[[T], R], items: Sequence[T]) -> list[R]:
        return in_parallel(ask, items, size=lambda _: 0, jobs=self._guide.at_once)

    def _claims(self, subject: Digest) -> list[Claim]:
        found: list[Claim] = []
        try:
            found.extend(islice(self._guide.claims(subject), MANY + 1))
        except STAYS as error:
            self.tell(f"manifest {subject}", f"may have referrers that stay behind: {error}")
        return found

    def _bounded(self, claims: Iterable[Claim]) -> list[Claim]:
        new = sorted(set(claims) - self._seen)
        room = MANY - len(self._found)
        if len(new) > room:
            self.tell(
                f"manifest {self._image.top.digest}", f"has more than {MANY} referrers; others stay behind"
            )
        self._seen.update(new)
        return new[:room]

    def _examined(self, claim: Claim) -> tuple[Referrer, ModernImage] | None:
        try:
            artifact = self._guide.artifact(claim)
            return _referrer(artifact, claim), artifact
        except STAYS as error:
            self._stays(claim, error)
            return None

    def _take(self, claim: Claim, referrer: Referrer, artifact: ModernImage) -> Digest | None:
        """Keep a referrer, and return its digest where it is new."""
        digest = referrer.top.digest
        if known := self._found.get(digest):
            tags = tuple(dict.fromkeys((*known.tags, *referrer.tags)))
            self._found[digest] = replace(known, tags=tags, subject=known.subject or referrer.subject)
            return None
        try:
            self._spend(digest, referrer)
        except UnsafeArchive as error:
            self._stays(claim, error)
            return None
        for layer in artifact.layers:  # what it unpacks to is nobody's promise
            self._layers.setdefault(layer.digest, replace(layer, diff_id=None, v1=None))
        theirs = tuple(blob for blob in referrer.blobs if blob.digest not in self._own)
        self._found[digest] = replace(referrer, blobs=theirs)
        self._findings += artifact.findings
        return digest

    def _spend(self, digest: Digest, referrer: Referrer) -> None:
        if digest in self._own:
            raise UnsafeArchive(f"manifest {digest}", "is a part of the image itself")
        sizes = [
            sum(len(document.raw) for document in referrer.documents.values()),
            sum(blob.size for blob in referrer.blobs),
        ]
        left = [had - size for had, size in zip(self._left, sizes, strict=True)]
        if min(left) < 0:
            limits = f"{DOCUMENT_BYTES} bytes of documents or {BLOB_BYTES} of blobs"
            raise UnsafeArchive(f"manifest {digest}", f"with other referrers holds more than {limits}")
        self._left = left

    def _stays(self, claim: Claim, error: ToolkitError) -> None:
        self.tell(f"referrer {claim.reference}", f"of {claim.subject} stays behind: {error}")


def _subjects(image: ModernImage) -> list[Digest]:
    """Return the manifests of an image that something may refer to: not the attestations among them."""
    images = {picture.manifest.raw for picture in image.offered.images()}
    return [
        digest
        for digest, document in image.documents.items()
        if document.descriptor.media_type in mediatype.INDEXES
        or document.raw in images
        or digest == image.top.digest
    ]


def _referrer(artifact: ModernImage, claim: Claim) -> Referrer:
    """Return what a claim has led to; raises Mismatch where it refers to something else."""
    digest = artifact.top.digest
    top = load(artifact.documents[digest].raw, f"manifest {digest}")
    subject = subject_in(top)
    if not claim.tag and subject != claim.subject:
        raise Mismatch(f"manifest {digest}", "subject", "", subject or "nothing", claim.subject)
    return Referrer(
        _listed(artifact.top, top, is_subject_told=subject is not None),
        artifact.documents,
        artifact.offered.blobs,
        subject,
        (claim.tag,) if claim.tag else (),
    )


def _listed(descriptor: Descriptor, top: Node, *, is_subject_told: bool) -> Descriptor:
    """Return a manifest as a list of referrers has it (spec.md, Listing Referrers), within bounds."""
    type_ = top.optional("artifactType", str)
    if not type_ and is_subject_told and descriptor.media_type in mediatype.MANIFESTS:
        type_ = top.child("config").get("mediaType", str)
    annotations = top.text_map("annotations")
    length = sum(len(key) + len(text) for key, text in annotations.items())
    return bare(
        replace(
            descriptor,
            annotations=annotations if length <= LONGEST_ANNOTATIONS else {},
            extra={"artifactType": type_} if type_ and len(type_) <= LONGEST_TYPE else {},
        )
    )
