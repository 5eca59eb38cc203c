"""What an OCI image layout holds, wherever its bytes lie (OCI image-layout.md; formats D.3.6).

    oci-layout                    {"imageLayoutVersion":"1.0.0"}
    index.json                    an index; names are annotations of its entries
    blobs/<algorithm>/<hex> …     manifests, configs, layers

Other files may lie beside them, and blobs that nothing refers to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit import mediatype
from toolkit.bundles.entries import Entries, Entry
from toolkit.bundles.modern import Blobs, ModernImage, gather
from toolkit.digest import Digest
from toolkit.document import LIMIT, load
from toolkit.errors import MissingMember, NotFound, ToolkitError, UnsafeArchive, Unsupported
from toolkit.image import Finding, Image, Layer
from toolkit.model import Descriptor
from toolkit.platform import Platform
from toolkit.ports import Content
from toolkit.reference import near
from toolkit.synthesis import own_chain

if TYPE_CHECKING:  # an image that is copied has none
    from toolkit.outline import Listing, Outline

LAYOUT, INDEX = "oci-layout", "index.json"
LAYOUT_LIMIT = 64 << 10  # bytes
VERSION = "1.0.0"


class OciImages:
    """The images of a layout; a Source."""

    def __init__(self, blobs: Blobs, place: str) -> None:
        self.place, self.blobs = place, blobs
        self._entries = Entries(b"")
        self._ids: dict[Digest, Descriptor] | None = None  # image ID or manifest digest → manifest

    def listings(self) -> list[Listing]:
        """List named images by name, then those without one."""
        entries = self.entries()
        twice = Counter(name for entry in entries for name in entry.names)
        lines = [self._listing(entry, [name for name in entry.names if twice[name] > 1]) for entry in entries]
        ids = Counter(line.id for line in lines)
        lines = [
            line if ids[line.id] == 1 else replace(line, id=str(entry.top.digest))
            for line, entry in zip(lines, entries, strict=True)
        ]
        return sorted(lines, key=lambda line: (not line.names, line.names))

    def identify(self, name: str) -> str:
        """Return the digest of the manifest or index that the name points at."""
        return str(self._find(name).top.digest)

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe an image by its documents."""
        return outline(self.image(name, platform))

    def image(self, name: str, platform: Platform | None = None) -> ModernImage:
        """Return an image, its documents proven."""
        entry = self._find(name)
        image = gather(self.blobs, entry.names, entry.top, platform)
        if self.blobs.read(LAYOUT, LAYOUT_LIMIT) is not None:
            return image
        problem = f"has no {LAYOUT}, without which podman, containerd and skopeo read no layout"
        return replace(image, findings=(*image.findings, Finding(self.place, problem)))

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the digests of the image's blobs, base first."""
        return tuple(layer.key for layer in self.image(name, platform).layers)

    def layer(self, key: str) -> Layer:
        """Return one blob by its digest; what it unpacks to is not known without its image."""
        digest = _digest_of(key)
        size = self.blobs.size(digest) if digest else None
        if digest is None or size is None:
            raise NotFound(f"layer {key[:150]}", f"is not in {self.place}")
        return Layer(str(digest), size, digest)

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open a blob."""
        if layer.digest is None:
            raise MissingMember(f"layer {layer.key}", f"has no digest, and is not of {self.place}")
        return self.blobs.open(layer.digest, layer.size)

    def entries(self) -> Entries:
        """Return what index.json lists; raises Unsupported for no layout of ours."""
        check_layout(self.blobs, self.place)
        raw = self.blobs.read(INDEX, LIMIT)
        if raw is None:
            raise MissingMember(self.place, f"has no {INDEX}")
        if raw != self._entries.raw:  # somebody may have written to it since
            self._entries, self._ids = Entries.of(raw), None
        return self._entries

    def _find(self, name: str) -> Entry:
        """Return the one entry of a digest, image ID or name, with that name alone.

        A digest comes first: anything may call itself by one.
        """
        entries = self.entries()
        if (wanted := _digest_of(name)) and (top := self._by_digest(entries, wanted)):
            return Entry((name,) if "@" in name else (), top)
        found = entries.called(name)
        if len(found) > 1:
            both = " and ".join(str(entry.top.digest) for entry in found)
            raise UnsafeArchive(self.place, f"has {name} twice, as {both}", "ask for one by its digest")
        if found:
            return found[0]
        close = ", ".join(near(name, entries.names()))
        advice = f"near it: {close}" if close else f"run: lading ls {self.place}"
        raise NotFound(f"image {name}", f"is not in {self.place}", advice)

    def _by_digest(self, entries: Entries, wanted: Digest) -> Descriptor | None:
        """Return a top by its digest, else a manifest by its own or its config's."""
        for entry in entries:
            if entry.top.digest == wanted:
                return entry.top
        if self._ids is None:
            self._ids = {}
            for digest, image in (pair for entry in entries for pair in self._pictures(entry)):
                manifest = image.manifest
                found = Descriptor(manifest.media_type, digest, len(manifest.raw))
                self._ids.setdefault(digest, found)
                self._ids.setdefault(manifest.config.digest, found)
        return self._ids.get(wanted)

    def _pictures(self, entry: Entry) -> Iterator[tuple[Digest, Image]]:
        """Yield the platforms of an entry; nothing of one that cannot be read."""
        try:
            offered = gather(self.blobs, (), entry.top).offered
        except ToolkitError:
            return
        by_raw = {document.raw: digest for digest, document in offered.documents.items()}
        for image in offered.images():
            yield by_raw[image.manifest.raw], image

    def _listing(self, entry: Entry, ambiguous: Sequence[str]) -> Listing:
        from toolkit.outline import Listing

        try:
            if ambiguous:
                raise UnsafeArchive(self.place, f"has {ambiguous[0]} twice, for different images")
            image = gather(self.blobs, entry.names, entry.top)
            if not image.offered.images():
                return Listing(entry.names, str(entry.top.digest), size=sum(b.size for b in image.layers))
            told = outline(image)
        except ToolkitError as error:
            return Listing(entry.names, str(entry.top.digest), problem=str(error))
        is_index = entry.top.media_type in mediatype.INDEXES
        id_ = str(entry.top.digest) if is_index else told.id  # an index has as many image IDs as platforms
        return Listing(entry.names, id_, told.created, ", ".join(told.platforms), told.size)


def outline(image: ModernImage) -> Outline:
    """Describe an image; one that was a legacy image shows the layersizes that were recorded for it."""
    from toolkit.outline import modern_outline

    offered = image.offered
    picture = offered.preferred()
    if picture is None:
        raise Unsupported(f"manifest {image.top.digest}", "is an artifact, not an image")
    platforms = [str(each.config.platform) for each in offered.images()]
    told = modern_outline(image.names, picture, platforms, image.findings)
    chain = own_chain(picture) or []
    sizes = iter([layer.layersize.value for layer in chain])
    layers = [
        replace(line, size=size) if line.id and (size := next(sizes, None)) is not None else line
        for line in told.layers
    ]
    return replace(told, layers=tuple(layers), v1_ids=tuple(layer.id for layer in chain))


def check_layout(blobs: Blobs, place: str) -> None:
    """Raise Unsupported where there is no layout of the version we read."""
    raw = blobs.read(LAYOUT, LAYOUT_LIMIT)
    if raw is None and blobs.read(INDEX, LIMIT) is not None:
        return  # bazel and others forget it; the findings say so
    if raw is None:
        raise Unsupported(place, f"is no OCI image layout: it has no {LAYOUT}")
    version = load(raw, f"{LAYOUT} of {place}").get("imageLayoutVersion", str)
    if version != VERSION:
        raise Unsupported(place, f"is an OCI image layout of version {version[:50]}, expected {VERSION}")


def _digest_of(name: str) -> Digest | None:
    try:
        return Digest.parse(name.rpartition("@")[2])
    except ToolkitError:
        return None
