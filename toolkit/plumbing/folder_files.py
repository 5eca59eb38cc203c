"""Files of a folder by their names in it: walked by handle, and nothing that is a link is followed.

A store at rest may be read-only, foreign and hostile: names come from code, parsed digests and
validated IDs, and still no component of one may be a link (toolkit.plumbing.tree).
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from toolkit.errors import CorruptContent, Mismatch, MissingMember, NotFound, UnsafeArchive
from toolkit.limits import above
from toolkit.plumbing.files import Stamp, read_handle, storing
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.tree import Tree

TRIES = 5  # to open a file that others replace meanwhile
NAMES_LIMIT = 64 << 20  # bytes that the names of one folder take in memory: some 600,000 digests


class FolderFiles:
    """Files below `folder`, which may itself be reached by a link; none leads out of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return where a file lies, or would; raises UnsafeArchive where a link leads out of the folder."""
        path = self.folder / name
        with storing(path):
            must_be_folders(path.parent, self.folder)
        return path

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a small file, None where there is none; raises UnsafeArchive above `limit` bytes."""
        if (handle := self.handle(name)) is None:
            return None
        try:
            if (size := os.fstat(handle).st_size) > limit:
                raise above(self._at(name), f"is {size} bytes", limit)
            with storing(self._at(name)):
                return read_handle(handle, self._at(name), limit)
        finally:
            os.close(handle)

    def size(self, name: str) -> int | None:
        """Return a file's size, None where there is none; raises UnsafeArchive for no regular file."""
        stamp = self.stamp(name)
        return stamp.size if stamp else None

    def stamp(self, name: str) -> Stamp | None:
        """Return what changes when a file does, None where there is none; raises as `size`."""
        facts = self._facts(name)
        if facts is not None and not stat.S_ISREG(facts.st_mode):
            raise self._odd(name, facts, "regular file")
        return Stamp.of_facts(facts) if facts else None

    @contextmanager
    def open(self, name: str, size: int | None = None) -> Iterator[Extent]:
        """Open a file; raises MissingMember, Mismatch where it is not of `size`, or UnsafeArchive."""
        if (handle := self.handle(name)) is None:
            raise MissingMember(self._at(name), "is not there")
        try:
            found = os.fstat(handle).st_size
            if size not in {None, found}:
                raise Mismatch(self._at(name), "size", "", found, size)
            yield Extent(handle, 0, found, self._at(name))
        finally:
            os.close(handle)

    def handle(self, name: str) -> int | None:
        """Open a regular file for reading, None where there is none; the caller closes it.

        Raises UnsafeArchive for anything else, and CorruptContent for what is never twice the same.
        """
        for _ in range(TRIES):
            try:
                with self._top() as top:
                    return top.open_file(os.fsencode(name))[0]
            except (NotFound, CorruptContent) as error:
                if (facts := self._facts(name)) is None:
                    return None
                if not stat.S_ISREG(facts.st_mode):
                    raise self._odd(name, facts, "regular file") from error
                # it came just then, or another one took its place
        raise CorruptContent(self._at(name), "comes and goes while it is read", "let whoever writes it end")

    def names(self, name: str = "") -> list[str]:
        """Return the sorted names in a folder; none where there is no such folder.

        Raises UnsafeArchive where it is a link or no folder, or where they are too many to hold.
        """
        if not self.has_folder(name):
            return []
        with self._top() as top, storing(self._at(name)), os.scandir(top.folder(_parts(name))) as entries:
            return sorted(self._bounded(name, entries))

    def has_folder(self, name: str) -> bool:
        """Tell whether there is a folder; raises UnsafeArchive where something else has its name."""
        facts = self._facts(name)
        if facts is not None and not stat.S_ISDIR(facts.st_mode):
            raise self._odd(name, facts, "folder")
        return facts is not None

    def tree(self, name: str) -> Tree:
        """Open a folder, which the caller closes; raises MissingMember where it is not there."""
        if not self.has_folder(name):
            raise MissingMember(self._at(name), "is not there")
        with self._top() as top:
            return Tree(top.folder(_parts(name)), self._at(name))

    def _bounded(self, folder: str, entries: Iterable[os.DirEntry[str]]) -> Iterator[str]:
        left = NAMES_LIMIT
        for entry in entries:
            left -= sys.getsizeof(entry.name)
            if left < 0:
                raise UnsafeArchive(self._at(folder), f"holds names of more than {NAMES_LIMIT} bytes")
            yield entry.name

    def _facts(self, name: str) -> os.stat_result | None:
        """Return what has a name, None where nothing has; raises UnsafeArchive where a link leads there."""
        parts, facts = _parts(name), None
        with suppress(NotFound), self._top() as top:
            for count in range(len(parts) + 1):
                below = b"/".join(parts[:count])
                if (facts := top.lstat(below)) is None:
                    return None
                if count < len(parts) and not stat.S_ISDIR(facts.st_mode):
                    raise self._odd(os.fsdecode(below), facts, "folder")
        return facts

    def _top(self) -> Tree:
        with storing(self.folder):
            handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return Tree(handle, str(self.folder))
        finally:
            os.close(handle)

    def _at(self, name: str) -> str:
        return str(self.folder / name)

    def _odd(self, name: str, facts: os.stat_result, expected: str) -> UnsafeArchive:
        what = "a link" if stat.S_ISLNK(facts.st_mode) else f"no {expected}"
        return UnsafeArchive(self._at(name), f"is {what}, expected a {expected}")


def _parts(name: str) -> list[bytes]:
    """Split a name as the system told it: one that is no UTF-8 has its bytes as surrogates."""
    return [os.fsencode(part) for part in name.split("/") if part]


def must_be_folders(path: Path, top: Path) -> None:
    """Raise UnsafeArchive where a component of `path` below `top` is there and is no folder, or a link."""
    while path != top:
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            what = "a link" if path.is_symlink() else "no folder"
            raise UnsafeArchive(str(path), f"is {what}, expected a folder")
        path = path.parent
