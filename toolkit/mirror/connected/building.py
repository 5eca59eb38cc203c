"""Building: a set as one tar, its places known before its first byte; and its bytes, proven on their way.

The tar is the bundle of the new images without the blobs that the closed side has, and says so:

    oci-layout  index.json  increment.json  …  blobs/sha256/<hex> …
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from toolkit.bundles import DEFAULT, named
from toolkit.bundles.members import Layout, Member, file, once
from toolkit.bundles.modern import Blobs, ModernImage, blob_name, gather
from toolkit.bundles.ocilayout import INDEX, LAYOUT, ListedImages
from toolkit.digest import Digest, new_hash
from toolkit.errors import CorruptContent, Mismatch, NotFound, UsageError
from toolkit.event import BlobsExpected, Tell, nobody
from toolkit.image import Layer, ProvenImage
from toolkit.limits import limits
from toolkit.mirror.connected.made import AS_THEY_ARE, Made
from toolkit.mirror.connected.narrowing import narrowed
from toolkit.mirror.records.blob import ImageBlobs
from toolkit.mirror.records.increment import FILES, INCREMENT, Increment
from toolkit.mirror.records.lock import Locked
from toolkit.model import Descriptor
from toolkit.plumbing.followed import followed
from toolkit.ports import Block


@dataclass(frozen=True, slots=True)
class Stored:
    """A locked image that is in the store: as a bundle takes it, and as a set is reckoned."""

    image: ProvenImage = field(repr=False)
    blobs: ImageBlobs


def stored(store: ListedImages, locked: Iterable[Locked], made: Made = AS_THEY_ARE) -> Iterator[Stored]:
    """Yield each locked image under its name on the closed side; its documents are read and proven.

    Raises NotFound where it is not in the store, and as `gather`.
    """
    tops = tops_of(store)
    return (stored_one(store, tops, each, made) for each in locked)


def carried(
    store: ListedImages, increment: Increment, locked: Iterable[Locked], made: Made = AS_THEY_ARE
) -> Iterator[ProvenImage]:
    """Yield the images that a set carries, one at a time; raises as `stored`."""
    new = {image.name for image in increment.new}
    return (each.image for each in stored(store, (one for one in locked if one.name in new), made))


def tops_of(store: ListedImages) -> dict[Digest, Descriptor]:
    """Return what the store lists, by digest; nothing where it was not begun, or killed as it began."""
    try:
        if store.blobs.read(LAYOUT, limits().document) is None:
            return {}
    except NotFound:
        return {}
    return {entry.top.digest: entry.top for entry in store.entries()}


def stored_one(
    store: ListedImages, tops: Mapping[Digest, Descriptor], locked: Locked, made: Made = AS_THEY_ARE
) -> Stored:
    """Return one locked image, with the platforms that are wanted of it; raises as `stored`."""
    found = found_one(store, tops, locked, made)
    return Stored(found.offered, ImageBlobs.of(locked.name, found.offered))


def found_one(
    store: ListedImages, tops: Mapping[Digest, Descriptor], locked: Locked, made: Made = AS_THEY_ARE
) -> ModernImage:
    """Return one locked image as the store has it, its layers unread; raises as `stored`."""
    digest = made.top(locked)
    if digest is None or (top := tops.get(digest)) is None:
        problem = f"is not in {store.place} as {digest or f'what is made of {locked.digest}'}"
        raise NotFound(f"image {locked.name}", problem, "fetch it first")
    found = narrowed(gather(store.blobs, (locked.name,), top), locked.narrowing)
    lost = next((finding for finding in found.lacking if finding.severity == "error"), None)
    if lost:
        raise CorruptContent(lost.subject, lost.problem, f"image {locked.name} is not whole: fetch it again")
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """A set laid out: where each of its bytes lies in the tar."""

    layout: Layout = field(repr=False)

    @classmethod
    def of(cls, increment: Increment, images: Iterable[ProvenImage], format_name: str = DEFAULT) -> Self:
        """Lay out a set of these images, of which the increment says what is new.

        Raises UsageError for a format without index.json, and where one image comes in two variants.
        """
        new = {carried.name for carried in increment.new}
        chosen = [image for image in images if new.intersection(image.names)]
        members = list(_members(increment, chosen, format_name))
        found = cls(Layout.of(members))
        inside = {digest for digest, _, _ in found.blobs}
        for blob in increment.contains:
            if blob.digest not in inside:
                problem = f"is of an image that comes twice in {increment.name}, whole and in part"
                raise UsageError(f"blob {blob.digest}", problem, "ask for the same platforms each time")
        return found

    @property
    def total(self) -> int:
        """Return the bytes of the tar."""
        return self.layout.size

    @property
    def blobs(self) -> tuple[tuple[Digest, int, int], ...]:
        """Return the digest, offset and size of each blob and document, in the order of their offsets."""
        placed = zip(self.layout.members, self.layout.bodies, strict=True)
        found = ((_digest_of(member), body, member.size) for member, body in placed)
        return tuple((digest, body, size) for digest, body, size in found if digest)

    @property
    def files(self) -> Mapping[str, tuple[int, int]]:
        """Return the offset and size of each of FILES."""
        placed = zip(self.layout.members, self.layout.bodies, strict=True)
        return {member.name: (body, member.size) for member, body in placed if member.name in FILES}

    def pieces(self, store: Blobs, tell: Tell = nobody, where: str = "a set") -> Iterator[Block]:
        """Yield the tar in order; a piece is free again when the next one is asked for.

        `tell` hears of each layer, called by its digest and where it goes: it may have come a moment ago.

        Raises Mismatch where a blob is not what it is called, MissingMember where it is not in the store.
        """
        blobs = [member.blob for member in self.layout.members if member.blob]
        layers = tuple(Layer(f"{blob.digest} in {where}", blob.size, blob.digest) for blob in blobs)
        tell(BlobsExpected(layers))
        for (_, piece), layer in zip(self.layout.pieces(), (*layers, None), strict=True):
            if piece:
                yield piece
            if layer and layer.digest:
                yield from _proven(store, layer, layer.digest, tell)


def _proven(store: Blobs, layer: Layer, digest: Digest, tell: Tell) -> Iterator[Block]:
    """Yield a blob's bytes; raises Mismatch behind the last one where they are not what it is called."""
    hash_ = new_hash(digest.algorithm)
    with store.open(digest, layer.size) as content, followed(content, layer, tell) as seen:
        for block in seen.blocks():
            hash_.update(block)
            yield block
        if (actual := hash_.hexdigest()) != digest.hex:
            advice = "the store was damaged: fetch the image again"
            raise Mismatch(f"blob {digest}", "digest", advice, f"{digest.algorithm}:{actual}", digest)


def _members(increment: Increment, images: Sequence[ProvenImage], format_name: str) -> Iterator[Member]:
    """Yield the members of the format, but those that are required, and increment.json behind index.json."""
    inside = {blob_name(blob.digest) for blob in increment.contains}
    members = _bundled(images, format_name)
    if INDEX not in {member.name for member in members}:
        layouts = "docker, oci or universal"
        raise UsageError(f"format {format_name}", "is no layout, and a set is one", f"use {layouts}")
    for member in members:
        is_blob = _digest_of(member) is not None
        if not is_blob or member.name in inside:
            yield member
        if member.name == INDEX:
            yield file(INCREMENT, bytes(increment))


def _bundled(images: Sequence[ProvenImage], format_name: str) -> Sequence[Member]:
    members_of = named(format_name).members_of
    return once(members_of(images)) if members_of else ()


def _digest_of(member: Member) -> Digest | None:
    """Return the digest of a member that is a blob, or a document among them."""
    folder, _, hex_ = member.name.rpartition("/")
    if member.kind != "file" or not folder.startswith("blobs/") or not hex_:
        return None
    return Digest.parse(f"{folder.removeprefix('blobs/')}:{hex_}")
