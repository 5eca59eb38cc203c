"""What a repository says refers to a manifest: its referrers API, else the list under a tag; cosign's tags.

All this is asked of the registry itself, not of its mirrors: a mirror may have only some of it. What it leads
to is then asked for by its digest, wherever that comes from.

Source: OCI distribution-spec 1.1 (spec.md, Listing Referrers, Unavailable Referrers API). Nothing is asked
to be filtered, so that OCI-Filters-Applied says nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from toolkit import mediatype
from toolkit.bundles.modern import ModernImage
from toolkit.bundles.referrers import MANY, Claim
from toolkit.bundles.refertags import cosign_tags, list_tag
from toolkit.digest import Digest
from toolkit.errors import InvalidDocument, Mismatch, MissingMember, NotFound, RegistryError, Unsupported
from toolkit.image import Layer
from toolkit.model import Descriptor, Index
from toolkit.plumbing.http import Answer
from toolkit.stores.registry.client import AT_ONCE, Client
from toolkit.stores.registry.documents import ACCEPT, Documents, Large, blob_size
from toolkit.stores.registry.pages import pages

INDEX_ONLY = {"Accept": mediatype.OCI_INDEX}
ABSENT = frozenset({400, 405, 406, 501})  # and 404: what registries answer to an API they do not know


class RepositoryReferrers:
    """The referrers of the manifests of one repository; a Guide."""

    at_once = AT_ONCE

    def __init__(self, client: Client, repository: str) -> None:
        self._client, self._repository = client, repository
        self._lock = threading.Lock()
        self._has_api = True  # until it has answered
        self._there: set[tuple[Digest, int]] = set()  # blobs that were asked for: most have the same config

    def claims(self, subject: Digest) -> Iterator[Claim]:
        """Yield what has cosign's tags, and what is listed."""
        for tag in filter(self._has, cosign_tags(subject)):
            yield Claim(tag, subject, tag)
        for one in self._listed(subject):
            yield Claim(str(one.digest), subject)

    def artifact(self, claim: Claim) -> ModernImage:
        """Return what a digest or tag leads to; raises MissingMember where not all of it is there."""
        with Large(self._lock) as large:
            image = self._read(claim, Documents(self._client, self._repository, large))
        for layer in image.layers:
            self._must_be_there(layer)
        return image

    def _read(self, claim: Claim, documents: Documents) -> ModernImage:
        reference = str(Digest.of(self._tagged("GET", claim.tag).body)) if claim.tag else claim.reference
        image = documents.image((), documents.top(reference))
        if not isinstance(image, ModernImage):
            raise Unsupported(f"manifest {claim.reference}", "is of schema 1")
        return image

    def _listed(self, subject: Digest) -> Sequence[Descriptor]:
        if self._has_api and (found := self._by_api(subject)) is not None:
            return found
        self._has_api = False
        try:
            answer = self._tagged("GET", list_tag(subject))
        except NotFound:
            return []
        return _index(answer, f"tag {list_tag(subject)}").manifests

    def _by_api(self, subject: Digest) -> list[Descriptor] | None:
        """Return what the API lists, as much of it as can be taken; None where there is none."""
        path, what = f"/v2/{self._repository}/referrers/{subject}", f"referrers of {subject}"
        found: list[Descriptor] = []
        try:
            for answer in pages(self._client, path, self._repository, what, INDEX_ONLY):
                if not found and not _is_index(answer):
                    return None
                found += _index(answer, what).manifests
                if len(found) > MANY:
                    break
        except NotFound:
            return None
        except RegistryError as error:
            if error.status not in ABSENT:
                raise
            return None
        return found

    def _has(self, tag: str) -> bool:
        try:
            self._tagged("HEAD", tag)
        except NotFound:
            return False
        return True

    def _tagged(self, method: str, tag: str) -> Answer:
        url = f"{self._client.base}/v2/{self._repository}/manifests/{tag}"
        return self._client.ask(method, url, self._repository, headers=ACCEPT)

    def _must_be_there(self, layer: Layer) -> None:
        if layer.digest is None or layer.media_type in mediatype.MANIFESTS | mediatype.INDEXES:
            return  # those were read
        if (layer.digest, layer.size) in self._there:
            return
        size = blob_size(self._client, self._repository, layer.digest)
        if size is None:
            raise MissingMember(f"blob {layer.digest}", "is not there")
        if size != layer.size:
            raise Mismatch(f"blob {layer.digest}", "size", "the registry says so", size, layer.size)
        self._there.add((layer.digest, layer.size))


def _is_index(answer: Answer) -> bool:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip() == mediatype.OCI_INDEX


def _index(answer: Answer, subject: str) -> Index:
    try:
        return Index.from_bytes(answer.body)
    except InvalidDocument as error:
        raise InvalidDocument(subject, f"is no list: {error}") from error
