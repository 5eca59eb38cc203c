"""The bytes of a layout in a folder."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from toolkit.bundles.modern import blob_name
from toolkit.digest import Digest
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.plumbing.streams import Extent


class FolderBlobs:
    """Blobs under `folder`/blobs, as toolkit.bundles.modern.Blobs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._files = folder, FolderFiles(folder)

    def path(self, digest: Digest) -> Path:
        """Return where a blob lies, or would; raises UnsafeArchive where a link leads out of the layout."""
        return self._files.path(blob_name(digest))

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a small file; None where there is none."""
        return self._files.read(name, limit)

    def size(self, digest: Digest) -> int | None:
        """Return a blob's size; raises UnsafeArchive where it is no regular file."""
        return self._files.size(blob_name(digest))

    def open(self, digest: Digest, size: int) -> AbstractContextManager[Extent]:
        """Open a blob; raises MissingMember, Mismatch where it is of another size, or UnsafeArchive."""
        return self._files.open(blob_name(digest), size)
