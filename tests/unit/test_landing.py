from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, docker_item, encode, image, layout, sha256, tar
from tests.conformance import proven
from toolkit.bundles import open_arriving
from toolkit.bundles.landing import landed
from toolkit.errors import CorruptContent, Mismatch
from toolkit.image import Layer, Proof
from toolkit.operations.copy import copy
from toolkit.plumbing.streams import transfer
from toolkit.ports import Block, Content
from toolkit.stores.layout import LayoutStore

LARGE = 4 << 20  # bytes; a member above it is no document
BIG = tar({"random": os.urandom(LARGE)})
APP = image(ONE, BIG)
V1_2 = {
    "config.json": APP.config,
    "1/layer.tar": ONE,
    "2/layer.tar": BIG,
    "manifest.json": encode(
        [{"Config": "config.json", "RepoTags": ["app:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]
    ),
}
ARCHIVES = {
    "docker-v1.2": tar(V1_2),
    "docker": tar({**layout(("app:1", APP)), "manifest.json": encode([docker_item(APP, "app:1")])}),
}


def blocks(raw: bytes, size: int = 100_000) -> Iterator[Block]:
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


class Taken:
    """What landed, by its layer."""

    def __init__(self) -> None:
        self.content: dict[Layer, bytes] = {}

    def __call__(self, layer: Layer, content: Content, /) -> Proof:
        found = bytearray()
        proof = transfer(content, layer, found.extend)
        self.content[layer] = bytes(found)
        return proof


@pytest.mark.parametrize("format_", ARCHIVES)
@pytest.mark.parametrize("size", [7_000, 1 << 20])
def test_large_members_land_and_the_rest_is_a_sparse_bundle(format_: str, size: int) -> None:
    taken, raw = Taken(), ARCHIVES[format_]
    handle = landed(blocks(raw, size), "an engine", taken)
    try:
        assert list(taken.content.values()) == [BIG]
        facts = os.fstat(handle)
        kept = os.pread(handle, facts.st_size, 0)
    finally:
        os.close(handle)
    assert len(kept) == len(raw)
    hole = raw.index(BIG) + 4096
    assert kept[:hole] == raw[:hole]
    assert kept[hole : hole + len(BIG) - 4096] == bytes(len(BIG) - 4096)
    assert kept[hole + len(BIG) - 4096 :] == raw[hole + len(BIG) - 4096 :]
    assert facts.st_blocks * 512 < len(BIG) // 2


def test_a_blob_of_a_layout_has_its_digest_before_it_is_read() -> None:
    taken = Taken()
    os.close(landed(blocks(ARCHIVES["docker"]), "an engine", taken))
    assert [str(layer.digest) for layer in taken.content] == [sha256(BIG)]
    wrong = ARCHIVES["docker"].replace(BIG[-2000:-1500], bytes(499) + b"x")
    with pytest.raises(Mismatch, match="digest"):
        landed(blocks(wrong), "an engine", Taken())


@pytest.mark.parametrize("format_", ARCHIVES)
def test_a_store_has_the_image_and_nothing_was_opened(format_: str, tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "store")
    with store.landing() as land:
        source = open_arriving("an engine", blocks(ARCHIVES[format_]), land=land)
        copied = copy(source, store, ["app:1"])
    again = proven(LayoutStore(tmp_path / "store"), "app:1")
    assert again.images()[0].config.raw == copied[0].images()[0].config.raw == APP.config


def test_a_blob_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "store")
    inodes = set()
    for _ in range(2):
        with store.landing() as land:
            copy(open_arriving("e", blocks(ARCHIVES["docker"]), land=land), store, ["app:1"])
        inodes.add((tmp_path / "store/blobs/sha256" / sha256(BIG).removeprefix("sha256:")).stat().st_ino)
    assert len(inodes) == 1


def test_who_opens_what_landed_is_told_that_it_is_not_there() -> None:
    source = open_arriving("an engine", blocks(ARCHIVES["docker-v1.2"]), land=Taken())
    with pytest.raises(Mismatch):
        proven(source, "app:1")


@pytest.mark.parametrize("cut", [5000, 1_000_000])
def test_a_stream_that_is_cut_is_corrupt(cut: int) -> None:
    with pytest.raises(CorruptContent):
        landed(blocks(ARCHIVES["docker-v1.2"][:cut]), "an engine", Taken())
