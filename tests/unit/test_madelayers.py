"""Layers that were packed before: found where they are proven, and packed by one at a time."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from tests.archives import LAYER, ONE, TWO, image, layout, sha256, unpacked
from toolkit.digest import Digest
from toolkit.image import Layer
from toolkit.mirror.connected.made import AS_THEY_ARE, Made, Wanted
from toolkit.mirror.connected.madelayers import MadeLayers
from toolkit.operations.transcoding import Transcoder
from toolkit.ports import Content
from toolkit.stores.layout import LayoutStore

PACKED = zstandard.ZstdCompressor().compress(ONE)
OF_ONE = Digest.parse(sha256(ONE))
KNOWN = Layer(str(OF_ONE), len(ONE), OF_ONE, OF_ONE, LAYER)
WANTED = Wanted(OF_ONE, "zstd")


@pytest.fixture
def source(tmp_path: Path) -> LayoutStore:
    return LayoutStore(unpacked(tmp_path / "source", layout(("app:1", image(ONE, TWO)))))


@pytest.fixture
def layers(tmp_path: Path) -> MadeLayers:
    """Beside a store that has two blobs: the layer packed with zstd, and another one."""
    packed = image(PACKED, TWO, diff_ids=[sha256(ONE), sha256(TWO)], media_types=[f"{LAYER}+zstd", LAYER])
    store = LayoutStore(unpacked(tmp_path / "store", layout(("packed:1", packed))))
    return MadeLayers(Made(tmp_path / "made", "zstd"), store)


def content(found: Content) -> bytes:
    return b"".join(map(bytes, found.blocks()))


def test_a_layer_is_found_by_its_record_where_its_blob_is_that_layer(layers: MadeLayers) -> None:
    assert layers.found(KNOWN) is None
    layers.made.keep_of(WANTED, Digest.parse(sha256(PACKED)))
    found = layers.found(KNOWN)
    assert found
    assert (str(found.digest), found.layer.size, found.layer.media_type) == (
        sha256(PACKED),
        len(PACKED),
        f"{LAYER}+zstd",
    )
    assert content(found.content) == PACKED


@pytest.mark.parametrize("other", [sha256(TWO), sha256(ONE), sha256(b"nothing that is there")])
def test_a_record_that_leads_to_anything_else_is_none(layers: MadeLayers, other: str) -> None:
    layers.made.keep_of(WANTED, Digest.parse(other))
    assert layers.found(KNOWN) is None


def test_a_blob_that_was_damaged_is_none(layers: MadeLayers) -> None:
    layers.made.keep_of(WANTED, Digest.parse(sha256(PACKED)))
    layers.store.folder.path(Digest.parse(sha256(PACKED))).write_bytes(bytes(len(PACKED)))
    assert layers.found(KNOWN) is None


@pytest.mark.parametrize("layer", [replace(KNOWN, digest=None), replace(KNOWN, diff_id=None)])
def test_a_layer_that_nobody_could_prove_to_be_the_same_is_never_found(
    layers: MadeLayers, source: LayoutStore, layer: Layer
) -> None:
    layers.made.keep_of(WANTED, Digest.parse(sha256(PACKED)))
    assert layers.found(layer) is None
    with Transcoder(source, "zstd") as packing, layers.turn(layer):
        layers.keep(layer, packing.transcoded([KNOWN])[KNOWN.key])
    assert len(list(layers.made.records())) == 1


def test_what_is_kept_is_in_the_store_when_the_next_one_has_its_turn(
    layers: MadeLayers, source: LayoutStore
) -> None:
    """Two threads that each have a transcoder of their own: one of them packs the layer."""
    opened: list[str] = []

    class Counting(LayoutStore):
        def open(self, layer: Layer) -> AbstractContextManager[Content]:
            opened.append(layer.key)
            return super().open(layer)

    found: list[str] = []
    both = threading.Barrier(2)

    def pack() -> None:
        with Transcoder(Counting(source.path), "zstd", earlier=layers) as packing:
            both.wait()
            found.append(str(packing.transcoded([KNOWN])[KNOWN.key].digest))

    threads = [threading.Thread(target=pack) for _ in range(2)]
    with layers.store.receive([], {}):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(found)) == 1
    assert len(found) == 2
    assert len(opened) <= 3  # each may look at its first bytes, and one reads it
    assert layers.store.folder.size(Digest.parse(found[0])) is not None


def test_nothing_is_waited_for_where_nothing_is_recorded(layers: MadeLayers) -> None:
    with MadeLayers(AS_THEY_ARE, layers.store).turn(KNOWN):
        assert MadeLayers(AS_THEY_ARE, layers.store).found(KNOWN) is None
