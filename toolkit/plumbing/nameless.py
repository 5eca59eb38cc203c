"""Files without a name: whatever becomes of us, the system takes their room back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.plumbing.files import PART, storing


@contextmanager
def nameless_file(folder: Path | None = None) -> Iterator[int]:
    """Yield the descriptor of an empty file in `folder`, TMPDIR unless given; gone when the block ends.

    Where the file system knows no such files, it has a name for a moment, and `sweep` knows that name.
    """
    with storing(folder or "temporary folder"):
        file = tempfile.TemporaryFile(  # noqa: SIM115 - opening it fails in words of its own
            buffering=0, dir=folder, prefix=".lading-", suffix=PART
        )
    with file:
        yield file.fileno()


def temporary_folder() -> Path:
    """Return where nameless files lie that belong to no other place: TMPDIR, else /tmp."""
    with storing("temporary folder"):
        return Path(tempfile.gettempdir())
