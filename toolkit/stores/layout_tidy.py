"""What a delivery to a layout put there in vain, and goes again when it ends.

Blobs that came before their image was known, of which no name leads to some; and a folder that was made for
a delivery in which nothing was stored. Another delivery may count on either: so nothing goes while there is
one, and what then stays is for `collect`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from toolkit.bundles.ocilayout import INDEX, LAYOUT
from toolkit.digest import Digest
from toolkit.errors import ToolkitError
from toolkit.limits import limits
from toolkit.plumbing.folder_files import FolderFiles, must_be_folders
from toolkit.plumbing.sharedlock import alone
from toolkit.stores.folder_blobs import FolderBlobs
from toolkit.stores.layout_reach import Reach

OWN, WRITERS, STAMPS, PARTS = ".lading", "writers.lock", "stamps", "parts"
BUSY = "is being written to"


def missing(path: Path) -> list[Path]:
    """Return which of a folder and those above it are not there, the folder itself first."""
    return [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]


def let_go(path: Path, came: Collection[Digest]) -> None:
    """Remove those of these blobs that no name leads to; nothing where that cannot be known now."""
    if not came:
        return
    with suppress(ToolkitError, OSError):
        must_be_folders(path / OWN, path)
        with alone(path / OWN / WRITERS, str(path), BUSY):
            folder = FolderBlobs(path)
            index = folder.read(INDEX, limits().document)
            reach = Reach(folder, str(path)).pointers(index) if index is not None else ()
            for digest in set(came) - {pointer.digest for pointer in reach}:
                _unlink(path, f"blobs/{digest.algorithm}", digest.hex)
                _unlink(path, f"{OWN}/{STAMPS}", f"{digest.algorithm}-{digest.hex}")


def unmake(path: Path, made: Sequence[Path]) -> None:
    """Take apart a layout in which nothing is stored, and remove those folders that were made for it."""
    if os.path.lexists(path / INDEX):
        return
    with suppress(ToolkitError, OSError):  # the first folder that is not empty ends it
        must_be_folders(path / OWN, path)
        must_be_folders(path / "blobs", path)
        with alone(path / OWN / WRITERS, str(path), BUSY):
            if os.path.lexists(path / INDEX):
                return
            for name in ("blobs/sha256", "blobs", f"{OWN}/{STAMPS}", f"{OWN}/{PARTS}"):
                (path / name).rmdir()
            for name in (f"{OWN}/index.lock", LAYOUT, f"{OWN}/{WRITERS}"):
                (path / name).unlink(missing_ok=True)
            for folder in (path / OWN, *made):
                folder.rmdir()


def _unlink(path: Path, folder: str, name: str) -> None:
    with suppress(FileNotFoundError), FolderFiles(path).tree(folder) as tree:
        os.unlink(name, dir_fd=tree.handle)
