"""The bytes of a layout in a set of volumes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.bundles.modern import blob_name
from toolkit.digest import Digest
from toolkit.errors import InvalidDigest, Mismatch, MissingMember
from toolkit.limits import above
from toolkit.mirror.media.setreading import SetReader
from toolkit.ports import Content


class SetBlobs:
    """The blobs and documents of a set, as toolkit.bundles.modern.Blobs; whoever reads a blob proves it."""

    def __init__(self, reader: SetReader) -> None:
        self._reader, self._map = reader, reader.map

    def digests(self) -> Iterator[Digest]:
        """Yield what blobs there are, in the order in which they lie."""
        yield from self._map.blobs

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a document as it was proven, or a small blob, to be proven; None where there is none."""
        place = self._map.files.get(name) or self._blob(name)
        if place is None:
            return None
        offset, size = place
        if size > limit:
            raise above(f"{self._map.subject}: {name}", f"is {size} bytes", limit)
        if name in self._map.files:
            return self._reader.documents.get(name)
        with self._reader.open(offset, size) as content:
            return b"".join(map(bytes, content.blocks()))

    def size(self, digest: Digest) -> int | None:
        """Return a blob's size."""
        blob = self._map.blobs.get(digest)
        return blob.size if blob else None

    @contextmanager
    def open(self, digest: Digest, size: int) -> Iterator[Content]:
        """Open a blob; raises MissingMember, or Mismatch where it is of another size."""
        if (blob := self._map.blobs.get(digest)) is None:
            raise MissingMember(f"{self._map.subject}: blob {digest}", "is not there")
        if blob.size != size:
            raise Mismatch(f"{self._map.subject}: blob {digest}", "size", "", blob.size, size)
        with self._reader.open(blob.offset, size) as content:
            yield content

    def _blob(self, name: str) -> tuple[int, int] | None:
        """Return where a blob lies that is called as a layout calls it."""
        algorithm, _, hex_ = name.removeprefix("blobs/").partition("/")
        try:
            digest = Digest.parse(f"{algorithm}:{hex_}")
        except InvalidDigest:
            return None
        blob = self._map.blobs.get(digest) if blob_name(digest) == name else None
        return (blob.offset, blob.size) if blob else None
