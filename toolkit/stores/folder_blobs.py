"""The bytes of a layout in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from toolkit.bundles.modern import blob_name
from toolkit.digest import HEX_DIGITS, Digest
from toolkit.errors import InvalidDigest
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.plumbing.streams import Extent


class FolderBlobs:
    """Blobs under `folder`/blobs, as toolkit.bundles.modern.Blobs.

    `below` is a folder in `folder` (none, or `name/`) that has the blobs instead, and that may be no link.
    """

    def __init__(self, folder: Path, below: str = "") -> None:
        self.folder, self.below, self._files = folder, below, FolderFiles(folder)

    def digests(self) -> Iterator[Digest]:
        """Yield what the blobs are called, in order; raises UnsafeArchive where a folder is a link."""
        for algorithm in HEX_DIGITS:
            for name in self._files.names(f"{self.below}blobs/{algorithm}"):
                with suppress(InvalidDigest):
                    yield Digest.parse(f"{algorithm}:{name}")

    def path(self, digest: Digest) -> Path:
        """Return where a blob lies, or would; raises UnsafeArchive where a link leads out of the layout."""
        return self._files.path(self.below + blob_name(digest))

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a small file; None where there is none."""
        return self._files.read(self.below + name, limit)

    def size(self, digest: Digest) -> int | None:
        """Return a blob's size; raises UnsafeArchive where it is no regular file."""
        return self._files.size(self.below + blob_name(digest))

    def open(self, digest: Digest, size: int) -> AbstractContextManager[Extent]:
        """Open a blob; raises MissingMember, Mismatch where it is of another size, or UnsafeArchive."""
        return self._files.open(self.below + blob_name(digest), size)
