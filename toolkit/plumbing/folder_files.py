"""Files of a folder by their names in it. Nothing that is a link or no regular file is opened."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import Mismatch, MissingMember, NotFound, UnsafeArchive
from toolkit.plumbing.files import read_handle, storing
from toolkit.plumbing.streams import Extent

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderFiles:
    """Files below `folder`; the names come from code or from parsed digests, never from a document."""

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
        path = self.path(name)
        try:
            handle = _opened(path)
        except MissingMember:
            return None
        try:
            if (size := _file_size(handle, path)) > limit:
                raise UnsafeArchive(str(path), f"is {size} bytes, expected at most {limit}")
            with storing(path):
                return read_handle(handle, str(path), limit)
        finally:
            os.close(handle)

    def size(self, name: str) -> int | None:
        """Return a file's size, None where there is none; raises UnsafeArchive for no regular file."""
        path = self.path(name)
        try:
            with storing(path):
                facts = os.stat(path, follow_symlinks=False)
        except NotFound:
            return None
        _must_be_file(facts.st_mode, path)
        return facts.st_size

    @contextmanager
    def open(self, name: str, size: int) -> Iterator[Extent]:
        """Open a file; raises MissingMember, Mismatch where it is of another size, or UnsafeArchive."""
        path = self.path(name)
        handle = _opened(path)
        try:
            if (found := _file_size(handle, path)) != size:
                raise Mismatch(str(path), "size", "", found, size)
            yield Extent(handle, 0, size, str(path))
        finally:
            os.close(handle)


def _opened(path: Path) -> int:
    try:
        with storing(path):
            return os.open(path, READ)
    except NotFound as error:
        raise MissingMember(str(path), "is not there") from error
    except Exception as error:
        if getattr(error.__cause__, "errno", None) == errno.ELOOP:
            _must_be_file(stat.S_IFLNK, path)
        raise


def _file_size(handle: int, path: Path) -> int:
    facts = os.fstat(handle)
    _must_be_file(facts.st_mode, path)
    return facts.st_size


def must_be_folders(path: Path, top: Path) -> None:
    """Raise UnsafeArchive where a component of `path` below `top` is there and is no folder, or a link."""
    while path != top:
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            what = "a link" if path.is_symlink() else "no folder"
            raise UnsafeArchive(str(path), f"is {what}, expected a folder")
        path = path.parent


def _must_be_file(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        what = "a link" if stat.S_ISLNK(mode) else "no regular file"
        raise UnsafeArchive(str(path), f"is {what}, expected a regular file")
