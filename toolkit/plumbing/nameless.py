"""Files without a name: whatever becomes of us, the system takes their room back.

A `Spool` keeps many contents in one such file, of which none knows how long it will be: hundreds of layers
would be more files than a process may have open.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from toolkit.plumbing.files import PART, storing, write_at
from toolkit.plumbing.streams import Extent
from toolkit.ports import Block, Content

Piece = tuple[int, int]  # where it lies, and how many bytes it has


@contextmanager
def nameless_file(folder: Path | None = None) -> Iterator[int]:
    """Yield the descriptor of an empty file in `folder`, TMPDIR unless given; gone when the block ends.

    Where the file system knows no such files, it has a name for a moment, and `sweep` knows that name.
    """
    import tempfile

    with storing(folder or "temporary folder"):
        file = tempfile.TemporaryFile(  # noqa: SIM115 - opening it fails in words of its own
            buffering=0, dir=folder, prefix=".lading-", suffix=PART
        )
    with file:
        yield file.fileno()


def temporary_folder() -> Path:
    """Return where nameless files lie that belong to no other place: TMPDIR, else /tmp."""
    import tempfile

    with storing("temporary folder"):
        return Path(tempfile.gettempdir())


class Spool:
    """Contents in the making, piece by piece, in one file; any number of threads may add and read."""

    def __init__(self, handle: int) -> None:
        self._handle, self._end = handle, 0
        self._lock = threading.Lock()

    def add(self, piece: Block) -> Piece:
        """Write a piece, and return where it lies."""
        with self._lock:
            offset = self._end
            self._end += len(piece)
        write_at(self._handle, piece, offset)
        return offset, len(piece)

    def content(self, pieces: Sequence[Piece], subject: str) -> Content:
        """Return what was added in these pieces."""
        return _Scattered([Extent(self._handle, *piece, subject) for piece in pieces])


class _Scattered:
    """Ranges of a file one after the other, as Content."""

    def __init__(self, extents: Sequence[Extent]) -> None:
        self.size, self._extents = sum(extent.size for extent in extents), extents

    def blocks(self) -> Iterator[Block]:
        """Yield them."""
        for extent in self._extents:
            yield from extent.blocks()
