"""Referrers in an OCI layout: manifests that index.json lists for their own sake.

They name their subject; or they have a tag of cosign's; or a list of them has the tag that it would have in
a registry without the referrers API, which is how regctl keeps them in a layout.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress

from toolkit import mediatype
from toolkit.bundles.entries import Entries, Entry
from toolkit.bundles.modern import Blobs, ModernImage, blob_name, gather
from toolkit.bundles.referrers import Claim
from toolkit.bundles.refertags import cosign_tags, list_tag, subject_in, tag_of
from toolkit.digest import Digest
from toolkit.document import Allowance, load
from toolkit.errors import MissingMember, ToolkitError
from toolkit.limits import limits
from toolkit.model import Descriptor, Index

SUBJECT = b'"subject"'


class ListedReferrers:
    """What the entries of one index.json refer to."""

    def __init__(self, blobs: Blobs, entries: Entries, place: str) -> None:
        self.entries, self._blobs, self._allowance = entries, blobs, Allowance(place)
        self._tops = {entry.top.digest: entry.top for entry in entries}
        self._tagged: dict[str, list[tuple[str, Descriptor]]] = {}  # tag → repositories, and what it is there
        self._subjects: dict[Digest, Digest] = {}  # of an entry: what it names
        for entry in entries:
            for repository, tag in map(tag_of, entry.names):
                self._tagged.setdefault(tag, []).append((repository, entry.top))
            if subject := self._subject(entry.top):
                self._subjects[entry.top.digest] = subject
        self._referrers: dict[Digest, list[Digest]] = {}
        for digest, subject in self._subjects.items():
            self._referrers.setdefault(subject, []).append(digest)

    def beside(self, repositories: Collection[str]) -> Beside:
        """Return what is known of an image in these repositories."""
        return Beside(self, self._blobs, repositories)

    def own(self) -> list[Entry]:
        """Return the entries that go with no other one."""
        tops = [entry.top for entry in self.entries]
        known = {digest for top in tops for digest in (top.digest, *self._children(top))}
        tags = {tag for digest in known for tag in (list_tag(digest), *cosign_tags(digest))}
        return [
            entry
            for entry in self.entries
            if not (
                all(tag_of(name)[1] in tags for name in entry.names)
                if entry.names
                else self._subjects.get(entry.top.digest) in known
            )
        ]

    def by_subject(self, subject: Digest) -> list[Digest]:
        """Return the entries that name a manifest."""
        return self._referrers.get(subject, [])

    def by_tag(self, tag: str, repositories: Collection[str]) -> list[Descriptor]:
        """Return what has a tag, in one of these repositories or in none that is told."""
        return [
            top
            for repository, top in self._tagged.get(tag, [])
            if not (repository and repositories) or repository in repositories
        ]

    def children(self, list_: Descriptor) -> list[Digest]:
        """Return what a list of referrers holds; raises as Index.from_bytes."""
        if list_.media_type not in mediatype.INDEXES:
            return []
        manifests = Index.from_bytes(self._read(list_), list_.media_type).manifests
        for manifest in manifests:
            self._tops.setdefault(manifest.digest, manifest)
        return [manifest.digest for manifest in manifests]

    def top(self, digest: Digest) -> Descriptor:
        """Return an entry, or what a list that was read holds."""
        return self._tops[digest]

    def _children(self, top: Descriptor) -> list[Digest]:
        with suppress(ToolkitError):  # what is wrong with it is told when it is asked for
            return self.children(top)
        return []

    def _subject(self, top: Descriptor) -> Digest | None:
        with suppress(ToolkitError):
            raw = self._blobs.read(blob_name(top.digest), limits().document) or b""
            if SUBJECT in raw:
                self._allowance.take(raw)
                return subject_in(load(top.check(raw), f"manifest {top.digest}"))
        return None

    def _read(self, top: Descriptor) -> bytes:
        raw = self._blobs.read(blob_name(top.digest), limits().document)
        if raw is None:
            raise MissingMember(f"blob {top.digest}", "is not there")
        self._allowance.take(raw)
        return top.check(raw)


class Beside:
    """What a layout knows of one image's referrers; a Guide."""

    at_once = 1

    def __init__(self, listed: ListedReferrers, blobs: Blobs, repositories: Collection[str]) -> None:
        self._listed, self._blobs, self._repositories = listed, blobs, repositories

    def claims(self, subject: Digest) -> Iterator[Claim]:
        """Yield what names a manifest, has its tags, or is in a list of its referrers."""
        for digest in self._listed.by_subject(subject):
            yield Claim(str(digest), subject)
        for tag in cosign_tags(subject):
            for top in self._listed.by_tag(tag, self._repositories):
                yield Claim(str(top.digest), subject, tag)
        for list_ in self._listed.by_tag(list_tag(subject), self._repositories):
            for digest in self._listed.children(list_):
                yield Claim(str(digest), subject)

    def artifact(self, claim: Claim) -> ModernImage:
        """Return an artifact with its documents; raises as `gather`."""
        return gather(self._blobs, (), self._listed.top(Digest.parse(claim.reference)))
