"""The manifests and configs of one repository, as `gather` asks for them, and the sizes of its blobs.

A digest is computed, never taken from a header; what a document is, it says itself, and no Content-Type.
A layer's size is the one that its manifest promises: a registry takes no manifest without its blobs, and
asking for each would cost a request. What is promised is compared with what comes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

from toolkit import mediatype
from toolkit.bundles.modern import TOTAL, ModernImage, gather, listed
from toolkit.digest import Digest
from toolkit.document import load
from toolkit.errors import InvalidDigest, Mismatch, MissingMember, NotFound, RegistryError, UnsafeArchive
from toolkit.historic import HistoricImage
from toolkit.image import Layer
from toolkit.limits import limits
from toolkit.model import Descriptor, Index, Manifest, media_type_of
from toolkit.platform import Platform
from toolkit.plumbing.compression import sniff
from toolkit.plumbing.http import BUSY, Answer
from toolkit.plumbing.streams import SNIFF
from toolkit.plumbing.urls import shown
from toolkit.schema1 import Schema1, proven_payload
from toolkit.stores.registry.address import Target
from toolkit.stores.registry.client import OK, PULL, PUSH, UNAUTHORIZED, Client

KINDS = (
    mediatype.OCI_INDEX,
    mediatype.OCI_MANIFEST,
    mediatype.DOCKER_LIST,
    mediatype.DOCKER_MANIFEST,
    mediatype.DOCKER_SIGNED_SCHEMA1,
    mediatype.DOCKER_SCHEMA1,
)
ACCEPT = {"Accept": ", ".join(KINDS)}
SMALL = 1 << 20  # bytes of the documents of an image of which several may be held at once
DIGEST_HEADER = "Docker-Content-Digest"


class Large:
    """The right to hold many documents: of several threads that read images, one has it at a time."""

    def __init__(self, lock: threading.Lock | None = None) -> None:
        self._lock, self._held = lock or threading.Lock(), False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._held:
            self._lock.release()

    def take(self) -> None:
        """Wait for it, if it is not ours already."""
        if not self._held:
            self._held = self._lock.acquire()


class Documents:
    """Documents of one repository; for one image, and then forgotten."""

    def __init__(self, client: Client, repository: str, large: Large | None = None) -> None:
        self._client, self._repository, self._large = client, repository, large or Large()
        self._held: dict[Digest, bytes] = {}
        self._signed: dict[Digest, bytes] = {}  # manifests of schema 1, with their signatures
        self._manifests: dict[Digest, int] = {}  # that an index names, and the sizes it promises
        self._blobs: dict[Digest, int] = {}  # that a manifest names, likewise
        self._left = TOTAL

    def top(self, tag_or_digest: str) -> Descriptor:
        """Read the manifest or index that a tag or digest leads to, and tell what it is.

        Raises NotFound, Mismatch where it is not of the digest, and as the documents' own parsers do.
        """
        wanted = Digest.parse(tag_or_digest) if ":" in tag_or_digest else None
        answer = self._ask(f"manifests/{tag_or_digest}", limits().document)
        raw, digest = _identified(answer, wanted)
        media_type = media_type_of(load(raw, shown(answer.url)))  # it may be a page of somebody else
        self._keep(digest, raw)
        self._signed |= {digest: answer.body} if raw != answer.body else {}
        return Descriptor(media_type, digest, len(raw))

    def listed(self, target: Target) -> Mapping[Digest, Platform | None]:
        """Return the manifests of an index, none of what is no index; raises as `top`."""
        top = self.top(target.tag_or_digest)
        return listed(self._held[top.digest], top)

    def image(
        self, names: tuple[str, ...], top: Descriptor, platform: Platform | None = None
    ) -> ModernImage | HistoricImage:
        """Return the image of a manifest or index that was read; raises as `gather`."""
        if top.media_type in mediatype.SCHEMA1:
            return self._historic(names, top.digest, platform)
        return gather(self, names, top, platform)

    # ── as toolkit.bundles.modern.Documents ──

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a document by the name that a layout gives it; None where the registry has none."""
        algorithm, hex_ = name.split("/")[1:]
        digest = Digest(algorithm, hex_)
        if digest not in self._held:
            kind, promised = "blobs", self._blobs.get(digest, limit)
            if digest in self._manifests:
                kind, promised = "manifests", self._manifests[digest]
            try:
                answer = self._ask(f"{kind}/{digest}", min(limit, promised))
            except NotFound:
                return None
            except UnsafeArchive:
                if promised >= limit:
                    raise
                raise Mismatch(f"blob {digest}", "size", "", f"more than {promised}", promised) from None
            if (actual := Digest.of(answer.body, digest.algorithm)) != digest:
                raise Mismatch(f"blob {digest}", "digest", "", actual, digest)
            self._keep(digest, answer.body)
        return self._held[digest]

    def size(self, digest: Digest) -> int | None:
        """Return a document's or blob's size; a manifest of an index is read, as not all may be there."""
        if digest in self._manifests and digest not in self._held:
            self.read(f"blobs/{digest.algorithm}/{digest.hex}", limits().document)
            return len(self._held[digest]) if digest in self._held else None
        if (held := self._held.get(digest)) is not None:
            return len(held)
        if (promised := self._blobs.get(digest)) is not None:
            return promised
        return blob_size(self._client, self._repository, digest)

    def _ask(self, path: str, limit: int) -> Answer:
        return self._client.ask(
            "GET", f"/v2/{self._repository}/{path}", self._repository, headers=ACCEPT, limit=limit
        )

    def _keep(self, digest: Digest, raw: bytes) -> None:
        """Hold a document, and learn from it what else there is; what cannot be parsed `gather` tells."""
        self._left -= len(raw)
        if TOTAL - self._left > SMALL:
            self._large.take()
        if self._left < 0:
            raise UnsafeArchive(f"manifest {digest}", f"leads to more than {TOTAL} bytes of documents")
        self._held[digest] = raw
        if digest in self._blobs:
            return
        kind = media_type_of(load(raw, f"manifest {digest}"))
        if kind in mediatype.INDEXES:
            for child in Index.from_bytes(raw, kind).manifests:
                self._manifests.setdefault(child.digest, child.size)
        elif kind in mediatype.MANIFESTS:
            manifest = Manifest.from_bytes(raw, kind)
            for child in (manifest.config, *manifest.layers):
                self._blobs.setdefault(child.digest, child.size)

    def _historic(self, names: tuple[str, ...], digest: Digest, platform: Platform | None) -> HistoricImage:
        schema1 = Schema1.from_bytes(self._signed.get(digest) or self._held[digest], digest)
        own = Platform.from_node(schema1.chain[-1].node)
        if platform and own.architecture and not own.matches(platform):
            raise NotFound(f"platform {platform}", "is not in the image", f"it has {own}")
        layers = {blob: self._layer(blob) for blob in dict.fromkeys(schema1.blobs)}
        return HistoricImage(names, schema1, tuple(layers[blob] for blob in schema1.blobs))

    def _layer(self, digest: Digest) -> Layer:
        """Describe a layer of schema 1, whose size and compression nothing tells but itself."""
        if (size := blob_size(self._client, self._repository, digest)) is None:
            raise MissingMember(f"blob {digest}", "is not there, and without it no image is whole")
        path, first = f"/v2/{self._repository}/blobs/{digest}", b""
        with self._client.flow(path, self._repository, {"Range": f"bytes=0-{SNIFF - 1}"}) as flow:
            if flow.status not in {OK, 206, 416}:
                raise self._client.refused(flow)
            for block in flow.blocks():
                first += block[:SNIFF]
                if len(first) >= SNIFF:
                    break
        return Layer(str(digest), size, digest, media_type=mediatype.layer_type(sniff(first[:SNIFF])))


def blob_size(client: Client, repository: str, digest: Digest, rights: str = PULL) -> int | None:
    """Ask how large a blob is; None where the repository has none of that digest."""
    path = f"/v2/{repository}/blobs/{digest}"
    try:
        answer = client.ask("HEAD", path, repository, rights=rights)
    except NotFound:
        return None
    told = answer.headers.get("Content-Length", "")
    if not (told.isascii() and told.isdigit() and len(told) < len(str(1 << 63))):
        raise RegistryError(f"HEAD {client.base}{path}", "answered without a size", status=answer.status)
    return int(told)


def has_blob(client: Client, repository: str, digest: Digest, size: int) -> bool:
    """Tell whether a blob is there to be written no more; what a registry does not tell, it does not have.

    Raises RegistryError where it has to be spoken to otherwise first.
    """
    try:
        return blob_size(client, repository, digest, PUSH) == size
    except RegistryError as error:
        if error.status in {0, UNAUTHORIZED, *BUSY}:
            raise
        return False


def digest_told(answer: Answer) -> Digest | None:
    """Return the digest that a header tells: a claim, to be compared with what was proven."""
    with suppress(InvalidDigest):
        return Digest.parse(answer.headers.get(DIGEST_HEADER, ""))
    return None


def _identified(answer: Answer, wanted: Digest | None) -> tuple[bytes, Digest]:
    """Return a manifest's bytes and their digest: the one wanted, else computed.

    The digest of a signed manifest of schema 1 is that of its payload (formats D.12), which the header
    helps to cut out: it is proven like one that was asked for.
    """
    raw = answer.body
    if wanted is not None:
        return proven_payload(raw, wanted), wanted
    told = digest_told(answer)
    if told is not None and told != Digest.of(raw, told.algorithm):
        with suppress(Mismatch):
            return proven_payload(raw, told), told
    return raw, Digest.of(raw)
