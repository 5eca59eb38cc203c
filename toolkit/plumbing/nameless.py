"""Files without a name: whatever becomes of us, the system takes their room back.

A `Spool` keeps many contents in one such file, of which none knows how long it will be: hundreds of layers
would be more files than a process may have open.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import StoreError
from toolkit.plumbing.files import FULL, PART, storing, write_at
from toolkit.plumbing.space import require_space_in
from toolkit.plumbing.streams import Extent
from toolkit.ports import Block, Content

ELSEWHERE = "free some space there, or have TMPDIR name another folder"
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


@contextmanager
def temporary_file(owner: str) -> Iterator[int]:
    """Yield a nameless file in TMPDIR; what the system refuses there is told of it and its `owner`."""
    subject = _subject(owner)
    with nameless_file() as spool, storing(subject):
        try:
            yield spool
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise StoreError(subject, os.strerror(error.errno).lower(), ELSEWHERE) from error


def require_temporary_space(size: int, owner: str) -> None:
    """Refuse at once what cannot fit into TMPDIR; raises StoreError with the folder and figures."""
    with storing("temporary folder"):
        require_space_in(temporary_folder(), size, _subject(owner), ELSEWHERE)


def _subject(owner: str) -> str:
    return f"temporary file in {temporary_folder()} for {owner}"


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
