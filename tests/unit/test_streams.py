from __future__ import annotations

import gzip
import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archives import ONE, TWO, sha256
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, NotFound, StoreError, ToolkitError
from toolkit.image import Layer, Proof
from toolkit.plumbing.streams import Extent, ProvenExtent, Stream, digest_of, nowhere, opened, transfer
from toolkit.ports import Block

PACKED = gzip.compress(ONE, mtime=0)
PLAIN_DIGEST, PACKED_DIGEST = Digest.parse(sha256(ONE)), Digest.parse(sha256(PACKED))
OTHER = Digest.parse(sha256(TWO))
PLAIN = Layer("key", len(ONE), PLAIN_DIGEST, PLAIN_DIGEST)
GZIP = Layer("key", len(PACKED), PACKED_DIGEST, PLAIN_DIGEST)


class Pieces:
    """Bytes in blocks of these sizes, again and again, as Content. A block is overwritten by the next."""

    def __init__(self, raw: bytes, sizes: Sequence[int] = (1 << 20,), size: int | None = None) -> None:
        self.raw, self.sizes = raw, sizes
        self.size = len(raw) if size is None else size

    def blocks(self) -> Iterator[Block]:
        room, at = bytearray(max(self.sizes)), 0
        for size in itertools.cycle(self.sizes):
            piece = self.raw[at : at + size]
            if not piece:
                return
            room[: len(piece)] = piece
            yield memoryview(room)[: len(piece)]
            at += size


def proof_of(raw: bytes, layer: Layer, sizes: Sequence[int] = (1 << 20,)) -> Proof:
    written = bytearray()
    proof = transfer(Pieces(raw, sizes), layer, written.extend)
    assert written == raw
    return proof


# ── what passes is proven ──


def test_a_plain_layer_is_its_own_diff_id() -> None:
    assert proof_of(ONE, PLAIN) == Proof(PLAIN_DIGEST, len(ONE), PLAIN_DIGEST)
    assert proof_of(ONE, Layer("key", len(ONE))) == Proof(PLAIN_DIGEST, len(ONE), PLAIN_DIGEST)


def test_an_unknown_diff_id_of_a_compressed_layer_is_found() -> None:
    assert proof_of(PACKED, Layer("key", len(PACKED))) == Proof(
        PACKED_DIGEST, len(PACKED), PLAIN_DIGEST, "gzip"
    )


@pytest.mark.parametrize("raw", [ONE, PACKED])
def test_a_sha512_blob_has_a_sha256_diff_id(raw: bytes) -> None:
    digest = Digest("sha512", hashlib.sha512(raw).hexdigest())
    proof = proof_of(raw, Layer("key", len(raw), digest))
    assert (proof.digest, proof.diff_id) == (digest, PLAIN_DIGEST)


def test_a_layer_of_no_bytes_is_proven() -> None:
    empty = Digest("sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    assert proof_of(b"", Layer("key", 0)) == Proof(empty, 0, empty)


def test_a_known_diff_id_of_a_compressed_layer_is_proven() -> None:
    wrong = replace(GZIP, diff_id=OTHER)
    assert proof_of(PACKED, GZIP).diff_id == PLAIN_DIGEST
    with pytest.raises(Mismatch) as caught:
        proof_of(PACKED, wrong)
    assert str(caught.value) == f"layer key: diffID is {PLAIN_DIGEST}, expected {OTHER}"


@pytest.mark.parametrize(
    ("raw", "layer", "fact"),
    [
        (ONE, replace(PLAIN, digest=OTHER), "digest"),
        (ONE, replace(PLAIN, diff_id=OTHER), "diffID"),
        (ONE, replace(PLAIN, size=len(ONE) + 1), "size"),
        (PACKED, replace(GZIP, digest=OTHER), "digest"),
        (PACKED, replace(GZIP, digest=None, diff_id=None, size=1), "size"),
        (ONE[:-1] + b"x", PLAIN, "digest"),
        (ONE, replace(PLAIN, digest=Digest("sha512", "0" * 128)), "digest"),
    ],
)
def test_what_is_not_as_promised_is_a_mismatch(raw: bytes, layer: Layer, fact: str) -> None:
    with pytest.raises(Mismatch) as caught:
        proof_of(raw, layer)
    assert (caught.value.problem, caught.value.exit_code) == (fact, 5)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_layer_that_is_not_to_be_unpacked_has_the_diff_id_it_promised(algorithm: str) -> None:
    layer = replace(GZIP, digest=Digest.of(PACKED, algorithm))
    assert transfer(Pieces(PACKED), layer, nowhere, unpack=False).diff_id == PLAIN_DIGEST


def test_zeros_behind_a_gzip_are_noted() -> None:
    padded = PACKED + bytes(100)
    proof = proof_of(padded, Layer("key", len(padded), Digest.of(padded), PLAIN_DIGEST))
    assert proof.notes == ("100 zero bytes follow the compressed data; some readers refuse them",)
    assert proof_of(PACKED, GZIP).notes == ()


def test_a_cut_gzip_is_corrupt_whatever_its_digest() -> None:
    cut = PACKED[:-4]
    with pytest.raises(CorruptContent, match="layer key"):
        proof_of(cut, Layer("key", len(cut), Digest.parse(sha256(cut))))


def verdict(raw: bytes, layer: Layer, sizes: Sequence[int]) -> object:
    try:
        return transfer(Pieces(raw, sizes), layer, nowhere)
    except ToolkitError as error:
        return type(error), str(error)


@pytest.mark.property
@given(
    st.sampled_from([ONE, PACKED, ONE[:-1], PACKED[:-1], b"", b"\x1f\x8b", b"BZh9"]),
    st.sampled_from([PLAIN, GZIP, Layer("key", len(PACKED)), replace(GZIP, diff_id=OTHER)]),
    st.lists(st.integers(1, 600), min_size=1, max_size=5),
)
def test_the_verdict_does_not_depend_on_chunking(raw: bytes, layer: Layer, sizes: list[int]) -> None:
    assert verdict(raw, layer, sizes) == verdict(raw, layer, [1 << 20])


def test_a_first_block_of_one_byte_still_tells_the_compression() -> None:
    assert proof_of(PACKED, Layer("key", len(PACKED)), [1]).compression == "gzip"


def test_each_block_is_hashed_once() -> None:
    assert digest_of(iter([b"on", b"", memoryview(b"e")])) == Digest.of(b"one")


# ── where blocks come from ──


@pytest.mark.parametrize("blocks", [[b"123", b"45"], [b"12345"], [b"", b"12345", b""]])
def test_a_stream_of_the_right_size_passes(blocks: list[bytes]) -> None:
    assert b"".join(map(bytes, Stream(5, iter(blocks), "x").blocks())) == b"12345"


@pytest.mark.parametrize(
    ("blocks", "actual"),
    [([b"1234"], "4"), ([], "0"), ([b"123", b"456"], "more than 5"), ([b"123456"], "more than 5")],
)
def test_a_stream_of_another_size_is_a_mismatch(blocks: list[bytes], actual: str) -> None:
    taken: list[Block] = []
    with pytest.raises(Mismatch) as caught:
        taken.extend(Stream(5, iter(blocks), "x").blocks())
    assert str(caught.value) == f"x: size is {actual}, expected 5"
    assert sum(map(len, taken)) <= 5


def test_an_endless_stream_is_left_at_its_size() -> None:
    with pytest.raises(Mismatch, match="more than 5"):
        list(Stream(5, itertools.repeat(b"123"), "x").blocks())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(b"0123456789")
    return path


@pytest.fixture
def handle(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY)
    yield handle
    os.close(handle)


@pytest.mark.parametrize(
    ("offset", "size", "expected"), [(0, 10, b"0123456789"), (2, 3, b"234"), (10, 0, b"")]
)
def test_an_extent_is_a_range_of_its_file(handle: int, offset: int, size: int, expected: bytes) -> None:
    extent = Extent(handle, offset, size, "x")
    for _ in range(2):  # it may be read again
        assert b"".join(map(bytes, extent.blocks())) == expected
    assert extent.is_whole_file() is (size == 10)


def test_an_extent_that_ends_early_is_corrupt(handle: int) -> None:
    with pytest.raises(CorruptContent, match="x: ends after 2 bytes, expected 3; it was cut short"):
        list(Extent(handle, 8, 3, "x").blocks())


def test_an_extent_tells_its_own_compression(path: Path, handle: int) -> None:
    path.write_bytes(b"\x1f\x8b\x08" + bytes(20))
    assert Extent(handle, 0, 23, "x").compression() == "gzip"
    assert Extent(handle, 1, 22, "x").compression() == ""


def test_a_file_is_opened_as_content(tmp_path: Path, path: Path) -> None:
    with opened(str(path), "x") as content:
        assert content.is_whole_file()
        assert [bytes(block) for block in content.blocks()] == [b"0123456789"]
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(StoreError), opened(str(tmp_path / "link"), "x"):
        pass
    with pytest.raises(NotFound), opened(str(tmp_path / "missing"), "x"):
        pass


def test_a_proven_file_is_unchanged_until_it_is_touched(path: Path, handle: int) -> None:
    proof = Proof(Digest.of(b"0123456789"), 10, Digest.of(b"0123456789"))
    content = ProvenExtent(handle, proof, "x")
    assert content.unchanged()
    with open(path, "r+b") as file:
        file.write(b"x")
    os.utime(path, ns=(0, 0))
    assert not content.unchanged()
