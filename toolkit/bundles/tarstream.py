"""Sending a bundle while its layers are read: each is a member as it comes, everything else follows.

Whoever reads it has to take members in any order, as engines do, which look at what an archive says when they
have all of it. A legacy layer's digest is known only when its bytes have gone, and the header with its name
before them: what such a blob is called in the end is a symbolic link to the name that it was sent under.
"""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from toolkit.bundles.members import Member, link, once
from toolkit.bundles.tarsink import LEFT, MembersOf
from toolkit.digest import Digest
from toolkit.errors import Mismatch, StoreError
from toolkit.image import Layer, Proof, ProvenImage, SourceImage, drafts, layers_of
from toolkit.model import Descriptor
from toolkit.plumbing.handover import Give
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.plumbing.tarwriter import END, padding
from toolkit.ports import Content


class TarStream:
    """One bundle being sent; a Receiver. One layer is sent at a time."""

    def __init__(
        self, give: Give, members_of: MembersOf, images: Sequence[SourceImage], known: Mapping[str, Proof]
    ) -> None:
        self._give, self._members_of, self._known = give, members_of, known
        self._draft = drafts(layers_of(images), known)
        drafted = once(members_of([image.proven(self._draft) for image in images]))
        self._names = {member.blob.digest: member.name for member in reversed(drafted) if member.blob}
        self._sent: dict[Digest, str] = {}  # the digest that was proven → a name that it was sent under
        self._bodies: set[str] = set()  # all of those names: two layers may turn out to be one blob
        self._turn = threading.Lock()
        self._is_broken = self._is_finished = False

    def write(self, layer: Layer, content: Content) -> Proof:
        """Send a layer; one that the format has no place for, or a second time, is only proven."""
        drafted = self._draft[layer.key].digest
        with self._turn:
            name = self._names.get(drafted)
            if name is None or name in self._bodies:
                proof = transfer(content, layer, nowhere)
            else:
                proof = self._send(name, layer, content)
        if layer.key in self._known and proof.digest != drafted:
            advice = "it changed while it was read"
            raise Mismatch(layer.subject, "digest", advice, proof.digest, drafted)
        return proof

    def finish(self, images: Sequence[ProvenImage]) -> None:
        """Send the documents, and the links to the layers."""
        members = once(self._members_of(images))
        moved = {
            member.name: self._sent[member.blob.digest]
            for member in members
            if member.blob and member.name not in self._bodies
        }
        for member in members:
            if member.name in self._bodies:
                continue
            if member.name in moved:
                self._put(_to(member.name, moved[member.name]))
            else:
                self._put(_pointed(member, moved))
        self._give(END)
        self._is_finished = True

    def must_be_finished(self) -> None:
        """Raise where nothing more comes and `finish` was not called."""
        if not self._is_finished:
            raise StoreError("the bundle", LEFT)

    def _send(self, name: str, layer: Layer, content: Content) -> Proof:
        if self._is_broken:
            raise StoreError(layer.subject, "was sent in part, and cannot be sent again", "run again")
        self._is_broken = True
        self._give(Member(name, blob=Descriptor("", self._draft[layer.key].digest, layer.size)).header)
        proof = transfer(content, layer, self._give)
        self._give(padding(layer.size))
        self._is_broken = False
        self._sent[proof.digest] = name
        self._bodies.add(name)
        return proof

    def _put(self, member: Member) -> None:
        self._give(member.header + member.content + padding(len(member.content)))


def _to(name: str, target: str) -> Member:
    """Return a link from one member to another."""
    return link(name, posixpath.relpath(target, posixpath.dirname(name) or "."))


def _pointed(member: Member, moved: Mapping[str, str]) -> Member:
    """Return a member as it is; a link to what is a link itself leads straight to where that does.

    Podman follows one link and no second one (formats D.6).
    """
    target = posixpath.normpath(posixpath.join(posixpath.dirname(member.name), member.target))
    return replace(member, target=_to(member.name, moved[target]).target) if target in moved else member
