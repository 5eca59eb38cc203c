"""One repository of a registry: its manifests, and of all blobs those that it links."""

from __future__ import annotations

from contextlib import AbstractContextManager

from toolkit import mediatype
from toolkit.bundles.layout_lines import broken_listing
from toolkit.bundles.modern import ModernImage, blob_name, gather
from toolkit.digest import Digest
from toolkit.document import load
from toolkit.errors import MissingMember, NotFound, ToolkitError
from toolkit.historic import HistoricImage
from toolkit.image import Layer
from toolkit.limits import limits
from toolkit.model import Descriptor, media_type_of
from toolkit.outline import Listing
from toolkit.platform import Platform
from toolkit.plumbing.streams import Extent
from toolkit.schema1 import Schema1, proven_payload
from toolkit.stores.registry_root.disk import LAYERS, REVISIONS, Disk, blob_path


class Repository:
    """Documents and blobs as one repository gives them out; for one image, and then forgotten."""

    def __init__(self, disk: Disk, name: str) -> None:
        self.disk, self.name = disk, name
        self._linked: dict[Digest, str] = {}  # how, where it is linked at all
        self._unlinked: list[Digest] = []  # asked for, there, and not linked
        self._held: dict[str, bytes] = {}  # a document that was read to find out what it is
        self._signed: dict[Digest, bytes] = {}  # manifests of schema 1, with their signatures

    def image(
        self, names: tuple[str, ...], digest: Digest, platform: Platform | None = None
    ) -> ModernImage | HistoricImage:
        """Return the image of a manifest or index.

        Raises MissingMember where a blob is not there or not linked, Mismatch, InvalidDocument,
        UnsafeArchive or Unsupported where a document is not as it should be, NotFound for a platform.
        """
        top = self.described(digest)
        if top.media_type in mediatype.SCHEMA1:
            return self._historic(names, digest, platform)
        image = self._gathered(names, top, platform)
        for blob in image.offered.blobs + tuple(document.descriptor for document in image.documents.values()):
            is_manifest = blob.media_type in mediatype.MANIFESTS | mediatype.INDEXES
            if not is_manifest and self._linked[blob.digest] != LAYERS:
                raise self._refusal(blob.digest)
        return image

    def described(self, digest: Digest) -> Descriptor:
        """Read a manifest or index and tell what it is; raises as `image`."""
        raw = self.disk.files.read(blob_path(digest), limits().document)
        if raw is None:
            raise MissingMember(f"manifest {digest}", f"is not there; repository {self.name} names it")
        if self.size(digest) is None:
            raise self._refusal(digest)
        payload = proven_payload(raw, digest)
        media_type = media_type_of(load(payload, f"manifest {digest}"))
        self._held[blob_name(digest)] = payload
        self._signed |= {digest: raw} if raw != payload else {}
        return Descriptor(media_type, digest, len(payload))

    def broken(self, digest: Digest, error: ToolkitError) -> Listing:
        """Return the line of an image that cannot be read, with the platforms that are left of an index."""
        try:
            return broken_listing((), self.described(digest), self, error)
        except ToolkitError:
            return Listing((), str(digest), problem=str(error))

    # ── as toolkit.bundles.modern.Blobs ──

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a document by the name that a layout gives it; None where it is not given out."""
        if (held := self._held.get(name)) is not None:
            return held
        algorithm, hex_ = name.split("/")[1:]
        digest = Digest(algorithm, hex_)
        return None if self.size(digest) is None else self.disk.files.read(blob_path(digest), limit)

    def size(self, digest: Digest) -> int | None:
        """Return a blob's size; None where it is not there, or not linked."""
        if (held := self._held.get(blob_name(digest))) is not None:
            return len(held)
        size = self.disk.files.size(blob_path(digest))
        if size is not None and digest not in self._linked:
            kinds = (kind for kind in (LAYERS, REVISIONS) if self.disk.links(self.name, kind, digest))
            if (kind := next(kinds, None)) is None:
                self._unlinked.append(digest)
                return None
            self._linked[digest] = kind
        return size

    def open(self, digest: Digest, size: int) -> AbstractContextManager[Extent]:
        """Open a blob."""
        return self.disk.files.open(blob_path(digest), size)

    def _gathered(self, names: tuple[str, ...], top: Descriptor, platform: Platform | None) -> ModernImage:
        try:
            return gather(self, names, top, platform)
        except MissingMember as error:
            if self._unlinked:
                raise self._refusal(self._unlinked[0]) from error
            raise

    def _historic(self, names: tuple[str, ...], digest: Digest, platform: Platform | None) -> HistoricImage:
        whole = self._signed.get(digest) or self._held[blob_name(digest)]
        schema1 = Schema1.from_bytes(whole, digest)
        own = Platform.from_node(schema1.chain[-1].node)
        if platform and own.architecture and not own.matches(platform):
            raise NotFound(f"platform {platform}", "is not in the image", f"it has {own}")
        layers = {blob: self._layer(blob) for blob in dict.fromkeys(schema1.blobs)}
        return HistoricImage(names, schema1, tuple(layers[blob] for blob in schema1.blobs))

    def _layer(self, digest: Digest) -> Layer:
        """Describe a layer of schema 1, whose compression nothing tells but its bytes."""
        if (size := self.size(digest)) is None and digest not in self._unlinked:
            raise MissingMember(f"blob {digest}", "is not there, and without it this image is not whole")
        if size is None or self._linked[digest] != LAYERS:
            raise self._refusal(digest)
        with self.open(digest, size) as extent:
            return Layer(str(digest), size, digest, media_type=mediatype.layer_type(extent.compression()))

    def _refusal(self, digest: Digest) -> MissingMember:
        problem = f"is not linked in repository {self.name}, so the registry gives it to nobody there"
        return MissingMember(f"blob {digest}", problem)
