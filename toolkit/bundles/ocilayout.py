"""What an OCI image layout holds, wherever its bytes lie (OCI image-layout.md; formats D.3.6).

    oci-layout                    {"imageLayoutVersion":"1.0.0"}
    index.json                    an index; names are annotations of its entries
    blobs/<algorithm>/<hex> …     manifests, configs, layers

Other files may lie beside them, and blobs that nothing refers to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from toolkit import mediatype
from toolkit.bundles.entries import Entries, Entry, digest_in
from toolkit.bundles.modern import Blobs, ModernImage, blob_name, gather, listed
from toolkit.digest import Digest
from toolkit.document import load
from toolkit.errors import MissingMember, NotFound, ToolkitError, UnsafeArchive, Unsupported
from toolkit.image import Finding, Image, Layer
from toolkit.latest import Latest
from toolkit.limits import limits
from toolkit.model import Descriptor
from toolkit.platform import Platform
from toolkit.plumbing.streams import Extent
from toolkit.ports import Content
from toolkit.reference import near

if TYPE_CHECKING:  # an image that is copied has none
    from toolkit.bundles.listed_referrers import ListedReferrers
    from toolkit.outline import Listing, Outline

LAYOUT, INDEX = "oci-layout", "index.json"
VERSION = "1.0.0"


class ListedImages(ABC):
    """Images whose manifests somebody lists, over blobs that lie under their digests; a Source."""

    def __init__(self, blobs: Blobs, place: str) -> None:
        self.place, self.blobs = place, blobs
        self._ids: dict[Digest, Descriptor] = {}  # image ID or manifest digest → manifest
        self._ids_of: Entries | None = None  # the list that they were looked up in
        self._latest = Latest[tuple[Descriptor, Platform | None], ModernImage]()

    @abstractmethod
    def entries(self) -> Entries:
        """Return what is listed now: the same object while nothing has changed."""

    def shown(self) -> Sequence[Entry]:
        """Return the entries that are images of their own."""
        return self.entries().listed

    def gathered(
        self, names: tuple[str, ...], top: Descriptor, platform: Platform | None = None
    ) -> ModernImage:
        """Return an image with all its documents; raises as `gather`."""
        return gather(self.blobs, names, top, platform)

    def listings(self) -> list[Listing]:
        """List named images by name, then those without one."""
        from toolkit.bundles.layout_lines import in_order, told_apart

        entries = self.shown()
        twice = Counter(name for entry in entries for name in entry.names)
        lines = [self._listing(entry, [name for name in entry.names if twice[name] > 1]) for entry in entries]
        return in_order(told_apart(lines, [entry.top.digest for entry in entries]))

    def identify(self, name: str) -> str:
        """Return the digest of the manifest or index that the name points at."""
        return str(self._find(name).top.digest)

    def platforms(self, name: str) -> Mapping[Digest, Platform | None]:
        """Return the manifests of an index, none of what is no index; raises as `identify`."""
        top = self._find(name).top
        raw = self.blobs.read(blob_name(top.digest), limits().document)
        if raw is None:
            raise MissingMember(f"blob {top.digest}", f"is not in {self.place}")
        return listed(top.check(raw), top)

    def ids(self) -> Iterator[str]:
        """Yield the digest of every manifest and index that an image is found by, and of its config."""
        entries = self.entries()
        yield from (str(entry.top.digest) for entry in entries)
        yield from map(str, self._known(entries))

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe an image by its documents."""
        from toolkit.bundles.layout_lines import outline

        return outline(self.image(name, platform))

    def image(self, name: str, platform: Platform | None = None) -> ModernImage:
        """Return an image, its documents proven: read once for names that follow each other."""
        entry = self._find(name)
        image = self._latest.get((entry.top, platform), lambda: self.gathered((), entry.top, platform))
        return image.under(entry.names)

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the digests of the image's blobs, base first."""
        return tuple(layer.key for layer in self.image(name, platform).layers)

    def layer(self, key: str) -> Layer:
        """Return one blob by its digest; what it unpacks to is not known without its image."""
        digest = digest_in(key)
        size = self.blobs.size(digest) if digest else None
        if digest is None or size is None:
            raise NotFound(f"layer {key[:150]}", f"is not in {self.place}")
        return Layer(str(digest), size, digest)

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open a blob."""
        if layer.digest is None:
            raise MissingMember(layer.subject, f"has no digest, and is not of {self.place}")
        return self.blobs.open(layer.digest, layer.size)

    def _find(self, name: str) -> Entry:
        """Return the one entry of a digest, image ID or name, with that name alone.

        A digest comes first: anything may call itself by one.
        """
        entries = self.entries()
        if (wanted := digest_in(name)) and (top := self._by_digest(entries, wanted)):
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
        return self._known(entries).get(wanted)

    def _known(self, entries: Entries) -> Mapping[Digest, Descriptor]:
        """Return the manifests by their own and by their configs' digests, looked up once for a list."""
        if self._ids_of is not entries:
            self._ids, self._ids_of = {}, entries
            for digest, image in (pair for entry in entries for pair in self._pictures(entry)):
                manifest = image.manifest
                found = Descriptor(manifest.media_type, digest, len(manifest.raw))
                self._ids.setdefault(digest, found)
                self._ids.setdefault(manifest.config.digest, found)
        return self._ids

    def _pictures(self, entry: Entry) -> Iterator[tuple[Digest, Image]]:
        """Yield the platforms of an entry; nothing of one that cannot be read."""
        try:
            offered = self.gathered((), entry.top).offered
        except ToolkitError:
            return
        by_raw = {document.raw: digest for digest, document in offered.documents.items()}
        for image in offered.images():
            yield by_raw[image.manifest.raw], image

    def _listing(self, entry: Entry, ambiguous: Sequence[str]) -> Listing:
        from toolkit.bundles.layout_lines import broken_listing, listing

        try:
            if ambiguous:
                raise UnsafeArchive(self.place, f"has {ambiguous[0]} twice, for different images")
            return listing(self.gathered(entry.names, entry.top))
        except ToolkitError as error:
            return broken_listing(entry.names, entry.top, self.blobs, error)


class OciImages(ListedImages):
    """The images of a layout: those that its index.json lists; HoldsReferrers."""

    referrers = False

    def __init__(self, blobs: Blobs, place: str) -> None:
        super().__init__(blobs, place)
        self._entries = Entries(b"")
        self._beside: ListedReferrers | None = None
        self._beside_latest = Latest[tuple[ModernImage, frozenset[str]], ModernImage]()

    def entries(self) -> Entries:
        """Return what index.json lists; raises Unsupported for no layout of ours."""
        check_layout(self.blobs, self.place)
        raw = self.blobs.read(INDEX, limits().document)
        if raw is None:
            raise MissingMember(self.place, f"has no {INDEX}")
        if raw != self._entries.raw:  # somebody may have written to it since
            self._entries = Entries.of(raw)
        return self._entries

    def image(self, name: str, platform: Platform | None = None) -> ModernImage:
        """Return an image, its documents proven."""
        image = super().image(name, platform)
        if self.referrers:
            from toolkit.bundles.referrers import accompanied
            from toolkit.bundles.refertags import repository_of

            bare, repositories = image.under(()), frozenset(map(repository_of, image.names))
            beside = self._listed_referrers().beside(repositories)
            whole = self._beside_latest.get((bare, repositories), lambda: accompanied(bare, beside))
            return whole.under(image.names)
        return image

    def gathered(
        self, names: tuple[str, ...], top: Descriptor, platform: Platform | None = None
    ) -> ModernImage:
        """Return an image with all its documents; raises as `gather`."""
        image = super().gathered(names, top, platform)
        if self.blobs.read(LAYOUT, limits().document) is not None:
            return image
        problem = f"has no {LAYOUT}, without which podman, containerd and skopeo read no layout"
        return image.noting(Finding(self.place, problem, check="archive"))

    def compression(self, layer: Layer) -> str:
        """Return how a layer is compressed, by its first bytes; empty where it is not."""
        with self.open(layer) as content:
            if isinstance(content, Extent):
                return content.compression()
        return mediatype.compression_of(layer.media_type) or ""

    def shown(self) -> Sequence[Entry]:
        """Return the entries that are images; what refers to one goes with it."""
        return self._listed_referrers().own() if self.referrers else super().shown()

    def _listed_referrers(self) -> ListedReferrers:
        from toolkit.bundles.listed_referrers import ListedReferrers

        entries = self.entries()
        if self._beside is None or self._beside.entries is not entries:
            self._beside = ListedReferrers(self.blobs, entries, self.place)
        return self._beside


def check_layout(blobs: Blobs, place: str) -> None:
    """Raise Unsupported where there is no layout of the version we read."""
    raw = blobs.read(LAYOUT, limits().document)
    if raw is None and blobs.read(INDEX, limits().document) is not None:
        return  # bazel and others forget it; the findings say so
    if raw is None:
        raise Unsupported(place, f"is no OCI image layout: it has no {LAYOUT}")
    version = load(raw, f"{LAYOUT} of {place}").get("imageLayoutVersion", str)
    if version != VERSION:
        raise Unsupported(place, f"is an OCI image layout of version {version[:50]}, expected {VERSION}")
