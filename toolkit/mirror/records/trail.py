"""Trail: the append-only log of one side, a file of lines of which each vouches for the one before."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from toolkit.errors import CorruptContent, NotFound, UsageError
from toolkit.mirror.records.chain import ADVICE, LINE_LIMIT, NOTHING, Line, Tip, merged, proven
from toolkit.plumbing.files import (
    fsync_folder,
    make_folder,
    read_bounded,
    storing,
    write_all,
    write_atomically,
)

LIMIT = 32 << 20  # bytes of a log: 50,000 lines and more
NO_FACTS: Mapping[str, str] = MappingProxyType({})


def log_name(site: str) -> str:
    """Return what the log of a site is called on a medium."""
    return f"{site}.trail.jsonl"


class Trail:
    """A log in a file, which is made with its first line. Several processes may write to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: str, time: datetime, facts: Mapping[str, str] = NO_FACTS) -> Tip:
        """Add a line, which is durable when this returns; return where the log stands.

        What a killed run left of a line goes first. Raises CorruptContent where the last line was changed.
        """
        with self._opened() as handle:
            tip, end = self._end(handle)
            line = bytes(Line(tip.lines + 1, time, event, tip.last, facts))
            if len(line) > LINE_LIMIT:
                problem = f"an event of {len(line)} bytes was to be logged, expected at most {LINE_LIMIT}"
                raise UsageError(str(self.path), problem)
            try:
                os.ftruncate(handle, end)
                os.lseek(handle, end, os.SEEK_SET)
                write_all(handle, line)
                os.fsync(handle)
            except BaseException:
                os.ftruncate(handle, end)
                raise
            return tip.after(line)

    def tip(self) -> Tip:
        """Return where the log stands, by its last line alone."""
        try:
            with storing(self.path):
                handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except NotFound:
            return Tip()
        try:
            with storing(self.path):
                return self._end(handle)[0]
        finally:
            os.close(handle)

    def raw(self) -> bytes:
        """Return the whole log as it stands, without what a killed run left of a line."""
        try:
            content = read_bounded(self.path, LIMIT)
        except NotFound:
            return b""
        return content[: content.rfind(b"\n") + 1]

    def lines(self) -> list[Line]:
        """Return the lines; raises as `proven`."""
        self.proven()
        return [Line.parse(raw, str(self.path)) for raw in self.raw().splitlines(keepends=True)]

    def proven(self, tip: Tip | None = None) -> Tip:
        """Go through the whole log; raises CorruptContent that says which line was changed."""
        return proven(self.raw().splitlines(keepends=True), str(self.path), tip)

    def take(self, came: bytes, subject: str) -> Tip:
        """Take a later copy of this log in, which travelled; an older one changes nothing.

        Raises CorruptContent where a line of it was changed, or is not the one that came before.
        """
        _must_be_log(came, subject)
        known = self.raw()
        if (whole := merged(known, came, subject)) != known:
            make_folder(self.path.parent)
            write_atomically(self.path, whole)
        return self.tip()

    def replace(self, came: bytes, subject: str) -> Tip:
        """Take another log in place of this one, which stays beside it; raises CorruptContent as `take`."""
        _must_be_log(came, subject)
        tip = self.tip()
        aside = f"{self.path.stem}-{tip.lines}-{tip.last.hex[:12]}{self.path.suffix}"
        write_atomically(self.path.with_name(aside), self.raw())
        write_atomically(self.path, came)
        return self.tip()

    @contextmanager
    def _opened(self) -> Iterator[int]:
        make_folder(self.path.parent)
        with storing(self.path):
            is_new = not self.path.exists()
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(self.path, flags, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if is_new:
                    fsync_folder(self.path.parent)
                yield handle
            finally:
                os.close(handle)

    def _end(self, handle: int) -> tuple[Tip, int]:
        """Return the tip by the last whole line, and the offset behind it."""
        size = os.fstat(handle).st_size
        start = max(0, size - 2 * LINE_LIMIT)
        tail = os.pread(handle, size - start, start)
        end = tail.rfind(b"\n") + 1
        if not end and not start:
            return Tip(0, NOTHING), 0
        last = tail[tail.rfind(b"\n", 0, max(end - 1, 0)) + 1 : end]
        if not last or len(last) > LINE_LIMIT:
            raise CorruptContent(str(self.path), "its last line is no line of a log", ADVICE)
        number = Line.parse(last, f"the last line of {self.path}").number
        return Tip(number - 1).after(last), start + end


def _must_be_log(came: bytes, subject: str) -> None:
    if len(came) > LIMIT:
        raise CorruptContent(subject, f"is {len(came)} bytes, expected at most {LIMIT}")
    proven(came.splitlines(keepends=True), subject)
