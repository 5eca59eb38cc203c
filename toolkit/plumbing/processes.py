"""Other processes of this machine, as far as /proc tells of them (proc(5)); nothing is changed by looking.

A path that a process has open is told as its own mount namespace has it: it may be no path of ours,
or one where something else lies. Folders are therefore compared by device and inode, looked up where
the process lives.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

PROC = "/proc"
NAME_LENGTH = 15  # bytes of a name that the kernel keeps (TASK_COMM_LEN, without its NUL)
WORDS_LIMIT = 64 << 10  # bytes of a command line that are read
LOOKS = 10_000  # folders that are looked at for one process; an engine has some hundreds

Inode = tuple[int, int]  # device and inode number: what a folder is, whatever leads there


def inode(path: str | os.PathLike[str]) -> Inode | None:
    """Return what a path leads to, following links; None where nothing is, or we may not look."""
    with suppress(OSError, ValueError):
        facts = os.stat(path)
        return facts.st_dev, facts.st_ino
    return None


@dataclass(frozen=True)
class Process:
    """A process that was there a moment ago: once it is gone, there is nothing to be seen of it."""

    pid: int
    name: str  # at most NAME_LENGTH bytes

    @classmethod
    def named(cls, names: Collection[str]) -> Iterator[Process]:
        """Yield the processes of these names, other than ourselves, in no order.

        A name is read first, and of other processes nothing else: a thousand cost 10 to 30 ms.
        """
        wanted = {name[:NAME_LENGTH] for name in names}
        with suppress(OSError):  # no /proc: then nobody is seen
            for entry in os.listdir(PROC):
                if entry.isdigit() and int(entry) != os.getpid() and _name(entry) in wanted:
                    yield cls(int(entry), _name(entry))

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Return the process of this number; None where there is none, or it cannot be seen from here."""
        name = _name(str(pid)) if pid > 0 else ""
        return cls(pid, name) if name else None

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"

    @cached_property
    def words(self) -> list[str]:
        """The command line; empty where there is none."""
        with suppress(OSError), open(f"{PROC}/{self.pid}/cmdline", "rb") as file:
            return [os.fsdecode(word) for word in file.read(WORDS_LIMIT).split(b"\0")[:-1]]
        return []

    @cached_property
    def paths(self) -> list[str] | None:
        """The folder it is in, its root and its open files, as it has them; None where we may not look."""
        own = f"{PROC}/{self.pid}"
        try:
            links = [
                f"{own}/cwd",
                f"{own}/root",
                *(f"{own}/fd/{number}" for number in os.listdir(f"{own}/fd")),
            ]
        except OSError:
            return None
        return sorted({path for path in map(_target, links) if path.startswith("/")})

    def below(self, folder: Inode) -> str:
        """Return a path that it has open in `folder` or below; empty where it has none, or none is seen.

        Anybody can call a process dockerd, and have it hold files in a million deep folders: LOOKS is all.
        """
        elsewhere: set[str] = set()
        for path in self.paths or ():
            above = path
            while above not in elsewhere:
                if len(elsewhere) == LOOKS:
                    return ""
                if self.sees(above) == folder:
                    return path
                elsewhere.add(above)
                above = above.rpartition("/")[0] or "/"
        return ""

    def sees(self, path: str) -> Inode | None:
        """Return what a path of its own leads to; one that is not absolute begins where it is now."""
        if not path.startswith("/"):
            return inode(f"{PROC}/{self.pid}/cwd/{path}")
        return inode(self._view + path)

    @cached_property
    def _view(self) -> str:
        """What leads to its paths: nothing in our own mount namespace, where even a chroot is told whole."""
        theirs = inode(f"{PROC}/{self.pid}/ns/mnt")
        return "" if theirs in {None, inode(f"{PROC}/self/ns/mnt")} else f"{PROC}/{self.pid}/root"


def _name(pid: str) -> str:
    with suppress(OSError):
        handle = os.open(f"{PROC}/{pid}/comm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.fsdecode(os.read(handle, NAME_LENGTH + 1)).removesuffix("\n")
        finally:
            os.close(handle)
    return ""


def _target(link: str) -> str:
    with suppress(OSError):
        return os.readlink(link)
    return ""
