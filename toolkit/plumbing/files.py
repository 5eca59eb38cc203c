"""Files that come to be whole or not at all.

`atomic_file`, and `staged_folder` for folders, are the only ways one of ours appears under its name:
a temporary name, fsync, rename, fsync of the folder. The temporary name is fixed for each target and
held under a lock, so that what a killed run left behind is found and removed by the next one.
"""

from __future__ import annotations

import errno
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from toolkit.errors import NoRoom, NotFound, StoreError, ToolkitError, TryAgain, UsageError
from toolkit.limits import says
from toolkit.plumbing.filelock import locked

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # what a full disk is told as
ADVICE = {
    **dict.fromkeys(FULL, "free some space and run again"),
    errno.EACCES: "check its owner and mode, or run as root",
    errno.EPERM: "check its owner and mode, or run as root",
    errno.EROFS: "the file system is mounted read-only; choose another place",
}
PATIENCE = 30.0  # seconds
PART, LOCK, OLD = ".part", ".lock", ".old"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file is touched: size, mtime, ctime (both in ns) and inode."""

    size: int
    mtime: int
    ctime: int
    inode: int

    @classmethod
    def of(cls, file: int | Path) -> Self | None:
        """Stamp a regular file; None where there is none."""
        try:
            facts = os.stat(file, **({} if isinstance(file, int) else {"follow_symlinks": False}))
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(facts.st_mode):
            return None
        return cls.of_facts(facts)

    @classmethod
    def of_facts(cls, facts: os.stat_result) -> Self:
        """Stamp what was looked at."""
        return cls(facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)

    def is_same_content(self, other: Stamp | None) -> bool:
        """Compare all but the ctime, which also changes when somebody links or unlinks another name."""
        return other is not None and replace(other, ctime=self.ctime) == self

    def to_json(self) -> list[int]:
        """Return the four numbers."""
        return [self.size, self.mtime, self.ctime, self.inode]

    @classmethod
    def from_json(cls, value: object) -> Self | None:
        """Read what `to_json` wrote; None for anything else."""
        if isinstance(value, list) and len(value) == 4 and all(type(item) is int for item in value):  # noqa: PLR2004
            return cls(*value)
        return None


@contextmanager
def storing(subject: str | Path) -> Iterator[None]:
    """Turn what the operating system refuses into one sentence about `subject`."""
    try:
        yield
    except ToolkitError:
        raise
    except FileNotFoundError as error:
        raise NotFound(str(error.filename or subject), "is not there") from error
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        kind = NoRoom if error.errno in FULL else StoreError
        raise kind(str(subject), reason, ADVICE.get(error.errno or 0, "")) from error


def fsync_folder(folder: str | Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file_system(handle: int) -> None:
    """Make the whole file system durable that holds `handle`: one call instead of one for each file."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).syncfs(handle):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder with its parents; fsync the parent so that it stays."""
    with storing(folder):
        if not folder.is_dir():
            make_folder(folder.parent)
            try:
                folder.mkdir(mode)
            except FileExistsError:
                if os.path.lexists(folder) and not folder.is_dir():  # it may come and go meanwhile
                    raise
            fsync_folder(folder.parent)


def must_be_folder(named: str, path: str, advice: str = "mount it, or make it") -> None:
    """Raise UsageError for a folder that is not there, as a medium that is not mounted; `named` by whom."""
    if not os.path.isdir(path):
        raise UsageError(f"{named} {path}", "is no folder that is there", advice)


def part_name(path: Path) -> Path:
    """Return the one temporary name that belongs to a target."""
    return path.with_name(f".{short_name(path)}{PART}")


@contextmanager
def atomic_file(path: Path, mode: int = 0o666, wait: float = math.inf) -> Iterator[int]:
    """Yield a descriptor to write; the file has its name when the block ends well, else nothing is left.

    One writer for each target: another one waits, then writes it again. Raises TryAgain after `wait` seconds.
    """
    part = part_name(path)
    with storing(path), locked(part, wait=wait) as handle:
        try:
            os.ftruncate(handle, 0)
            _give_mode(handle, mode)
            yield handle
            os.fsync(handle)
            os.replace(part, path)
            fsync_folder(path.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _give_mode(handle: int, mode: int) -> None:
    """Give a file its mode, less the umask; on a FAT that is another user's only a secret fails for that."""
    try:
        os.fchmod(handle, mode & ~_umask())
    except PermissionError:
        if not mode & stat.S_IROTH:
            raise


def write_atomically(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Put `content` under `path`, whole.

    Raises TryAgain where somebody holds its temporary name for longer than any of ours takes: in a folder
    that others write to that may be anybody.
    """
    with atomic_file(path, mode, PATIENCE) as handle:
        write_all(handle, content)


def write_all(handle: int, content: bytes | bytearray | memoryview) -> None:
    """Write every byte at the descriptor's position: one call may take fewer."""
    done = os.write(handle, content)
    if done != len(content):
        view = memoryview(content)
        while done < len(view):
            done += os.write(handle, view[done:])


def write_at(handle: int, content: bytes | bytearray | memoryview, offset: int) -> int:
    """Write every byte at `offset`; return the offset behind them."""
    view, done = memoryview(content), 0
    while done < len(view):
        done += os.pwrite(handle, view[done:], offset + done)
    return offset + done


def surely(clean: Callable[[], object]) -> None:
    """Clean up to the end, also where Ctrl-C comes just then."""
    try:
        clean()
    except KeyboardInterrupt:
        clean()
        raise


def sweep(folder: Path) -> None:
    """Remove what a killed run left half-made in `folder`; what is in use is locked, and stays."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.startswith(".") and path.name.endswith((PART, PART + LOCK)):
            is_folder = path.is_dir() and not path.is_symlink()
            lock = path.with_name(path.name + LOCK) if is_folder else path
            with suppress(TryAgain, OSError), locked(lock, wait=0):
                if is_folder:
                    remove_tree(path)
                lock.unlink(missing_ok=True)  # once: what then has the name is another's already


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes, following no link at its end; raises NotFound."""
    with storing(path):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return read_handle(handle, str(path), limit)
        finally:
            os.close(handle)


def read_handle(handle: int, subject: str, limit: int) -> bytes:
    """Read an open regular file of at most `limit` bytes."""
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        raise StoreError(subject, "is not a regular file")
    if facts.st_size > limit:
        raise StoreError(subject, f"is {facts.st_size} bytes, expected at most {limit}", says(limit))
    pieces, left = [], limit
    while left > 0 and (piece := os.read(handle, min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def short_name(path: Path) -> str:
    """Return as much of a name as leaves room for what is put around it: a name has 255 bytes at most."""
    return os.fsdecode(os.fsencode(path.name)[:200])


def _umask() -> int:
    """Read the umask without changing it for other threads (Linux 4.7)."""
    with suppress(OSError), open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022


def remove_tree(path: Path) -> None:
    """Remove a file or folder, if it is there; a link is not followed."""
    if path.is_dir() and not path.is_symlink():
        import shutil

        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
