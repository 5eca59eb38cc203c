"""Content compressed: cut into chunks of a fixed size, each a stream of its own, by a few threads.

What comes out depends on the content, the format and the level alone: not on the blocks it came in, nor
on the processors. So gzip is zlib's work and not isal's: isal is six times as fast, but looks for
matches in other ways on other processors (isal 1.9: three answers from four kinds of x86), and the same
layer would get another digest on another machine. zlib, libzstd, liblzma and libbz2 give the same bytes
everywhere, as long as their version stays.
"""

from __future__ import annotations

import bz2
import lzma
import threading
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from toolkit.errors import Unsupported, UsageError
from toolkit.plumbing.parallel import default_jobs
from toolkit.ports import Block

CHUNK = 4 << 20  # bytes of input
XZ_CHUNK = 2 << 20  # bytes; its encoder needs twelve times that
BUDGET = 60 << 20  # bytes for chunks in flight and encoders at work, of the 128 MiB that there are
LEVELS = {"gzip": (1, 9, 6), "zstd": (1, 22, 3), "xz": (1, 9, 6), "bzip2": (1, 9, 9)}  # least, most, usual
GZIP_FAST, GZIP_BEST = 4, 2  # what a header says of levels 1 and 9 (RFC 1952, XFL)
XZ_WIDE = 3  # the first level whose dictionary is larger than a chunk


@dataclass(frozen=True, slots=True)
class Encoder:
    """How one format packs a chunk into a whole stream; `memory` is what that takes, in bytes."""

    pack: Callable[[Block], bytes]
    memory: int
    chunk: int = CHUNK

    def jobs(self) -> int:
        """Return how many of them may work at once: the processors there are, within the budget."""
        per_chunk = 2 * self.chunk  # as it was, and packed
        return max(1, min(default_jobs(), (BUDGET - per_chunk) // (per_chunk + self.memory)))


def level_for(compression: str, level: int | None = None) -> int:
    """Return the level, the usual one unless given; raises UsageError, Unsupported for no such format."""
    if compression not in LEVELS:
        raise Unsupported(
            f"compression {compression[:50]!r}", f"is not written, expected one of {', '.join(LEVELS)}"
        )
    least, most, usual = LEVELS[compression]
    if level is not None and not least <= level <= most:
        raise UsageError(f"level {level}", f"is none of {compression}, expected {least} to {most}")
    return usual if level is None else level


def compressed(
    blocks: Iterable[Block], compression: str, level: int | None = None, jobs: int | None = None
) -> Generator[bytes, None, None]:
    """Return the content compressed, as pieces to be written one after the other.

    Gives a valid stream for no content too. Raises as `level_for`, at once, and what `blocks` raises.
    """
    compressor = Compressor(compression, level, jobs)

    def pieces() -> Generator[bytes, None, None]:
        with compressor:
            yield from compressor.compressed(blocks)

    return pieces()


class Compressor(AbstractContextManager["Compressor"]):
    """Compresses any number of contents at once with the same threads, within the same memory."""

    def __init__(self, compression: str, level: int | None = None, jobs: int | None = None) -> None:
        self.compression = compression
        self._encoder = ENCODERS[compression](level_for(compression, level)) if compression else None
        self.jobs = jobs or (self._encoder.jobs() if self._encoder else default_jobs())
        self._pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="compress")
        self._room = threading.Semaphore(
            self.jobs + 1
        )  # one is filled or written while the others are packed

    def compressed(self, blocks: Iterable[Block]) -> Generator[bytes, None, None]:
        """Yield one content compressed; as it is where the compression is none."""
        if self._encoder is None:
            yield from map(bytes, blocks)
            return
        waiting: deque[Future[bytes]] = deque()
        more = 0  # rooms beside the first, which is kept to the end: nobody who has begun waits for one
        with self._room:
            try:
                for chunk in _chunks(iter(blocks), self._encoder.chunk):
                    waiting.append(self._pool.submit(self._encoder.pack, chunk))
                    if self._room.acquire(blocking=False):
                        more += 1
                    else:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:  # somebody failed, or nobody wants them
                    future.cancel()
                for _ in range(more):
                    self._room.release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self


def _chunks(blocks: Iterator[Block], size: int) -> Iterator[Block]:
    """Yield the content in pieces of `size`, the last one smaller; an empty one where there is none."""
    chunk, filled = bytearray(size), 0
    is_first = True
    for block in blocks:
        view = memoryview(block)
        while view:
            count = min(size - filled, len(view))
            chunk[filled : filled + count] = view[:count]
            filled += count
            view = view[count:]
            if filled == size:
                yield chunk
                chunk, filled, is_first = bytearray(size), 0, False
    if filled or is_first:
        yield memoryview(chunk)[:filled]


def _gzip(level: int) -> Encoder:
    """Return gzip members without time or name, as formats F.6 has it."""
    extra = {1: GZIP_FAST, 9: GZIP_BEST}.get(level, 0)
    header = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, extra, 255])

    def pack(chunk: Block) -> bytes:
        tail = zlib.crc32(chunk).to_bytes(4, "little") + len(chunk).to_bytes(4, "little")
        return b"".join((header, zlib.compress(chunk, level, wbits=-zlib.MAX_WBITS), tail))

    return Encoder(pack, 1 << 20)


def _zstd(level: int) -> Encoder:
    """Return frames that tell their content's size and checksum."""
    from zstandard import ZstdCompressionParameters, ZstdCompressor

    facts = ZstdCompressionParameters.from_level(level, source_size=CHUNK)

    def pack(chunk: Block) -> bytes:
        packed: bytes = ZstdCompressor(level=level, write_checksum=True).compress(chunk)
        return packed

    return Encoder(pack, facts.estimated_compression_context_size() + (1 << 20))


def _xz(level: int) -> Encoder:
    """Return xz streams; a dictionary larger than a chunk would be memory for nothing."""
    wide = {"dict_size": XZ_CHUNK} if level >= XZ_WIDE else {}
    filters = [{"id": lzma.FILTER_LZMA2, "preset": level, **wide}]
    return Encoder(lambda chunk: lzma.compress(chunk, filters=filters), 12 * XZ_CHUNK, XZ_CHUNK)


def _bzip2(level: int) -> Encoder:
    return Encoder(lambda chunk: bz2.compress(chunk, level), 8 << 20)


ENCODERS: dict[str, Callable[[int], Encoder]] = {"gzip": _gzip, "zstd": _zstd, "xz": _xz, "bzip2": _bzip2}
