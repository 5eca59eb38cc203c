"""Names that some file systems take for one: of upper and lower case, of composed and decomposed letters.

Two such names of an image are two files, and one of them would be lost there (formats G.5).
"""

from __future__ import annotations

import os
from contextlib import suppress
from unicodedata import normalize

from toolkit.errors import UnsafeArchive
from toolkit.plumbing.nametable import NameTable
from toolkit.plumbing.nodes import NEW_FILE
from toolkit.plumbing.pax import shown
from toolkit.plumbing.whiteouts import WHITEOUT

TWINS = (("case", "CASE"), ("\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"))


def folds_names(folder: int) -> bool:
    """Tell whether the file system of an empty folder takes two names for one."""
    return any(_are_one(folder, WHITEOUT + one.encode(), WHITEOUT + other.encode()) for one, other in TWINS)


def _are_one(folder: int, one: bytes, other: bytes) -> bool:
    os.close(os.open(one, NEW_FILE, 0o600, dir_fd=folder))
    try:
        with suppress(FileNotFoundError):
            os.stat(other, dir_fd=folder, follow_symlinks=False)
            return True
        return False
    finally:
        os.unlink(one, dir_fd=folder)


class FoldedNames:
    """The paths of one tree so far."""

    def __init__(self) -> None:
        self._exact, self._folded = NameTable(), NameTable()

    def add(self, parts: list[bytes]) -> None:
        """Take a path and the folders on its way; raises UnsafeArchive where one is another's twin."""
        for depth in range(1, len(parts) + 1):
            path = b"/".join(parts[:depth])
            if self._exact.add(path) and not self._folded.add(_folded(path)):
                problem = f"is called like another file but for case or accents, at {shown(path)}"
                raise UnsafeArchive("", problem, "the file system takes both for one: choose another place")


def _folded(path: bytes) -> bytes:
    text = normalize("NFD", path.decode("utf-8", "surrogateescape"))
    return normalize("NFC", text.casefold()).encode("utf-8", "surrogateescape")
