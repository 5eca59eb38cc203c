"""A folder that nothing leads out of: paths are walked by handle, one component at a time.

No component may be a link, so a name in a hostile archive or store can neither reach outside nor be
swapped for a link between a check and its use (formats G.1, G.2: CVE-2018-15664, CVE-2025-47290).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from toolkit.errors import CorruptContent, MissingMember, UnsafeArchive
from toolkit.plumbing.files import storing

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

GONE = {
    errno.ENOENT: "is not there",
    errno.ENOTDIR: "is no folder, expected one",
    errno.ELOOP: "is a link where a file was",
    errno.ENXIO: "is a socket where a file was",  # or a device that this machine has not
}
MOVED = {*GONE, errno.EINVAL}  # what is told of a name that stands for something else than it did


def components(name: bytes, subject: str) -> list[bytes]:
    """Split a member name; raises UnsafeArchive where it is absolute, or has `..` or NUL."""
    parts = [part for part in name.split(b"/") if part and part != b"."]
    if name.startswith(b"/") or b".." in parts or b"\0" in name:
        raise UnsafeArchive(subject, f"name {name!r} leads out of its folder")
    return parts


class Tree:
    """A folder opened once. Not for several threads: it remembers the folder it was last in."""

    def __init__(self, folder: int | str | Path, subject: str = "") -> None:
        self.subject = subject or str(folder)
        with storing(self.subject):
            self.handle = os.dup(folder) if isinstance(folder, int) else os.open(folder, FOLDER)
        self._here: list[tuple[bytes, int]] = []  # the folders that lead to the last one used
        self._names: list[bytes] | None = []  # their names; None while not all are open

    def folder(self, parts: list[bytes]) -> int:
        """Return a handle on the folder at `parts`, which stays ours; raises on links."""
        here = self._here
        if parts == self._names:
            return here[-1][1] if here else self.handle
        self._names = None
        same = 0
        while same < min(len(here), len(parts)) and here[same][0] == parts[same]:
            same += 1
        while len(here) > same:
            os.close(here.pop()[1])
        for part in parts[same:]:
            parent = here[-1][1] if here else self.handle
            try:
                here.append((part, os.open(part, FOLDER, dir_fd=parent)))
            except OSError as error:
                raise self.explained(error, b"/".join(parts)) from error
        self._names = list(parts)
        return here[-1][1] if here else self.handle

    def open_file(self, name: bytes) -> tuple[int, os.stat_result]:
        """Open a regular file by its member name; the caller closes it."""
        parts = components(name, self.subject)
        if not parts:
            raise UnsafeArchive(self.subject, f"name {name!r} is no file name")
        parent = self.folder(parts[:-1])
        try:
            handle = os.open(parts[-1], FILE, dir_fd=parent)
        except OSError as error:
            raise self.explained(error, name) from error
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            os.close(handle)
            raise CorruptContent(self._at(name), "is not a regular file any more")
        return handle, facts

    def lstat(self, name: bytes) -> os.stat_result | None:
        """Return what is at `name`, or None; a link is not followed."""
        parts = components(name, self.subject)
        if not parts:
            return os.fstat(self.handle)
        try:
            return os.stat(parts[-1], dir_fd=self.folder(parts[:-1]), follow_symlinks=False)
        except (FileNotFoundError, MissingMember):
            return None
        except OSError as error:
            raise self.explained(error, name) from error

    @contextmanager
    def met(self, name: bytes) -> Iterator[None]:
        """Look at what was there a moment ago; raises CorruptContent where it is gone, or another thing."""
        try:
            yield
        except (OSError, CorruptContent) as error:
            if isinstance(error, OSError) and error.errno not in MOVED:
                raise self.explained(error, name) from error
            problem = "came and went while it was read"
            raise CorruptContent(
                self._at(name), problem, "end whoever writes there, and run again"
            ) from error

    def close(self) -> None:
        """Close every handle."""
        for _, handle in self._here:
            os.close(handle)
        self._here.clear()
        with suppress(OSError):
            os.close(self.handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _at(self, name: bytes) -> str:
        return f"{self.subject}/{name.decode(errors='backslashreplace')}"

    def explained(self, error: OSError, name: bytes) -> Exception:
        """Return what a refusal of the operating system says of a member; raises StoreError for others."""
        where = self._at(name)
        if error.errno in GONE:
            return MissingMember(where, GONE[error.errno])
        with storing(where):
            raise error
        raise AssertionError
