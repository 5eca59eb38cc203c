"""Content that tells how far it has got, and how it ended."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, sha256
from tests.conformance import Bytes
from tests.follow import read, tallied, words
from toolkit.digest import Digest
from toolkit.errors import StoreError
from toolkit.event import BlobProgress, BlobRetried, Event, nobody
from toolkit.image import Layer, Proof
from toolkit.plumbing.followed import followed, followed_landing
from toolkit.plumbing.streams import ProvenExtent, nowhere, transfer
from toolkit.ports import Block, Content

LAYER = Layer(sha256(ONE), len(ONE), Digest.of(ONE))


class Broken(Bytes):
    """Content that breaks off in the middle once, and tells so."""

    resumed: Callable[[int], object] = staticmethod(lambda done: None)  # noqa: ARG005

    def blocks(self) -> Iterator[Block]:
        yield ONE[:100]
        self.resumed(100)
        yield ONE[100:]


def test_a_blob_is_told_from_its_beginning_to_its_end() -> None:
    told: list[Event] = []
    with followed(Bytes(ONE), LAYER, told.append) as seen:
        assert transfer(seen, LAYER, nowhere).size == len(ONE)
        assert words(told) == ["blob.begun"]
    assert words(told) == ["blob.begun", "blob.done"]
    assert read(told) == {LAYER.key: len(ONE)}


def test_content_that_is_read_again_says_so_and_is_counted_once() -> None:
    told: list[Event] = []
    with followed(Bytes(ONE), LAYER, told.append) as seen:
        for _ in range(3):
            transfer(seen, LAYER, nowhere)
    assert words(told) == ["blob.begun", "blob.retried", "blob.retried", "blob.done"]
    assert tallied(told).done == tallied(told).size == len(ONE)


def test_content_that_goes_on_where_it_broke_off_says_where() -> None:
    told: list[Event] = []
    with followed(Broken(ONE), LAYER, told.append) as seen:
        transfer(seen, LAYER, nowhere)
    assert told[1:4] == [BlobProgress(LAYER, 100), BlobRetried(LAYER, 100), BlobProgress(LAYER, len(ONE))]


def test_what_fails_is_not_done() -> None:
    told: list[Event] = []
    with contextlib.suppress(StoreError), followed(Bytes(ONE), LAYER, told.append) as seen:
        transfer(seen, LAYER, nowhere)
        raise StoreError("disk", "is full")
    assert words(told) == ["blob.begun", "blob.failed"]


def test_what_nobody_reads_is_there_already() -> None:
    told: list[Event] = []
    with followed(Bytes(ONE), LAYER, told.append):
        pass
    assert words(told) == ["blob.begun", "blob.skipped"]


def test_nobody_is_not_told() -> None:
    content = Bytes(ONE)
    with followed(content, LAYER, nobody) as seen:
        assert seen is content


def test_what_was_proven_before_stays_what_the_kernel_copies(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(ONE)
    handle = os.open(tmp_path / "one", os.O_RDONLY)
    content = ProvenExtent(handle, Proof(Digest.of(ONE), len(ONE), Digest.of(ONE)), "one")
    told: list[Event] = []
    with followed(content, LAYER, told.append) as seen:
        assert seen is content
    os.close(handle)
    assert tallied(told).done == len(ONE)


@pytest.mark.parametrize(("digest", "key"), [(LAYER.digest, LAYER.key), (None, "engine: layer.tar")])
def test_a_blob_that_arrives_before_its_image_is_followed(digest: Digest | None, key: str) -> None:
    told: list[Event] = []
    land = followed_landing(lambda layer, content: transfer(content, layer, nowhere), told.append)
    content: Content = Bytes(ONE)
    assert land(Layer("engine: layer.tar", len(ONE), digest), content).digest == Digest.of(ONE)
    assert words(told, key) == ["blob.begun", "blob.done"]
