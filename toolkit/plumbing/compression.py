"""What a blob is compressed with, and its bytes without it (formats E.1).

Every step is bounded: whatever the input says, a piece of output is about a megabyte, and a blob that
swells beyond all proportion is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import IO, Protocol, Self, cast

from toolkit.errors import CorruptContent, Unsupported
from toolkit.limits import limits, more_than
from toolkit.plumbing.gzipheader import header_length
from toolkit.plumbing.windows import NARROW, WIDE, in_turn
from toolkit.plumbing.zstdframes import Frames
from toolkit.ports import Block

STEP = 1 << 20  # bytes of output at a time
SLICE = 128 << 10  # bytes of input at a time
BESIDE = 1 << 20  # bytes that an xz decoder has besides its window
GRACE = 1280 << 20  # bytes of output before the ratio counts: a layer that is one gibibyte of zeros passes

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
    strict: bool = True,
) -> Decompression:
    """Yield `blocks` without their compression, the checks of their format made.

    Raises CorruptContent for damaged or cut data, and for bytes after it; UnsafeArchive above `limit`
    bytes of output, those of a layer unless given, or above the other limits that hold; Unsupported for a
    compression we do not know. `strict=False` only notes bytes after the end of gzip, xz or bzip2 data.
    """
    decoding = _Decoding(compression, subject or "the content", limit, strict=strict)
    return Decompression(decoding, decoding.pieces(blocks, compression))


class Decompression:
    """The bytes, as an iterator; `notes` says, after the last, what was odd but legal.

    What decodes them knows nothing of it: it goes, with its memory, as soon as nobody wants the bytes.
    """

    def __init__(self, decoding: _Decoding, pieces: Generator[bytes, None, None]) -> None:
        self.notes, self._decoding, self._pieces = decoding.notes, decoding, pieces

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """Let the decoder go, whoever still knows of the bytes."""
        self._pieces.close()

    @property
    def consumed(self) -> int:
        """Return how many bytes of input the decoder was given."""
        return self._decoding.consumed

    @property
    def produced(self) -> int:
        """Return how many bytes of output there were."""
        return self._decoding.produced


class _Decoding:
    """One blob on its way through a decoder."""

    def __init__(self, compression: str, subject: str, limit: int | None, *, strict: bool) -> None:
        self.notes: list[str] = []
        self.consumed = self.produced = 0  # bytes of input given to the decoder, and of output
        self._subject, self._limits, self._strict = subject, limits(), strict
        self._limit = self._limits.layer if limit is None else limit
        self._streams = self._after = 0
        self._junk = False
        self._magic = MAGIC.get(compression, b"")

    def pieces(self, blocks: Iterator[Block], compression: str) -> Generator[bytes, None, None]:
        """Return the bytes; raises Unsupported for a compression that we do not know."""
        return self._guarded(self._chosen(compression, self._slices(blocks)))

    def _chosen(self, compression: str, blocks: Iterator[Block]) -> Iterator[bytes]:
        if compression == "":
            return map(bytes, blocks)
        if compression == "zstd":
            return self._zstd(blocks)
        starts = {"gzip": self._gzip, "xz": self._xz, "bzip2": _bzip2}
        if compression not in starts:
            known = ", ".join(MAGIC)
            raise Unsupported(self._subject, f"is compressed with {compression!r}, expected one of {known}")
        decoded = self._decoded(blocks, starts[compression])
        return in_turn(decoded) if compression == "xz" else decoded  # each of its blocks has its own window

    def _slices(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """Yield small slices: what a member leaves over is copied when the next one begins."""
        for block in blocks:
            view = memoryview(block)
            for at in range(0, len(view), SLICE):
                piece = view[at : at + SLICE]
                self.consumed += len(piece)
                yield piece

    def _guarded(self, pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
        ratio = self._limits.ratio
        for piece in pieces:
            self.produced += len(piece)
            if self.produced > self._limit:
                verb = "unpacks to" if self._magic else "holds"
                raise more_than(self._subject, f"{verb} more than {{}} bytes", self._limit)
            if self.produced > GRACE and self.produced > ratio * self.consumed:
                raise more_than(self._subject, "unpacks to more than {} times its size", ratio)
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
                problem = "needs more than {} bytes of memory to decompress"
                raise more_than(self._subject, problem, self._limits.window) from error
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
        if self._streams > (limit := self._limits.stream):
            raise more_than(self._subject, "has more than {} compressed streams", limit)

    def _gzip(self, data: Block) -> tuple[Decoder, Block] | None:
        from isal import igzip_lib

        head = bytes(data)
        length = header_length(head, self._subject)
        if length is None:
            return None
        return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP_NO_HDR_VER), head[length:]

    def _xz(self, data: Block) -> tuple[Decoder, Block]:
        import lzma

        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=self._limits.window + BESIDE), data

    def _zstd(self, blocks: Iterator[Block]) -> Iterator[bytes]:
        frames = Frames(self._subject)
        with ExitStack() as turn:  # let go of when the decoder, and its memory, is gone
            yield from self._unframed(_Followed(blocks, frames, turn))
        frames.finish()

    def _unframed(self, blocks: _Followed) -> Iterator[bytes]:
        from zstandard import ZstdDecompressor, ZstdError

        source = cast("IO[bytes]", blocks)  # it is asked to `read`, and nothing else
        decoder = ZstdDecompressor(max_window_size=self._limits.window)
        with decoder.stream_reader(source, read_across_frames=True, closefd=False) as reader:
            try:
                while piece := reader.read(STEP):
                    yield piece
            except ZstdError as error:
                if "too much memory" in str(error):
                    problem = "needs a zstd window of more than {} bytes"
                    raise more_than(self._subject, problem, self._limits.window) from error
                raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> CorruptContent:
        return CorruptContent(self._subject, f"its compressed data is damaged ({error})")


class _Followed:
    """Blocks as the object with `read` that zstandard asks for, each one followed as it passes.

    The `turn` of wide windows is taken before the decoder sees that it needs one.
    """

    def __init__(self, blocks: Iterator[Block], frames: Frames, turn: ExitStack) -> None:
        self._blocks, self._frames, self._turn, self._is_wide = blocks, frames, turn, False

    def read(self, size: int = -1) -> Block:  # noqa: ARG002 - a slice at a time, whatever is asked for
        block = next(self._blocks, b"")
        self._frames.feed(block)
        if self._frames.window > NARROW and not self._is_wide:
            self._is_wide = True
            self._turn.enter_context(WIDE.taken())
        return block


def _bzip2(data: Block) -> tuple[Decoder, Block]:
    import bz2

    return bz2.BZ2Decompressor(), data
