from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.archives import (
    ONE,
    TWO,
    A,
    B,
    Body,
    encode,
    image,
    layout,
    sha256,
    tar,
    unpacked,
    v1_folder,
    written,
)
from tests.follow import Alone, Together, read, tallied, words
from toolkit.bundles import open_bundle
from toolkit.bundles.modern import ModernImage
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, NotFound
from toolkit.event import BlobSkipped, Event
from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage
from toolkit.operations.copy import SMALL, copy, refuse_warnings
from toolkit.operations.through import Through
from toolkit.plumbing.streams import transfer
from toolkit.ports import Content, Source
from toolkit.stores.layout import LayoutStore

APP, OTHER = image(ONE, TWO), image(TWO)
LAYERS = {sha256(ONE): len(ONE), sha256(TWO): len(TWO)}


class Memory:
    """A sink that keeps everything in memory, and what happened in order."""

    place = "memory"

    def __init__(self, *there: Proof) -> None:
        self.there = {str(proof.digest): proof for proof in there}
        self.known: dict[str, Proof] = {}
        self.blobs: dict[str, bytes] = {}
        self.events: list[str] = []
        self.named: list[str] = []

    @contextmanager
    def receive(self, images: Sequence[SourceImage], known: Mapping[str, Proof]) -> Iterator[Memory]:
        self.events.append(f"receive {len(images)}")
        self.known = dict(known)
        yield self
        self.events.append("end")

    def present(self, layer: Layer) -> Proof | None:
        return self.there.get(str(layer.digest))

    def write(self, layer: Layer, content: Content) -> Proof:
        written = bytearray()
        proof = transfer(content, layer, written.extend)
        self.blobs[str(proof.digest)] = bytes(written)
        self.events.append("write")
        return proof

    def finish(self, images: Sequence[ProvenImage]) -> None:
        self.events.append("finish")
        self.named = [name for each in images for name in each.names]


class Lossy(Memory):
    """One that cannot keep everything."""

    def losses(self, image: ProvenImage) -> Sequence[Finding]:
        return [Finding(image.names[0], "loses its history"), Finding("twice", "is the same")]


class Odd(Through):
    """A source that noticed something."""

    def image(self, name: str, platform: object = None) -> SourceImage:  # noqa: ARG002
        found = self.source.image(name)
        assert isinstance(found, ModernImage)
        return replace(found, findings=(Finding(name, "is odd"), Finding("twice", "is the same")))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    files = layout(("app:1", APP), ("app:latest", APP), ("other:1", OTHER))
    return open_bundle(written(tmp_path / "in.tar", files))


def test_layers_come_first_each_once_and_names_last(source: Source) -> None:
    sink = Memory()
    proven = copy(source, sink, ["app:1", "other:1", "app:1"])
    assert sink.events == ["receive 2", "write", "write", "finish", "end"]
    assert sink.blobs == {sha256(ONE): ONE, sha256(TWO): TWO}
    assert len(proven) == 2
    assert {str(each.top.digest) for each in proven} == {APP.digest, OTHER.digest}


def test_between_the_last_layer_and_the_names_somebody_may_object(source: Source) -> None:
    sink = Memory()
    copy(source, sink, ["app:1"], before_names=lambda: sink.events.append("asked"))
    assert sink.events == ["receive 1", "write", "write", "asked", "finish", "end"]

    def object_() -> None:
        raise CorruptContent("app.tar", "is another one now")

    refused = Memory()
    with pytest.raises(CorruptContent, match="is another one now"):
        copy(source, refused, ["app:1"], before_names=object_)
    assert refused.events == ["receive 1", "write", "write"]
    assert refused.named == []


def test_what_is_there_already_is_not_sent(source: Source) -> None:
    there = transfer(_Bytes(ONE), Layer("key", len(ONE)), bytearray().extend)
    sink = Memory(there)
    copy(source, sink, ["app:1"])
    assert sink.blobs == {sha256(TWO): TWO}


def test_an_unknown_name_is_found_out_before_anything_is_written(source: Source) -> None:
    sink = Memory()
    with pytest.raises(NotFound):
        copy(source, sink, ["app:1", "nothing:1"])
    assert sink.events == []


def test_a_damaged_layer_ends_it_and_nothing_is_named(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "in", layout(("app:1", APP)))
    (folder / "blobs/sha256" / sha256(TWO)[7:]).write_bytes(TWO[:-1] + b"x")
    sink = Memory()
    with pytest.raises(Mismatch, match=f"layer {sha256(TWO)}: digest is"):
        copy(LayoutStore(folder), sink, ["app:1"])
    assert "finish" not in sink.events
    assert sink.named == []


def legacy(tmp_path: Path, base: bytes, top: bytes) -> Source:
    names: dict[str, Body] = {"repositories": encode({"app": {"1": B}})}
    return open_bundle(written(tmp_path / "v1.tar", v1_folder(A, layer=base) | v1_folder(B, A, top) | names))


def test_small_layers_of_unknown_digest_are_read_beforehand(tmp_path: Path) -> None:
    """So that a file can be laid out, knowing which of them are the same."""
    large = bytes(SMALL + 512)
    sink = Memory()
    copy(legacy(tmp_path, ONE, large), sink, ["app:1"])
    assert {key: str(proof.digest) for key, proof in sink.known.items()} == {A: sha256(ONE)}
    assert set(sink.blobs) == {sha256(ONE), sha256(large)}


def test_known_digests_are_not_read_twice(source: Source) -> None:
    sink = Memory()
    copy(source, sink, ["app:1"])
    assert sink.known == {}


def test_progress_tells_every_byte_of_every_layer(source: Source) -> None:
    told: list[Event] = []
    copy(source, Memory(), ["app:1", "other:1"], progress=told.append)
    assert read(told) == LAYERS
    assert words(told)[:2] == ["image.begun"] * 2
    assert words(told)[-2:] == ["image.done"] * 2
    assert tallied(told).done == tallied(told).size == sum(LAYERS.values())


def test_what_is_there_already_is_told_as_skipped(source: Source) -> None:
    told: list[Event] = []
    there = Proof(Digest.of(ONE), len(ONE), Digest.of(ONE))
    copy(source, Memory(there), ["app:1"], progress=told.append)
    assert words(told, sha256(ONE)) == ["blob.skipped"]
    assert [event.reason for event in told if isinstance(event, BlobSkipped)] == ["present"]
    tally = tallied(told)
    assert (tally.done, tally.skipped, tally.size) == (len(TWO), len(ONE), len(ONE) + len(TWO))


@pytest.mark.parametrize("jobs", [2, 3])
def test_as_many_are_carried_at_once_as_are_asked_for(tmp_path: Path, jobs: int) -> None:
    layers = [tar({"number": bytes([number])}) for number in range(jobs)]
    files = layout(("app:1", image(*layers)))
    source = Together(open_bundle(written(tmp_path / "many.tar", files)), jobs)
    assert len(copy(source, Memory(), ["app:1"], jobs=jobs)) == 1


def test_one_job_is_one_at_a_time(source: Source) -> None:
    far = Alone(source)
    far.at_once = 6
    copy(far, Memory(), ["app:1", "other:1"], jobs=1)


def test_what_the_source_noticed_and_the_sink_loses_is_told_once(source: Source) -> None:
    (proven,) = copy(Odd(source), Lossy(), ["app:1"])
    assert [finding.problem for finding in proven.findings] == ["is odd", "is the same", "loses its history"]


def test_strict_refuses_before_anything_is_written(source: Source) -> None:
    sink = Memory()
    with pytest.raises(CorruptContent, match="app:1: is odd; --strict makes warnings errors"):
        copy(Odd(source), sink, ["app:1"], strict=True)
    assert sink.events == []


def test_strict_refuses_a_loss_before_it_is_named(source: Source) -> None:
    sink = Lossy()
    with pytest.raises(CorruptContent, match="app:1: loses its history"):
        copy(source, sink, ["app:1"], strict=True)
    assert "finish" not in sink.events


def test_notes_are_no_warnings() -> None:
    refuse_warnings([Finding("x", "is worth telling", "note")])


class _Bytes:
    def __init__(self, raw: bytes) -> None:
        self.raw, self.size = raw, len(raw)

    def blocks(self) -> Iterator[bytes]:
        yield self.raw
