from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable, Iterator

import pytest

from toolkit.digest import Digest
from toolkit.errors import Mismatch
from toolkit.image import Layer, Proof
from toolkit.plumbing.streams import Stream
from toolkit.plumbing.unpacking import unpacked
from toolkit.ports import Block

TAR = b"not really a tar" * 100_000
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


def sha256(content: bytes) -> Digest:
    return Digest("sha256", hashlib.sha256(content).hexdigest())


def take(blob: bytes, layer: Layer, use: Callable[[Iterator[Block]], object]) -> tuple[Proof, object]:
    blocks: Iterator[Block] = (blob[at : at + 5000] for at in range(0, len(blob), 5000))
    return unpacked(Stream(len(blob), blocks, "blob"), layer, use)


def joined(blocks: Iterator[Block]) -> bytes:
    return b"".join(map(bytes, blocks))


@pytest.mark.parametrize("compression", PACKERS)
def test_a_layer_comes_out_decompressed_and_proven(compression: str) -> None:
    blob = PACKERS[compression](TAR)
    proof, used = take(blob, Layer("key", len(blob)), joined)
    assert used == TAR
    assert proof == Proof(sha256(blob), len(blob), sha256(TAR), compression)


@pytest.mark.parametrize("compression", PACKERS)
def test_what_is_left_unread_is_proven_too(compression: str) -> None:
    blob = PACKERS[compression](TAR)
    proof, used = take(blob, Layer("key", len(blob)), lambda blocks: len(next(blocks)) > 0)
    assert used is True
    assert (proof.digest, proof.diff_id) == (sha256(blob), sha256(TAR))


def test_each_promise_is_held_to() -> None:
    blob = gzip.compress(TAR)
    other = sha256(b"other")
    for layer in (
        Layer("key", len(blob), digest=other),
        Layer("key", len(blob), diff_id=other),
        Layer("key", len(blob) + 1),
    ):
        with pytest.raises(Mismatch, match=r"layer key: (digest|diffID|size) is .*, expected "):
            take(blob, layer, joined)


def test_other_algorithms_are_computed_where_they_are_promised() -> None:
    sha512 = Digest("sha512", hashlib.sha512(TAR).hexdigest())
    proof, _ = take(TAR, Layer("key", len(TAR), digest=sha512), joined)
    assert (proof.digest, proof.diff_id) == (sha512, sha256(TAR))
