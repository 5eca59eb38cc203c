"""What the docstrings of toolkit/ports.py promise, as tests over every source and every sink.

A subclass says what it is about: fixtures `source` and `folder` (all of its files), or `sink` and `reopened`;
and where it keeps no names, that `top` is the image's ID. The expected facts are those that Docker 20.10.24
gave the sample image.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.digest import Digest
from toolkit.errors import Mismatch, MissingMember, NotFound
from toolkit.image import Layer, ProvenImage
from toolkit.operations.copy import copy
from toolkit.platform import Platform
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.ports import Block, Content, Sink, Source
from toolkit.reference import Reference

NAME = "ubuntu:14.04"
IMAGE_ID = "sha256:192ecff0be21839de44a855480f6306150b7fb833f9071f6653900c8d5e415f0"
SIZES = {
    "sha256:8ba9cdafb4db3ae74881444e6681c58f65848bdd2bc4515c57c8f87dcbbf46f4": 170496,
    "sha256:fb0210f155696242a39e70151d074834a3bd958994b6e17298282f049c348775": 41984,
    "sha256:bf5f90b2b05decaaeb67d053b3812e8bb36b01f57b5c07c7a7824369e2a223a7": 5120,
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef": 1024,
}


class Bytes:
    """Bytes in memory, as Content."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.size = raw, len(raw)

    def blocks(self) -> Iterator[Block]:
        """Yield them in two."""
        yield self.raw[: self.size // 2]
        yield self.raw[self.size // 2 :]


def content(source: Source, layer: Layer) -> bytes:
    with source.open(layer) as opened:
        return b"".join(map(bytes, opened.blocks()))


def proven(source: Source, name: str = NAME) -> ProvenImage:
    image = source.image(name)
    proofs = {}
    for layer in image.layers:
        with source.open(layer) as opened:
            proofs[layer.key] = transfer(opened, layer, nowhere)
    return image.proven(proofs)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    paths = [folder, *folder.rglob("*")] if folder.is_dir() else [folder]
    facts = {str(path): os.stat(path, follow_symlinks=False) for path in paths}
    return {path: (fact.st_size, fact.st_mtime_ns) for path, fact in facts.items()}


class SourceContract:
    """Every source holds the sample image."""

    top = NAME  # what it is asked for by
    names: tuple[str, ...] = (NAME,)  # what it is called there

    def test_the_image_is_the_one_that_docker_makes_of_it(self, source: Source) -> None:
        (picture,) = proven(source, self.top).images()
        assert str(picture.config.image_id) == IMAGE_ID
        assert {str(diff_id): layer.size for layer, diff_id in picture.layers} == SIZES

    def test_layers_come_base_first_with_exact_sizes(self, source: Source) -> None:
        layers = source.image(self.top).layers
        assert [layer.size for layer in layers] == list(SIZES.values())
        assert [len(content(source, layer)) for layer in layers] == list(SIZES.values())

    def test_several_threads_read_at_once(self, source: Source) -> None:
        layers = source.image(self.top).layers * 4
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda layer: content(source, layer), layers))
        assert found == [content(source, layer) for layer in layers]

    def test_a_listing_leads_to_the_image(self, source: Source) -> None:
        (line,) = (line for line in source.listings() if set(self.names) <= set(line.names))
        assert not line.problem
        assert line.id == source.outline(self.top).id
        for name in line.names or (line.id,):
            assert source.image(name).layers == source.image(self.top).layers

    def test_an_outline_agrees_with_the_image(self, source: Source) -> None:
        outline = source.outline(self.top)
        assert outline.names == source.image(self.top).names == self.names
        assert [layer.history.created_by != "" for layer in outline.layers] == [True] * 4
        assert outline.platform == "linux/amd64"

    def test_an_identity_stays_while_the_image_does(self, source: Source) -> None:
        spelt = [self.top, *(str(Reference.parse(name)) for name in self.names)]
        assert len({source.identify(name) for name in spelt * 2}) == 1
        assert source.identify(self.top) != ""

    def test_an_unknown_name_is_not_found_and_near_ones_are_told(self, source: Source) -> None:
        for ask in (source.identify, source.outline, source.image, source.layer_keys):
            with pytest.raises(NotFound, match=re.escape(self.names[0] if self.names else "is not in")):
                ask("ubuntu:14.4")

    def test_another_platform_is_not_found(self, source: Source) -> None:
        with pytest.raises(NotFound, match="linux/amd64"):
            source.image(self.top, Platform("linux", "s390x"))
        assert source.image(self.top, Platform("linux", "amd64")).layers == source.image(self.top).layers

    def test_a_layer_is_found_by_its_key(self, source: Source) -> None:
        layers = source.image(self.top).layers
        assert source.layer_keys(self.top) == tuple(layer.key for layer in layers)
        for layer in layers:
            alone = source.layer(layer.key)
            assert (alone.key, alone.size) == (layer.key, layer.size)
            assert content(source, alone) == content(source, layer)

    def test_an_unknown_layer_is_not_found(self, source: Source) -> None:
        for key in ("f" * 64, "sha256:" + "f" * 64, "../../etc/passwd", ""):
            with pytest.raises((NotFound, MissingMember)):  # the graph calls an absent json missing
                source.layer(key)

    def test_documents_come_before_what_names_them(self, source: Source) -> None:
        image = proven(source, self.top)
        order = [str(digest) for digest in image.documents]
        (picture,) = image.images()
        assert order.index(str(picture.manifest.config.digest)) < order.index(str(image.top.digest))
        assert {str(blob.digest) for blob in image.blobs} == {
            str(layer.digest) for layer in picture.manifest.layers
        }

    def test_reading_changes_nothing(self, source: Source, folder: Path) -> None:
        before = snapshot(folder)
        source.listings()
        proven(source, self.top)
        assert snapshot(folder) == before


class SinkContract:
    """`sink` is empty; `reopened()` opens as a source what was written, or raises."""

    top = NAME
    holds_names = True

    def test_an_image_arrives_whole(self, sink: Sink, reopened: Callable[[], Source], sample: Source) -> None:
        copied = copy(sample, sink, [NAME])
        found = proven(reopened(), self.top)
        assert [str(image.config.image_id) for image in found.images()] == [IMAGE_ID]
        assert copied[0].images()[0].config.raw == found.images()[0].config.raw

    def test_a_second_delivery_changes_nothing(
        self, sink: Sink, reopened: Callable[[], Source], sample: Source
    ) -> None:
        copy(sample, sink, [NAME])
        first = reopened().identify(self.top)
        copy(sample, sink, [NAME])
        assert reopened().identify(self.top) == first
        assert len(reopened().listings()) == 1

    def test_two_names_of_one_image_arrive(
        self, sink: Sink, reopened: Callable[[], Source], sample: Source
    ) -> None:
        copy(sample, sink, [NAME, "ubuntu:trusty"])
        (line,) = reopened().listings()
        assert sorted(line.names) == ([NAME, "ubuntu:trusty"] if self.holds_names else [])

    def test_wrong_bytes_are_refused_and_not_kept(
        self, sink: Sink, reopened: Callable[[], Source], sample: Source
    ) -> None:
        image = sample.image(NAME)
        promised = proven(sample).blobs[0]
        layer = Layer(image.layers[0].key, image.layers[0].size, promised.digest)
        wrong = Bytes(bytes(layer.size))
        with pytest.raises(Mismatch, match="digest"), sink.receive([image], {}) as receiver:
            receiver.write(layer, wrong)
        assert sink.present(layer) is None
        assert_nothing_there(reopened)

    def test_a_layer_that_was_refused_may_come_again(
        self, sink: Sink, reopened: Callable[[], Source], sample: Source
    ) -> None:
        image = sample.image(NAME)
        proofs = {}
        with sink.receive([image], {}) as receiver:
            for layer in image.layers:
                with pytest.raises(Mismatch, match="digest"):
                    receiver.write(replace(layer, digest=Digest.of(b"right")), Bytes(bytes(layer.size)))
                with sample.open(layer) as opened:
                    proofs[layer.key] = receiver.write(layer, opened)
            receiver.finish([image.proven(proofs)])
        assert [str(one.config.image_id) for one in proven(reopened(), self.top).images()] == [IMAGE_ID]

    def test_a_delivery_that_fails_leaves_no_image(
        self, sink: Sink, reopened: Callable[[], Source], sample: Source
    ) -> None:
        image = sample.image(NAME)
        with (  # noqa: PT012 - it is the block that is left
            pytest.raises(KeyboardInterrupt),
            sink.receive([image], {}) as receiver,
            sample.open(image.layers[0]) as opened,
        ):
            receiver.write(image.layers[0], opened)
            raise KeyboardInterrupt
        assert_nothing_there(reopened)

    def test_what_is_not_there_is_not_present(self, sink: Sink) -> None:
        assert sink.present(Layer("some key", 3)) is None
        promised = proven_layer(Bytes(b"abc"))
        assert sink.present(promised) is None


def proven_layer(raw: Bytes) -> Layer:
    bare = Layer("key", raw.size)
    proof = transfer(raw, bare, nowhere)
    return Layer(str(proof.digest), proof.size, proof.digest)


def assert_nothing_there(reopened: Callable[[], Source]) -> None:
    with suppress(NotFound):
        assert reopened().listings() == []


__all__ = ["Bytes", "Content", "SinkContract", "SourceContract"]
