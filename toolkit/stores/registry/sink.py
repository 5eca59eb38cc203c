"""`docker://` as a sink: blobs first, manifests children first, tags last.

A blob that the repository has already is not sent: the registry compared it with its digest when it took
it. Its diffID is then the config's word, which an engine compares when it pulls.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from toolkit import mediatype
from toolkit.bundles.refertags import list_tag
from toolkit.digest import Digest
from toolkit.errors import Mismatch, MissingMember, NotFound, RegistryError, UsageError
from toolkit.image import Layer, Proof, ProvenImage, Referrer, SourceImage
from toolkit.limits import above, limits
from toolkit.model import Descriptor
from toolkit.plumbing.failures import led
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.ports import Content
from toolkit.stores.registry.address import Address
from toolkit.stores.registry.blob import Blob
from toolkit.stores.registry.client import AT_ONCE, CREATED, PUSH, Client, quoted_query
from toolkit.stores.registry.documents import has_blob
from toolkit.stores.registry.naming import Destination, destinations, origins, refuse_collisions
from toolkit.stores.registry.subjects import SUBJECT_HEADER, with_referrers
from toolkit.stores.registry.upload import ACCEPTED, TAKEN, Lost, Upload, compare_digest

AGAIN = 5  # times that an upload is begun: docker-registry 2.8 forgets each that breaks off in the middle
IS_MANIFEST = mediatype.MANIFESTS | mediatype.INDEXES


class RegistrySink:
    """A registry to push to; a Sink. It knows a blob by its digest alone, and that is proven."""

    at_once = AT_ONCE
    unpacks = False

    def __init__(self, address: Address, client: Client, place: str) -> None:
        self.place, self.address, self.client = place, address, client
        self._wanted: dict[str, list[str]] = {}  # layer key → repositories that need it
        self._origins: dict[str, list[str]] = {}  # layer key → repositories here that may have it
        self._there: frozenset[tuple[str, Digest]] = frozenset()
        self._asked: set[tuple[str, Digest, str]] = set()
        self._taken_over: set[Digest] = set()  # blobs that were mounted in this delivery
        self._lock = threading.Lock()

    def present(self, layer: Layer) -> Proof | None:
        """Return what a blob promises, where every repository that needs it has it, or can mount it.

        None where its own documents do not tell what it unpacks to: it is read, and not sent.
        """
        repositories = self.needing(layer)
        if layer.digest is None or not repositories or layer.media_type in IS_MANIFEST:
            return None
        if layer.diff_id is None and mediatype.is_layer(layer.media_type):
            return None
        if not all(self.has(repository, layer, layer.digest) for repository in repositories):
            return None
        compression = mediatype.compression_of(layer.media_type) or ""
        return Proof(layer.digest, layer.size, layer.diff_id or layer.digest, compression)

    def is_mounted(self, layer: Layer) -> bool:
        """Tell whether the registry took a blob over from another of its repositories just now."""
        return layer.digest in self._taken_over

    @contextmanager
    def receive(
        self, images: Sequence[SourceImage], known: Mapping[str, Proof]
    ) -> Iterator[RegistryReceiver]:
        """Begin a delivery; raises UsageError where two images would get one tag."""
        del known  # every blob lies by itself: there is nothing to lay out
        refuse_collisions(self.address, images, self.place)
        self._wanted, self._origins, self._asked, self._taken_over = {}, {}, set(), set()
        for image in images:
            repositories = [one.repository for one in self.destinations(image.names)]
            for layer in image.layers:
                self._wanted[layer.key] = _joined(self._wanted.get(layer.key), repositories)
                self._origins[layer.key] = _joined(
                    self._origins.get(layer.key), origins(self.address, image.names)
                )
        try:
            yield RegistryReceiver(self)
        finally:
            self._wanted, self._origins = {}, {}

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def destinations(self, names: Sequence[str]) -> list[Destination]:
        """Return where an image of these names goes to."""
        return destinations(self.address, names, self.place)

    def names_there(self, names: Sequence[str]) -> list[str]:
        """Return the references that lead to an image of these names; by digest alone there is none."""
        there = ((f"{self.address.host}/{one.repository}", one.tag) for one in self.destinations(names))
        return [f"{repository}:{tag}" for repository, tag in there if tag]

    def repositories_there(self, names: Sequence[str]) -> list[str]:
        """Return the repositories that an image of these names lies in."""
        return _joined([f"{self.address.host}/{one.repository}" for one in self.destinations(names)], [])

    def needing(self, layer: Layer) -> list[str]:
        """Return the repositories that a layer goes to."""
        own = [self.address.repository] if self.address.repository else []
        return self._wanted.get(layer.key, own)

    def has(self, repository: str, layer: Layer, digest: Digest) -> bool:
        """Tell whether a repository has a blob, or has got it from another one just now."""
        if (repository, digest) in self._there:
            return True
        if self._first_time(repository, digest) and has_blob(self.client, repository, digest, layer.size):
            self.found(repository, digest)
            return True
        others = _joined(self._origins.get(layer.key), [one for one, held in self._there if held == digest])
        return any(
            self._mounted(repository, digest, other)
            for other in others
            if other != repository and self._first_time(repository, digest, other)
        )

    def found(self, repository: str, digest: Digest) -> None:
        """Note that a repository has a blob."""
        with self._lock:
            self._there = self._there | {(repository, digest)}

    def _first_time(self, repository: str, digest: Digest, origin: str = "") -> bool:
        """Tell whether this is not asked yet in this delivery: what was not there, only we can bring."""
        with self._lock:
            first = (repository, digest, origin) not in self._asked
            self._asked.add((repository, digest, origin))
        return first

    def _mounted(self, repository: str, digest: Digest, origin: str) -> bool:
        """Ask the registry to take a blob over from another repository; it may begin an upload instead."""
        path = quoted_query(f"/v2/{repository}/blobs/uploads/", "mount", str(digest))
        try:
            answer = self.client.ask(
                "POST",
                quoted_query(path, "from", origin),
                repository,
                rights=PUSH,
                also=origin,
                headers={"Content-Length": "0"},
                expected={CREATED, ACCEPTED},
            )
        except (NotFound, RegistryError):
            return False  # we may not read there: the blob is sent
        if answer.status == CREATED:
            self.found(repository, digest)
            self._taken_over.add(digest)
            return True
        if place := answer.headers.get("Location"):
            with suppress(RegistryError):
                Upload.forget(self.client, repository, led("POST", answer.url, place))
        return False


class RegistryReceiver:
    """One delivery to a registry."""

    def __init__(self, sink: RegistrySink) -> None:
        self._sink, self._client = sink, sink.client
        self._manifests: dict[Digest, bytes] = {}  # that came as blobs: they wait until theirs are there
        self._listed: set[Digest] = set()  # that the registry itself lists as referrers

    def write(self, layer: Layer, content: Content) -> Proof:
        """Send one blob to the first repository that lacks it, and have the others take it over."""
        if layer.media_type in IS_MANIFEST:
            return self._keep(layer, content)
        missing = [
            one
            for one in self._sink.needing(layer)
            if layer.digest is None or not self._sink.has(one, layer, layer.digest)
        ]
        if not missing:
            return transfer(content, layer, nowhere, unpack=self._sink.unpacks)
        proof = self._upload(missing[0], layer, content)
        for other in missing[1:]:
            if not self._sink.has(other, layer, proof.digest):
                path = f"/v2/{missing[0]}/blobs/{proof.digest}"
                self._upload(other, layer, Blob(self._client, missing[0], path, proof.digest, proof.size))
        return proof

    def finish(self, images: Sequence[ProvenImage]) -> None:
        """Put the documents, children first, then the tags of all images."""
        tagged: dict[Destination, ProvenImage] = {}
        for image in images:
            for one in self._sink.destinations(image.names):
                other = tagged.setdefault(one, image)
                if one.tag and other.top.digest != image.top.digest:
                    raise UsageError(self._sink.place, f"would have two images as {one.repository}:{one.tag}")
            self._check_digest(image)
        done: set[tuple[str, Digest]] = set()
        for one, image in tagged.items():
            if (one.repository, image.top.digest) not in done:
                self._put_all(one.repository, image)
                done.add((one.repository, image.top.digest))
        for one, image in tagged.items():
            if one.tag:
                self._put_top(one.repository, one.tag, image)

    def _check_digest(self, image: ProvenImage) -> None:
        wanted = self._sink.address.digest
        if wanted is not None and image.top.digest != wanted:
            raise Mismatch(self._sink.place, "digest of the image", "", image.top.digest, wanted)

    def _put_all(self, repository: str, image: ProvenImage) -> None:
        """Put an image's documents, then what refers to it, and cosign's tags for that."""
        unlisted: dict[Digest, list[Descriptor]] = {}
        for part in image.parts:
            self._put_documents(repository, part)
            if isinstance(part, Referrer) and part.subject and part.top.digest not in self._listed:
                unlisted.setdefault(part.subject, []).append(part.top)
        for subject, tops in unlisted.items():
            raw = with_referrers(self._client, repository, subject, tops)
            self._put_manifest(repository, list_tag(subject), mediatype.OCI_INDEX, Digest.of(raw), raw)
        for referrer in image.referrers:
            for tag in referrer.tags:
                self._put_top(repository, tag, referrer)

    def _put_top(self, repository: str, tag: str, part: ProvenImage | Referrer) -> None:
        raw = part.documents[part.top.digest].raw
        self._put_manifest(repository, tag, part.top.media_type, part.top.digest, raw)

    def _put_documents(self, repository: str, part: ProvenImage | Referrer) -> None:
        for blob in part.blobs:
            if (raw := self._manifests.get(blob.digest)) is not None:
                self._put_manifest(repository, str(blob.digest), blob.media_type, blob.digest, raw)
            elif not self._sink.has(repository, Layer(str(blob.digest), blob.size), blob.digest):
                raise MissingMember(f"blob {blob.digest}", f"is not in {self._sink.place}")
        for digest, document in part.documents.items():
            media_type = document.descriptor.media_type
            if media_type in IS_MANIFEST:
                self._put_manifest(repository, str(digest), media_type, digest, document.raw)
            else:
                self._put_config(repository, digest, document.raw)

    def _put_manifest(
        self, repository: str, tag_or_digest: str, media_type: str, digest: Digest, raw: bytes
    ) -> None:
        answer = self._client.ask(
            "PUT",
            f"/v2/{repository}/manifests/{tag_or_digest}",
            repository,
            rights=PUSH,
            headers={"Content-Type": media_type},
            body=raw,
            expected=TAKEN,
        )
        compare_digest(answer, digest, f"manifest {digest}")
        if SUBJECT_HEADER in answer.headers:
            self._listed.add(digest)

    def _put_config(self, repository: str, digest: Digest, raw: bytes) -> None:
        layer = Layer(str(digest), len(raw), digest)
        if not self._sink.has(repository, layer, digest):
            upload = Upload(self._client, repository, len(raw))
            upload(raw)
            upload.finish(digest)
            self._sink.found(repository, digest)

    def _upload(self, repository: str, layer: Layer, content: Content) -> Proof:
        """Send a blob; where the registry forgets the upload, the content is read once more.

        Some content can be read only once, and then yields nothing: what was lost is told.
        """
        lost: Lost | None = None
        for _ in range(AGAIN):
            upload = Upload(self._client, repository, layer.size)
            try:
                proof = transfer(content, layer, upload, unpack=self._sink.unpacks)
                upload.finish(proof.digest)
            except Lost as error:
                lost = error
                continue
            except BaseException as error:
                upload.cancel()
                if lost and isinstance(error, Mismatch):
                    raise lost from error
                raise
            self._sink.found(repository, proof.digest)
            return proof
        assert lost  # noqa: S101 - each round ends with one, or with a proof
        raise lost

    def _keep(self, layer: Layer, content: Content) -> Proof:
        if layer.size > (limit := limits().document):
            raise above(f"manifest {layer.key}", f"is {layer.size} bytes", limit)
        raw = bytearray()
        proof = transfer(content, layer, raw.extend)
        self._manifests[proof.digest] = bytes(raw)
        return proof


def _joined(one: Sequence[str] | None, other: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*(one or ()), *other]))
