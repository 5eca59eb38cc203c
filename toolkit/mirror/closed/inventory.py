"""Inventory: what the base store of the closed side has, looked up by content alone.

Each image and blob is looked at once in a run: stamped since it was proven, else hashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from toolkit import mediatype
from toolkit.bundles.entries import Entries
from toolkit.bundles.modern import ModernImage, blob_name, gather
from toolkit.digest import Digest
from toolkit.document import load
from toolkit.errors import NotFound, ToolkitError
from toolkit.image import Layer
from toolkit.limits import limits
from toolkit.mirror.records.blob import SHORT
from toolkit.model import Descriptor, media_type_of
from toolkit.plumbing.streams import digest_of
from toolkit.stores.layout import LayoutStore


class Inventory:
    """The images and blobs of a store; it may not be there yet."""

    def __init__(self, store: LayoutStore) -> None:
        self.store = store
        self._entries: Entries | None = None
        self._listed: dict[Digest, Descriptor] = {}
        self._whole: dict[Digest, bool] = {}
        self._blobs: dict[Digest, bool] = {}
        self._shorts: frozenset[str] | None = None

    def renew(self) -> None:
        """Look again at what was not there: something was stored."""
        self._entries = self._shorts = None
        self._whole = {digest: True for digest, is_whole in self._whole.items() if is_whole}
        self._blobs = {digest: True for digest, is_there in self._blobs.items() if is_there}

    def called(self, name: str) -> Digest | None:
        """Return what a name points at; None of one that is not there, or is two images."""
        found = self._list().called(name)
        return found[0].top.digest if len(found) == 1 else None

    def top(self, digest: Digest) -> Descriptor | None:
        """Return a manifest or index by its digest, listed or not; None where there is none such."""
        self._list()
        return self._listed.get(digest) or self._unlisted(digest)

    def is_listed(self, digest: Digest) -> bool:
        """Tell whether index.json lists an image, under whatever name."""
        self._list()
        return digest in self._listed

    def is_whole(self, digest: Digest) -> bool:
        """Tell whether an image is there with all its blobs; platforms that never were, are not missed."""
        if digest not in self._whole:
            self._whole[digest] = self._is_whole(digest, self.has)
        return self._whole[digest]

    def seems_whole(self, digest: Digest) -> bool:
        """Tell the same by documents and the sizes of layers: none of these is read, and nothing written."""
        return self._is_whole(
            digest, lambda layer: layer.digest is not None and self.size(layer.digest) == layer.size
        )

    def has(self, layer: Layer) -> bool:
        """Tell whether a blob is there, and is what it is called."""
        assert layer.digest  # noqa: S101 - for the reader and mypy: a layout has no others
        if layer.digest not in self._blobs:
            self._blobs[layer.digest] = self.store.present(layer) is not None
        return self._blobs[layer.digest]

    def unheld(self, shorts: Iterable[str]) -> list[str]:
        """Return those beginnings of digests that no blob here has; whether one is sound is not asked."""
        if self._shorts is None:
            paths = (self.store.path / "blobs").glob("*/*")
            self._shorts = frozenset(path.name[:SHORT] for path in paths)
        return [each for each in shorts if each not in self._shorts]

    def is_sound(self, digest: Digest, size: int) -> bool:
        """Read a blob, and tell whether it is what it is called."""
        try:
            with self.store.folder.open(digest, size) as content:
                return digest_of(content.blocks(), digest.algorithm) == digest
        except ToolkitError:
            return False

    def size(self, digest: Digest) -> int | None:
        """Return how many bytes lie under a digest; None where there is no such blob."""
        return self.store.folder.size(digest)

    def _is_whole(self, digest: Digest, has: Callable[[Layer], bool]) -> bool:
        try:
            top = self.top(digest)
            return top is not None and _has_all(gather(self.store.folder, (), top), has)
        except ToolkitError:
            return False

    def _list(self) -> Entries:
        if self._entries is None:
            try:
                self._entries = self.store.entries()
            except NotFound:
                self._entries = Entries(b"")
            self._listed = {entry.top.digest: entry.top for entry in self._entries}
        return self._entries

    def _unlisted(self, digest: Digest) -> Descriptor | None:
        """Return a manifest that no name points at any more."""
        try:
            raw = self.store.folder.read(blob_name(digest), limits().document)
            if raw is None or Digest.of(raw, digest.algorithm) != digest:
                return None
            media_type = media_type_of(load(raw, f"blob {digest}"))
        except ToolkitError:
            return None
        if media_type not in mediatype.INDEXES | mediatype.MANIFESTS:
            return None
        return Descriptor(media_type, digest, len(raw))


def _has_all(image: ModernImage, has: Callable[[Layer], bool]) -> bool:
    is_lost = any(finding.severity == "error" for finding in image.lacking)
    return not is_lost and all(map(has, image.layers))
