"""What a blob is compressed with, and its bytes without it (formats E.1).

Every step is bounded: whatever the input says, a piece of output is about a megabyte, and a blob that
swells beyond all proportion is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Protocol, Self, cast

from toolkit.errors import CorruptContent, UnsafeArchive, Unsupported
from toolkit.plumbing.gzipheader import header_length
from toolkit.plumbing.zstdframes import Frames
from toolkit.ports import Block

STEP = 1 << 20  # bytes of output at a time
SLICE = 128 << 10  # bytes of input at a time
MEMORY = 96 << 20  # bytes for an xz decoder; `xz -9` needs 65 MiB
WINDOW = 128 << 20  # bytes of a zstd window; `zstd --long` without a number needs them
RATIO, GRACE = 1000, 64 << 20  # output to input, from so many bytes of output on (formats G.6)
MAX_STREAMS = 100_000  # gzip members, xz or bzip2 streams in one blob (formats G.5)

MAGIC = {"gzip": b"\x1f\x8b\x08", "xz": b"\xfd7zXZ\x00", "bzip2": b"BZh", "zstd": b"\x28\xb5\x2f\xfd"}
BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")  # a first block, or the end of an empty stream
COMPRESSIONS = ("", *MAGIC)


class Decoder(Protocol):
    """What the decoders of bz2, lzma and isal have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether it has given all that its input holds."""

    @property
    def unused_data(self) -> bytes:
        """The input after the end of the stream."""

    def decompress(self, data: Block, max_length: int) -> bytes:
        """Take input in and return up to `max_length` bytes."""


def sniff(first: bytes) -> str:
    """Name the compression of bytes that begin so: "", gzip, zstd, xz or bzip2. Ten bytes are enough."""
    if first[1:4] == b"\x2a\x4d\x18" and first[0] >> 4 == 5:  # noqa: PLR2004 - zstd's skippable frame
        return "zstd"
    for name, magic in MAGIC.items():
        if first.startswith(magic) and (name != "bzip2" or _is_bzip2(first)):
            return name
    return ""


def _is_bzip2(first: bytes) -> bool:
    """Tell bzip2 from a tar whose first name begins with BZh."""
    return first[3:4] in b"123456789" and any(block.startswith(first[4:10]) for block in BZIP2_BLOCKS)


def decompressed(
    blocks: Iterator[Block],
    compression: str,
    subject: str = "",
    *,
    limit: int | None = None,
    ratio: int = RATIO,
    strict: bool = True,
) -> Decompression:
    """Yield `blocks` without their compression, the checks of their format made.

    Raises CorruptContent for damaged or cut data, and for bytes after it; UnsafeArchive above `limit`
    bytes of output, or `ratio` times the input; Unsupported for a compression we do not know.
    `strict=False` only notes bytes after the end of gzip, xz or bzip2 data.
    """
    return Decompression(blocks, compression, subject or "the content", limit, ratio, strict=strict)


class Decompression:
    """The bytes, as an iterator; `notes` says, after the last, what was odd but legal."""

    def __init__(
        self, blocks: Iterator[Block], compression: str, subject: str, limit: int | None, ratio: int,
        *, strict: bool,
    ) -> None:  # fmt: skip
        self.notes: list[str] = []
        self.consumed = 0  # bytes of input given to the decoder
        self.produced = 0  # bytes of output
        self._subject, self._limit, self._ratio, self._strict = subject, limit, ratio, strict
        self._streams = self._after = 0
        self._junk = False
        self._magic = MAGIC.get(compression, b"")
        self._pieces = self._guarded(self._chosen(compression, self._slices(blocks)))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def _chosen(self, compression: str, blocks: Iterator[Block]) -> Iterator[bytes]:
        if compression == "":
            return map(bytes, blocks)
        if compression == "zstd":
            return self._zstd(blocks)
        starts = {"gzip": self._gzip, "xz": _xz, "bzip2": _bzip2}
        if compression not in starts:
            known = ", ".join(MAGIC)
            raise Unsupported(self._subject, f"is compressed with {compression!r}, expected one of {known}")
        return self._decoded(blocks, starts[compression])

    def _slices(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """Yield small slices: what a member leaves over is copied when the next one begins."""
        for block in blocks:
            view = memoryview(block)
            for at in range(0, len(view), SLICE):
                piece = view[at : at + SLICE]
                self.consumed += len(piece)
                yield piece

    def _guarded(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.produced += len(piece)
            if self._limit is not None and self.produced > self._limit:
                raise UnsafeArchive(self._subject, f"unpacks to more than {self._limit} bytes, its limit")
            if self.produced > GRACE and self.produced > self._ratio * self.consumed:
                problem = f"unpacks to more than {self._ratio} times its size"
                raise UnsafeArchive(self._subject, problem, "it looks like a decompression bomb")
            yield piece
        if self._after:
            what = "bytes" if self._junk else "zero bytes"
            self.notes.append(f"{self._after} {what} follow the compressed data; some readers refuse them")

    def _decoded(
        self, blocks: Iterator[Block], start: Callable[[Block], tuple[Decoder, Block] | None]
    ) -> Iterator[bytes]:
        """Yield one stream after the other; `start` makes a decoder and says what it is to be given."""
        decoder: Decoder | None = None
        data: Block = b""
        for block in blocks:
            data = bytes(data) + block if data else block
            while data or (decoder is not None and not decoder.needs_input):
                if decoder is None:
                    if self._is_after_the_end(data):
                        data = b""
                    if not data or (begun := start(data)) is None:
                        data = bytes(data)  # its block is gone when the next one comes
                        break
                    decoder, data = begun
                    self._count_stream()
                piece = self._step(decoder, data)
                data = b""
                if decoder.eof:
                    data, decoder = decoder.unused_data, None
                if piece:
                    yield piece
        if decoder is not None or data or not self._streams:
            raise CorruptContent(self._subject, "ends amid its compressed data", "it was cut short")

    def _step(self, decoder: Decoder, data: Block) -> bytes:
        try:
            return decoder.decompress(data, STEP)
        except Exception as error:  # each decoder has its own classes, one of them OSError
            if "Memory usage limit" in str(error):
                problem = f"needs more than {MEMORY} bytes of memory to decompress"
                raise UnsafeArchive(self._subject, problem) from error
            raise self._damaged(error) from error

    def _is_after_the_end(self, data: Block) -> bool:
        """Tell padding and junk, after whole streams, from the start of another stream."""
        if not self._streams:
            return False
        if self._after or data[0] != self._magic[0]:
            self._after += len(data)
            self._junk = self._junk or bool(bytes(data).strip(b"\0"))
        if self._junk and self._strict:
            problem = "has bytes after the end of its compressed data, which readers treat differently"
            raise CorruptContent(self._subject, problem)
        return self._after > 0

    def _count_stream(self) -> None:
        self._streams += 1
        if self._streams > MAX_STREAMS:
            raise UnsafeArchive(self._subject, f"has more than {MAX_STREAMS} compressed streams")

    def _gzip(self, data: Block) -> tuple[Decoder, Block] | None:
        from isal import igzip_lib

        head = bytes(data)
        length = header_length(head, self._subject)
        if length is None:
            return None
        return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP_NO_HDR_VER), head[length:]

    def _zstd(self, blocks: Iterator[Block]) -> Iterator[bytes]:
        from zstandard import ZstdDecompressor, ZstdError

        frames = Frames(self._subject)
        source = cast("IO[bytes]", _Followed(blocks, frames))  # it is asked to `read`, and nothing else
        decoder = ZstdDecompressor(max_window_size=WINDOW)
        with decoder.stream_reader(source, read_across_frames=True, closefd=False) as reader:
            try:
                while piece := reader.read(STEP):
                    yield piece
            except ZstdError as error:
                if "too much memory" in str(error):
                    problem = f"needs a zstd window of more than {WINDOW} bytes"
                    raise UnsafeArchive(self._subject, problem) from error
                raise self._damaged(error) from error
        frames.finish()

    def _damaged(self, error: Exception) -> CorruptContent:
        return CorruptContent(self._subject, f"its compressed data is damaged ({error})")


class _Followed:
    """Blocks as the object with `read` that zstandard asks for, each one followed as it passes."""

    def __init__(self, blocks: Iterator[Block], frames: Frames) -> None:
        self._blocks, self._frames = blocks, frames

    def read(self, size: int = -1) -> Block:  # noqa: ARG002 - a slice at a time, whatever is asked for
        block = next(self._blocks, b"")
        self._frames.feed(block)
        return block


def _xz(data: Block) -> tuple[Decoder, Block]:
    import lzma

    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MEMORY), data


def _bzip2(data: Block) -> tuple[Decoder, Block]:
    import bz2

    return bz2.BZ2Decompressor(), data
