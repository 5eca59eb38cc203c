"""Partials: what came of large blobs before their downloads were ended, kept for whoever asks next.

    <folder>/<algorithm>-<hex>    a piece of a blob (toolkit.plumbing.kept); locked while it is read and grows

Nobody believes a partial: it passes through the same proof as what comes fresh, and goes where that fails.
It is only ever a help: what speaks against keeping one, a lock, a full disk, another owner, is no failure.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from toolkit.digest import Digest
from toolkit.errors import Spoiled, TryAgain
from toolkit.plumbing.filelock import locked
from toolkit.plumbing.kept import Clock, Kept, has_room

NAME = re.compile(r"sha256-[0-9a-f]{64}|sha512-[0-9a-f]{128}")
LEAST = 1 << 20  # bytes; a smaller blob is soon fetched again
MOST = 64 << 30  # bytes of all of them
WEEK = 7 * 24 * 3600  # seconds that one waits for somebody to go on with it
TRIES = 3  # another run may remove the folder that we have just made


class Partials:
    """The partials of a folder, which is there only while it holds some; without one none are kept."""

    def __init__(self, folder: Path | None = None, clock: Clock = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._made: list[Path] = []  # folders around it that were not there, the innermost first

    @contextmanager
    def keeping(self, digest: Digest, size: int) -> Iterator[Kept]:
        """Yield what is kept of a blob; it stays only where the block ends before the blob did.

        Raises Spoiled in place of any failure that may come of what an earlier run has kept, which is
        then gone: the next time all of the blob comes from where it is.
        """
        if self._folder is None or size < LEAST:
            yield Kept()
            return
        path = self._folder / f"{digest.algorithm}-{digest.hex}"
        with ExitStack() as stack:
            kept = Kept(size, lambda needed: self._opened(stack, path, kept, needed), self._clock)
            with suppress(OSError):
                make_room(path.parent, 0)
            if os.path.lexists(path):
                kept.resume()
            try:
                yield kept
            except BaseException as error:
                if not kept.settle(error) and kept.began:
                    problem = "is not what an earlier run had kept of it"
                    raise Spoiled(f"blob {digest}", problem, "that is removed: run again") from error
                raise
            kept.settle(None)

    def _opened(self, stack: ExitStack, path: Path, kept: Kept, needed: int) -> int | None:
        """Lock a blob's file and open it; None where somebody else has it, or where it cannot be."""
        for _ in range(TRIES):
            try:
                self._make(path.parent)
                stack.callback(self._tidy, path.parent)
                if not make_room(path.parent, needed):
                    return None
                handle = stack.enter_context(locked(path, wait=0))
            except FileNotFoundError:
                continue
            except (OSError, TryAgain):
                return None
            if not is_own(os.fstat(handle), stat.S_ISREG):
                return None
            os.fchmod(handle, 0o600)
            stack.callback(_leave, path, kept)
            return handle
        return None

    def _make(self, folder: Path) -> None:
        if not folder.exists():
            self._made += [above for above in folder.parents if not above.exists()]
            folder.mkdir(0o700, parents=True, exist_ok=True)

    def _tidy(self, folder: Path) -> None:
        """Remove the folder, and what was made around it, where that is empty."""
        with suppress(OSError):
            for one in (folder, *self._made):
                one.rmdir()


def remove_stray(folder: Path, is_there: Callable[[Digest], bool]) -> int:
    """Remove the partials that nobody holds of blobs that are there by now, or that nobody went on with.

    Returns their bytes; 0 where there is no folder, or it is not ours.
    """
    removed = 0
    with suppress(FileNotFoundError, PermissionError):
        if is_own(os.lstat(folder), stat.S_ISDIR):
            for mtime, size, path in list(_partials(folder)):
                is_stray = abs(time.time() - mtime) > WEEK or is_there(Digest(*path.name.split("-")))
                if is_stray and _remove_idle(path):
                    removed += size
    return removed


def make_room(folder: Path, size: int) -> bool:
    """Remove what nobody went on with for a week, and then the oldest; tell whether `size` bytes have room.

    Raises OSError where the folder is not there, or not ours.
    """
    if not is_own(os.lstat(folder), stat.S_ISDIR):
        raise PermissionError(str(folder))
    found = sorted(_partials(folder))
    total = sum(bytes_ for _, bytes_, _ in found) + size
    for mtime, bytes_, path in found:
        is_needed = total > MOST or not has_room(folder, size)
        if (is_needed or abs(time.time() - mtime) > WEEK) and _remove_idle(path):
            total -= bytes_
    return total <= MOST and has_room(folder, size)


def _leave(path: Path, kept: Kept) -> None:
    """Remove a file that we hold, but where it is to stay."""
    if not kept.stays:
        with suppress(OSError):
            path.unlink()


def is_own(facts: os.stat_result, kind: Callable[[int], bool]) -> bool:
    """Tell whether a file is of this kind, and belongs to us."""
    return kind(facts.st_mode) and facts.st_uid == os.geteuid()


def _partials(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield the mtime, the bytes and the path of every partial in a folder."""
    with os.scandir(folder) as found:
        for entry in found:
            if NAME.fullmatch(entry.name):
                with suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    yield facts.st_mtime, facts.st_size, folder / entry.name


def _remove_idle(path: Path) -> bool:
    """Remove a partial that nobody holds; tell whether it is gone."""
    with suppress(OSError, TryAgain), locked(path, wait=0):
        path.unlink()
        return True
    return False
