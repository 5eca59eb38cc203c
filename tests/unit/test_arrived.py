"""Blobs that are in a bundle's file before its image is known: written once, where they stay."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import ONE, docker_item, encode, image, layout, tar
from tests.conformance import Bytes, proven
from tests.unit.test_landing import blocks
from toolkit.bundles import FORMATS, create_bundle, open_arriving, open_bundle
from toolkit.bundles.arrived import Arrived
from toolkit.digest import Digest
from toolkit.errors import Mismatch, StoreError
from toolkit.image import Layer
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.plumbing.nameless import nameless_file
from toolkit.ports import Landing, Lands

LARGE = 4 << 20  # bytes; a member above it is no document
FORMAT_NAMES = [format_.name for format_ in FORMATS if format_.members_of]
every_format = pytest.mark.parametrize("format_name", FORMAT_NAMES)


def noise(seed: str) -> bytes:
    """Return a large layer that no other seed gives."""
    return tar({seed: hashlib.shake_128(seed.encode()).digest(LARGE + len(seed))})


BIG, BIGGER = noise("a"), noise("b" * 4000)
APP = image(BIGGER, ONE, BIG, BIGGER)
SAVED = tar({**layout(("app:1", APP)), "manifest.json": encode([docker_item(APP, "app:1")])})


def descriptor_of(raw: bytes) -> Layer:
    return Layer("arriving", len(raw), Digest.of(raw))


@every_format
def test_a_bundle_has_its_image_and_nothing_was_opened(tmp_path: Path, format_name: str) -> None:
    sink = create_bundle(tmp_path / "out.tar", format_name)
    assert isinstance(sink, Lands)
    with sink.landing() as land:
        source = open_arriving("an engine", blocks(SAVED), land=land)
        (copied,) = copy(source, sink, ["app:1"])
        assert not (tmp_path / "out.tar").exists()
    bundle = open_bundle(tmp_path / "out.tar")
    assert verify(bundle).ok
    assert proven(bundle, "app:1").images()[0].config.diff_ids == copied.images()[0].config.diff_ids
    assert os.listdir(tmp_path) == ["out.tar"]


@every_format
def test_a_longer_header_moves_what_arrived(tmp_path: Path, format_name: str) -> None:
    late = image(BIGGER, ONE, BIG, created="9999-01-01T00:00:00Z")  # no plain header has room for that time
    saved = tar({**layout(("app:1", late)), "manifest.json": encode([docker_item(late, "app:1")])})
    sink = create_bundle(tmp_path / "out.tar", format_name)
    assert isinstance(sink, Lands)
    with sink.landing() as land:
        copy(open_arriving("an engine", blocks(saved), land=land), sink, ["app:1"])
    assert verify(open_bundle(tmp_path / "out.tar")).ok


def test_what_arrives_stays_where_it_was_written(tmp_path: Path) -> None:
    sink = create_bundle(tmp_path / "out.tar", "docker")
    assert isinstance(sink, Lands)
    with sink.landing() as land:
        copy(open_arriving("an engine", blocks(SAVED), land=land), sink, ["app:1"])
    raw = (tmp_path / "out.tar").read_bytes()
    places = sorted((raw.index(each), len(each)) for each in (BIG, BIGGER))
    assert places[0][0] == 512
    assert places[1][0] == 512 + places[0][1] + 512


def test_what_no_image_has_is_no_part_of_the_bundle(tmp_path: Path) -> None:
    other = noise("other")
    sink = create_bundle(tmp_path / "out.tar")
    assert isinstance(sink, Lands)
    with sink.landing() as land:
        land(descriptor_of(other), Bytes(other))
        copy(open_arriving("an engine", blocks(SAVED), land=land), sink, ["app:1"])
    assert verify(open_bundle(tmp_path / "out.tar")).ok
    assert other[:5000] not in (tmp_path / "out.tar").read_bytes()


def test_a_blob_that_comes_twice_lies_once() -> None:
    with nameless_file() as handle:
        arrived = Arrived(handle, "out.tar")
        assert arrived.take(descriptor_of(BIG), Bytes(BIG)) == arrived.take(descriptor_of(BIG), Bytes(BIG))
        arrived.take(descriptor_of(BIGGER), Bytes(BIGGER))
        assert arrived.size == 512 + len(BIG) + 512 + len(BIGGER)
        assert os.pread(handle, len(BIGGER), arrived.size - len(BIGGER)) == BIGGER


def test_a_wrong_blob_leaves_its_place_to_the_next() -> None:
    with nameless_file() as handle:
        arrived = Arrived(handle, "out.tar")
        with pytest.raises(Mismatch):
            arrived.take(descriptor_of(BIG), Bytes(BIGGER[: len(BIG)]))
        arrived.take(descriptor_of(BIG), Bytes(BIG))
        assert os.pread(handle, len(BIG), 512) == BIG


def leave(land: Landing) -> None:
    land(descriptor_of(BIG), Bytes(BIG))


def fail(land: Landing) -> None:
    leave(land)
    raise KeyboardInterrupt


@pytest.mark.parametrize(("end", "error"), [(leave, StoreError), (fail, KeyboardInterrupt)])
def test_without_a_delivery_there_is_no_bundle(
    tmp_path: Path, end: Callable[[Landing], None], error: type[BaseException]
) -> None:
    sink = create_bundle(tmp_path / "out.tar")
    assert isinstance(sink, Lands)
    with pytest.raises(error), sink.landing() as land:
        end(land)
    assert os.listdir(tmp_path) == []
