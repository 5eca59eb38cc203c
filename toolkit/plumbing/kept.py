"""What is kept of one blob on its way down: a file that grows with it, and is read first the next time.

    where in the blob it begins (8 bytes), and the blob from there on, as far as it came

What comes in the first seconds is not kept: to write a quick download down costs more than it can save.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from toolkit.errors import CorruptContent, RegistryError, StoreError, TryAgain
from toolkit.plumbing.files import write_at
from toolkit.plumbing.streams import Extent
from toolkit.ports import Block

HEAD = 8  # bytes of a number, the highest first
WORTH = 5.0  # seconds: what came in less, or would come in less at this rate, is soon fetched again
STEP = 8 << 20  # bytes that are written between two looks at the room that is left
IN_VAIN = frozenset({200, 206, 400, 405, 416, 501})  # answers of a registry that cannot go on
NEVER = float("inf")

Clock = Callable[[], float]
Opened = Callable[[int], int | None]  # opens a file with room for so many more bytes, if that can be


class Kept:
    """The bytes from `start` to `end` of a blob of `size` bytes, in a file, if `opened` gives one."""

    def __init__(self, size: int = 0, opened: Opened = lambda _: None, clock: Clock = time.monotonic) -> None:
        self.start = self.end = self._looked = 0
        self.began = 0  # where it ended when it was opened: what is before that is of an earlier run
        self.stays = False
        self._size, self._opened, self._clock, self._since = size, opened, clock, clock()
        self._handle: int | None = None

    def resume(self) -> None:
        """Open what an earlier run has kept; what is no piece of such a blob is as good as nothing."""
        with suppress(OSError):
            if (handle := self._opened(0)) is not None:
                start = int.from_bytes(os.pread(handle, HEAD, 0))
                end = start + os.fstat(handle).st_size - HEAD
                if start < end <= self._size:
                    self._handle, self.start, self.end = handle, start, end
                    self.began = self._looked = end

    def blocks(self) -> Iterator[Block]:
        """Yield the bytes from `start` to `began`; raises CorruptContent where they cannot be read."""
        subject = "what was kept of it"
        if self._handle is None:
            raise CorruptContent(subject, "is gone")
        try:
            yield from Extent(self._handle, HEAD, self.began - self.start, subject).blocks()
        except StoreError as error:
            raise CorruptContent(subject, "cannot be read") from error

    def append(self, block: Block, offset: int) -> None:
        """Keep a block from `offset` of the blob on, if that is worth it; nothing where there is no room."""
        try:
            if self._handle is None and self._is_worth_it(offset):
                self._begin(offset)
            if self._handle is not None and self.end == offset:
                self._write(self._handle, block)
        except OSError:
            self._drop()

    def settle(self, error: BaseException | None) -> bool:
        """Tell whether a failure, or none, leaves what is kept as good as before: then it stays.

        What makes no headway, beginning where an earlier run was ended, would perhaps never do.
        """
        if isinstance(error, RegistryError):
            is_good = error.status not in IN_VAIN
        elif isinstance(error, StoreError | TryAgain | OSError):
            is_good = self.end > self.began
        else:
            is_good = not isinstance(error, Exception)  # Ctrl-C, or somebody wanted the first bytes alone
        wanted = self.end > 0 if error else 0 < self.began <= self.end < self._size
        self.stays = is_good and wanted
        return is_good

    def _is_worth_it(self, done: int) -> bool:
        passed = self._clock() - self._since
        return passed >= WORTH and (self._size - done) * passed >= WORTH * done

    def _begin(self, offset: int) -> None:
        self._since = NEVER  # nobody is asked again
        if (handle := self._opened(self._size - offset)) is not None:
            if os.fstat(handle).st_size:  # ext4 writes a file out at once that was truncated to nothing
                os.ftruncate(handle, 0)
            write_at(handle, offset.to_bytes(HEAD), 0)
            self._handle, self.start, self.end, self._looked = handle, offset, offset, offset

    def _write(self, handle: int, block: Block) -> None:
        write_at(handle, block, HEAD + self.end - self.start)
        self.end += len(block)
        if self.end - self._looked >= STEP:
            self._looked = self.end
            if not has_room(handle, self._size - self.end):  # whoever takes the blob needs as much
                self._drop()

    def _drop(self) -> None:
        """Give the room back, and keep nothing any more."""
        if self._handle is not None:
            with suppress(OSError):
                os.ftruncate(self._handle, 0)
        self._handle, self._since, self.start, self.end = None, NEVER, 0, 0


def has_room(place: int | Path, size: int) -> bool:
    """Tell whether a file system has `size` bytes free."""
    facts = os.statvfs(place)
    return facts.f_bavail * facts.f_frsize >= size
