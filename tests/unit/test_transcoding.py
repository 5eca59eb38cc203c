"""Layers packed anew: proven by the way, each once, and gone when the block ends."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import cast

import pytest
import zstandard

from tests.archives import EMPTY, ONE, TWO, sha256, tar
from tests.descriptors import open_descriptors
from tests.follow import read
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, StoreError, UsageError
from toolkit.event import Event
from toolkit.image import Layer
from toolkit.operations.transcoding import Transcoder
from toolkit.ports import Block, Content, Source

LARGE = tar({"noise": hashlib.shake_128(b"1").digest(3 << 19), "zeros": bytes(7 << 19)})


def zstd_reads(packed: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed), read_across_frames=True) as reader:
        return reader.read()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
READ: dict[str, Callable[[bytes], bytes]] = {"": bytes, "gzip": gzip.decompress, "zstd": zstd_reads}


class Bytes:
    """Content in memory."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.size = raw, len(raw)

    def blocks(self) -> Iterator[Block]:
        for at in range(0, self.size, 1 << 20):
            yield self.raw[at : at + (1 << 20)]


class Shelf:
    """Just enough of a source: layers by key, and how often each was opened to be read in full."""

    place = "shelf"

    def __init__(self, **raws: bytes) -> None:
        self.raws = raws

    def open(self, layer: Layer) -> nullcontext[Content]:
        return nullcontext(Bytes(self.raws[layer.key]))

    def layers(self, plain: bytes | None = None) -> list[Layer]:
        diff_id = Digest.of(plain) if plain is not None else None
        return [Layer(key, len(raw), Digest.of(raw), diff_id) for key, raw in self.raws.items()]

    @contextmanager
    def packed(self, compression: str, level: int | None = None) -> Iterator[Transcoder]:
        with Transcoder(cast("Source", self), compression, level) as transcoder:
            yield transcoder


def content_of(content: Content) -> bytes:
    return b"".join(map(bytes, content.blocks()))


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that is empty before and after, and no descriptor or thread that stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = open_descriptors()
    threads = threading.active_count()
    yield tmp_path
    assert os.listdir(tmp_path) == []
    assert open_descriptors() == before
    assert threading.active_count() == threads


@pytest.mark.parametrize("before", PACK)
@pytest.mark.parametrize("after", READ)
@pytest.mark.parametrize("plain", [EMPTY, ONE, LARGE], ids=["empty", "small", "large"])
def test_every_compression_becomes_every_other(before: str, after: str, plain: bytes) -> None:
    shelf = Shelf(a=PACK[before](plain))
    with shelf.packed(after) as transcoder:
        found = transcoder.transcoded(shelf.layers(plain))
        if before == after:
            assert found == {}
            return
        new = found["a"]
        raw = content_of(new.content)
    assert READ[after](raw) == plain
    assert (new.layer.digest, new.layer.size, new.layer.diff_id) == (
        Digest.of(raw),
        len(raw),
        Digest.of(plain),
    )
    assert new.layer.key == str(new.digest) == sha256(raw)
    assert new.descriptor.media_type == f"application/vnd.oci.image.layer.v1.tar{'+' if after else ''}{after}"


def test_a_diff_id_that_nobody_told_is_found() -> None:
    shelf = Shelf(a=ONE)
    with shelf.packed("gzip") as transcoder:
        (new,) = transcoder.transcoded([Layer("a", len(ONE))]).values()
    assert new.layer.diff_id == Digest.of(ONE)


def test_many_layers_take_no_more_than_one_file() -> None:
    shelf = Shelf(**{f"l{number}": tar({str(number): b"x"}) for number in range(100)})
    before = open_descriptors()
    with shelf.packed("gzip") as transcoder:
        found = transcoder.transcoded(shelf.layers())
        assert open_descriptors() == before + 1
        assert {key: gzip.decompress(content_of(one.content)) for key, one in found.items()} == shelf.raws


def test_each_layer_is_made_once() -> None:
    shelf = Shelf(a=ONE, b=TWO, c=gzip.compress(ONE))
    with shelf.packed("gzip") as transcoder:
        first = transcoder.transcoded(shelf.layers()[:1])
        both = transcoder.transcoded([*shelf.layers(), *shelf.layers()])
        assert both.keys() == {"a", "b"}
        assert both["a"] is first["a"]


def test_a_level_is_heeded() -> None:
    text = tar({"text": b"".join(b"%d " % (number * number) for number in range(100_000))})
    shelf, sizes = Shelf(a=text), []
    for level in (1, 9):
        with shelf.packed("gzip", level) as transcoder:
            sizes.append(transcoder.transcoded(shelf.layers())["a"].layer.size)
    assert sizes[1] < sizes[0]
    with pytest.raises(UsageError, match="level 10: is none of gzip, expected 1 to 9"):
        Transcoder(cast("Source", shelf), "gzip", 10)


def test_a_wrong_blob_is_refused() -> None:
    shelf = Shelf(a=ONE)
    with shelf.packed("zstd") as transcoder, pytest.raises(Mismatch, match="layer a: digest is"):
        transcoder.transcoded([Layer("a", len(ONE), Digest.of(TWO))])


def test_a_wrong_diff_id_is_refused() -> None:
    packed = gzip.compress(ONE)
    shelf = Shelf(a=packed)
    with shelf.packed("zstd") as transcoder, pytest.raises(Mismatch, match="layer a: diffID is"):
        transcoder.transcoded([Layer("a", len(packed), Digest.of(packed), Digest.of(TWO))])


def test_damaged_compression_is_refused() -> None:
    packed = gzip.compress(ONE)[:-1]
    shelf = Shelf(a=packed)
    with shelf.packed("zstd") as transcoder, pytest.raises(CorruptContent, match="layer a: ends amid"):
        transcoder.transcoded([Layer("a", len(packed), Digest.of(packed))])


def test_a_failure_ends_the_work_on_other_layers() -> None:
    read = threading.Event()

    class Endless(Shelf):
        """Layer `a` goes on for ever, layer `b` fails once that has begun."""

        def open(self, layer: Layer) -> nullcontext[Content]:
            return nullcontext(Forever(read) if layer.key == "a" else Late(read))

    with (
        Endless(a=ONE, b=ONE).packed("gzip", 1) as transcoder,
        pytest.raises(CorruptContent, match="b: ends"),
    ):
        transcoder.transcoded([Layer("a", 2), Layer("b", 1)])


class Forever(Bytes):
    def __init__(self, begun: threading.Event) -> None:
        super().__init__(bytes(1 << 20))
        self.begun = begun

    def blocks(self) -> Iterator[Block]:
        while True:
            yield self.raw
            self.begun.set()


class Late(Bytes):
    def __init__(self, gate: threading.Event) -> None:
        super().__init__(bytes(1 << 20))
        self.gate = gate

    def blocks(self) -> Iterator[Block]:
        yield self.raw
        self.gate.wait(30)
        raise CorruptContent("b", "ends early")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_temporary_folder_that_is_full_is_one_sentence(temporary: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", temporary], check=True)
    try:
        shelf = Shelf(a=LARGE)
        with shelf.packed("gzip") as transcoder, pytest.raises(StoreError) as refused:
            transcoder.transcoded(shelf.layers())
        assert str(refused.value).startswith(
            f"temporary file in {temporary} for layer a: no space left on device"
        )
    finally:
        subprocess.run(["umount", temporary], check=True)


def test_progress_counts_the_old_bytes_apart_from_the_new() -> None:
    told: list[Event] = []
    shelf = Shelf(a=ONE, b=TWO)
    with Transcoder(cast("Source", shelf), "zstd", None, told.append) as transcoder:
        transcoder.transcoded(shelf.layers())
    assert told[0].facts() == {"blobs": 2, "size": len(ONE) + len(TWO)}
    assert read(told) == {"zstd:a": len(ONE), "zstd:b": len(TWO)}
