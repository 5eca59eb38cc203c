"""The file of a bundle, opened so that it can be read at any place.

A tar that lies there plain is read where it lies. What is compressed as a whole, or comes through a pipe,
goes into a nameless temporary file (TMPDIR) first, unpacked on the way: its members are read in any order.
"""

from __future__ import annotations

import itertools
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.errors import (
    CorruptContent,
    InvalidReference,
    NotFound,
    StoreError,
    ToolkitError,
    Unsupported,
    UsageError,
)
from toolkit.limits import limits
from toolkit.plumbing.compression import decompressed, sniff
from toolkit.plumbing.files import Stamp, storing, write_all
from toolkit.plumbing.nameless import temporary_file
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.tarheader import BLOCK, is_whole, was_whole
from toolkit.plumbing.waiting import until_readable
from toolkit.ports import Block
from toolkit.reference import DEFAULT_REGISTRY, Reference

STANDARD_INPUT = "standard input"
ADVICE = "send one through a pipe, or out of a file: - < FILE"
STEP = 1 << 20  # bytes that are read of a pipe at a time, if there are so many
PIPES = (stat.S_ISFIFO, stat.S_ISSOCK, stat.S_ISCHR)  # what standard input may be beside a file


@dataclass(slots=True)
class Opened:
    """A tar that is open for reading; `close` it. As with Python's own files, nobody's is closed as well."""

    handle: int
    compression: str = ""  # of the file that was named, as a whole; empty for a plain one, and for a stream
    unpacked: Stamp | None = None  # how the file that was named stood when all of it was unpacked

    def file_stamp(self) -> Stamp | None:
        """Return how the file stood when it was unpacked, and where it lies plain, how it stands now."""
        return self.unpacked or Stamp.of(self.handle)

    def close(self) -> None:
        """Let the file go."""
        handle, self.handle = self.handle, -1
        if handle >= 0:
            os.close(handle)

    def __del__(self) -> None:
        self.close()


def opened(path: Path | None) -> Opened:
    """Open a tar, standard input where there is no path.

    Waits for who writes to a pipe. Raises NotFound, Unsupported for what is no tar, UsageError for a
    terminal, StoreError where what is unpacked does not fit, and what unpacking raises.
    """
    place = str(path) if path else STANDARD_INPUT
    try:
        with storing(place):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK) if path else _standard_input()
    except NotFound as error:
        raise replace(error, advice=_registry_hint(place)) from error
    try:
        found = _readable(handle, path, place)
    except BaseException:
        os.close(handle)
        raise
    if found.handle != handle:
        os.close(handle)
    return found


def _readable(handle: int, path: Path | None, place: str) -> Opened:
    """Return a file as it is where it is a plain tar, else the nameless one that holds what is in it."""
    if not _is_seekable_file(handle):
        _must_be_pipe(handle, path, place)
        return Opened(spooled(_arriving(handle, place), place))
    if not (compression := _compression_of(handle, place)):
        return Opened(handle)
    packed = Extent(handle, 0, os.fstat(handle).st_size, place)
    plain = _unpacked(packed.blocks(), compression, place)
    return Opened(plain, compression if path else "", Stamp.of(handle))


def not_a_bundle(place: str, phrase: str = "") -> ToolkitError:
    """Return the error that says what a file is instead of a bundle."""
    from toolkit.plumbing.filetype import describe_file

    phrase = phrase or describe_file(place)
    return Unsupported(place, f"is {phrase}, not an image bundle", _hint(place))


def _hint(place: str) -> str:
    """Return what to write instead for a folder that is a store."""
    path = Path(place)
    if (path / "oci-layout").is_file():
        return f"it is an OCI layout: oci:{place}"
    return f"it is a legacy Docker root: graph:{place}" if (path / "graph").is_dir() else ""


def _registry_hint(place: str) -> str:
    """Return the place that an image's name means: HOST/REPOSITORY:TAG, the host told by a dot or port."""
    with suppress(InvalidReference):
        reference = Reference.parse(place)
        if reference.registry != DEFAULT_REGISTRY and ":" in place.rpartition("/")[2]:
            return f"an image of a registry is docker://{place}"
    return ""


def _standard_input() -> int:
    if sys.__stdin__ is None:  # closed before we began: its number may be another file's by now
        raise StoreError(STANDARD_INPUT, "is closed", ADVICE)
    return os.dup(0)


def _is_seekable_file(handle: int) -> bool:
    """Tell a file that is to be read from its start: of standard input a part may have been read."""
    return stat.S_ISREG(os.fstat(handle).st_mode) and os.lseek(handle, 0, os.SEEK_CUR) == 0


def _must_be_pipe(handle: int, path: Path | None, place: str) -> None:
    """Raise for what no bundle comes out of: a folder, a device; a terminal, where somebody would wait."""
    if os.isatty(handle):
        raise UsageError(place, "is a terminal, expected a bundle", ADVICE)
    mode = os.fstat(handle).st_mode
    is_fit = stat.S_ISFIFO(mode) if path else stat.S_ISREG(mode) or any(kind(mode) for kind in PIPES)
    if not is_fit:
        raise not_a_bundle(place, "" if path else _described(f"/proc/self/fd/{handle}"))


def _compression_of(handle: int, place: str) -> str:
    """Return how a file is compressed, empty where it begins as a tar does; raises Unsupported."""
    with storing(place):
        first = os.pread(handle, BLOCK, 0)
    if not (compression := sniff(first)):
        _must_be_tar(first, place, lambda: _described(f"/proc/self/fd/{handle}"))
    return compression


def _arriving(handle: int, place: str) -> Iterator[Block]:
    """Yield what comes through a pipe. Before anybody writes to it, it would look as if it had ended."""
    view = memoryview(bytearray(STEP))
    while True:
        with storing(place):
            until_readable(handle)
            try:
                count = os.readv(handle, [view])
            except BlockingIOError:  # a writer is there, and has nothing yet
                continue
        if not count:
            return
        yield view[:count]


def spooled(blocks: Iterator[Block], place: str) -> int:
    """Return the descriptor of a nameless file that holds the tar which arrives in blocks; as `opened`."""
    first = bytearray()
    while len(first) < BLOCK and (block := next(blocks, None)) is not None:
        first += block
    if not first:
        raise Unsupported(place, "is empty, expected a bundle", "did the command before it fail?")
    compression = sniff(bytes(first[:BLOCK]))
    if not compression:
        _must_be_tar(first, place, lambda: _described(bytes(first)))
    return _unpacked(itertools.chain([first], blocks), compression, place)


def _unpacked(blocks: Iterator[Block], compression: str, place: str) -> int:
    """Write content without its compression to a nameless file, and return that."""
    with temporary_file(place) as spool:
        for number, block in enumerate(decompressed(blocks, compression, place, limit=limits().bundle)):
            if number == 0 and compression and len(block) >= BLOCK:
                _must_be_tar(block, place, lambda: f"{compression}-compressed data that is no tar")
            write_all(spool, block)
        return os.dup(spool)


def _must_be_tar(first: bytes | bytearray, place: str, phrase: Callable[[], str]) -> None:
    """Raise Unsupported for what does not begin as a tar does, and CorruptContent where it once did.

    A cut or empty one is for the scan.
    """
    block = bytes(first[:BLOCK])
    if len(block) == BLOCK and (is_whole(block) or not any(block)):
        return
    if len(block) == BLOCK and was_whole(block):
        raise CorruptContent(place, "begins with a damaged tar header", "the file was changed on its way")
    raise not_a_bundle(place, phrase())


def _described(what: str | bytes) -> str:
    from toolkit.plumbing.filetype import describe_file

    return describe_file(what)
