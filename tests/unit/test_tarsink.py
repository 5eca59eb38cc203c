"""Writing a bundle: layers land in their places from several threads, whatever was known of them before."""

from __future__ import annotations

import gzip
import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.archives import EMPTY, ONE, TWO, A, B, Body, C, blob, encode, sha256, tar, v1_folder, written
from tests.pictures import content_of, found_in
from toolkit.bundles import FORMATS, create_bundle, layout_members, open_bundle
from toolkit.bundles.tarsink import TarSink
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, StoreError
from toolkit.image import Layer, Proof, placeholder
from toolkit.migration import LegacyImage
from toolkit.operations import copy as copying
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.plumbing.streams import ProvenExtent
from toolkit.ports import Block, Sink, Source

FORMAT_NAMES = [format_.name for format_ in FORMATS if format_.members_of]
SIZE = 3 << 20  # bytes; several blocks, and more than copy reads beforehand
D, E, F = "d" * 64, "e" * 64, "f" * 64
every_format = pytest.mark.parametrize("format_name", FORMAT_NAMES)


def noise(seed: str, size: int = SIZE) -> bytes:
    """Return a layer of one file that no other seed gives."""
    return tar({seed: hashlib.shake_128(seed.encode()).digest(size)})


class Bytes:
    """Content in memory, in pieces; at each of them it waits for the others, if there are any."""

    def __init__(self, raw: bytes, barrier: threading.Barrier | None = None) -> None:
        self.raw, self.size, self.barrier = raw, len(raw), barrier

    def blocks(self) -> Iterator[Block]:
        for start in range(0, self.size, 1 << 19):
            if self.barrier:
                self.barrier.wait(30)
            yield self.raw[start : start + (1 << 19)]


def opened(path: Path, chain: Mapping[str, bytes]) -> Source:
    """Open a docker-v1 bundle of one chain, app:1; the digests of its layers are told nowhere."""
    files: dict[str, Body] = {}
    for layer_id, parent in zip(chain, ("", *chain), strict=False):
        files |= v1_folder(layer_id, parent, chain[layer_id])
    return open_bundle(written(path, {**files, "repositories": encode({"app": {"1": list(chain)[-1]}})}))


def contents(bundle: Path, format_name: str, chain: Mapping[str, bytes]) -> list[bytes]:
    """Return the layers' bytes as they lie in the bundle."""
    if format_name in {"universal", "docker", "oci"}:
        return [content_of(bundle, blob(sha256(each))) for each in chain.values()]
    return [content_of(bundle, f"{layer_id}/layer.tar") for layer_id in chain]


@every_format
def test_layers_that_are_written_in_step_land_in_their_places(tmp_path: Path, format_name: str) -> None:
    chain = {f"{number:064x}": noise(str(number)) for number in range(4)}
    image = opened(tmp_path / "v1.tar", chain).image("app:1")
    barrier = threading.Barrier(len(chain))
    with create_bundle(tmp_path / "b.tar", format_name).receive([image], {}) as receiver:

        def write(layer: Layer) -> Proof:
            return receiver.write(layer, Bytes(chain[layer.key], barrier))

        with ThreadPoolExecutor(len(chain)) as pool:
            proofs = dict(zip(chain, pool.map(write, image.layers), strict=True))
        receiver.finish([image.proven(proofs)])
    assert contents(tmp_path / "b.tar", format_name, chain) == list(chain.values())
    assert verify(open_bundle(tmp_path / "b.tar")).ok


def test_a_list_of_members_is_all_that_a_format_is(tmp_path: Path) -> None:
    source = opened(tmp_path / "v1.tar", {A: ONE, B: TWO})
    sink = TarSink(tmp_path / "b.tar", layout_members.members)
    (image,) = copy(source, sink, ["app:1"])
    assert list(found_in(tmp_path / "b.tar")) == [
        member.name.rstrip("/") for member in layout_members.members([image])
    ]
    assert sink.losses(image) == ()
    assert sink.present(source.image("app:1").layers[0]) is None


CHAINS = {
    "one after the other": {A: noise("x"), B: noise("x"), C: noise("y")},
    "apart, of other sizes": {A: noise("x"), B: ONE, C: noise("x"), D: noise("y", SIZE + 999), E: noise("x")},
    "two pairs": {A: noise("x"), B: noise("y"), C: noise("x"), D: noise("y"), E: noise("z"), F: EMPTY},
    "all": {A: noise("x"), B: noise("x"), C: noise("x")},
    "last, behind a smaller one": {A: noise("x"), B: noise("y", 1 << 20), C: noise("x"), D: TWO},
}


@every_format
@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_large_layers_that_turn_out_equal_give_the_bytes_as_if_it_were_known(
    tmp_path: Path, format_name: str, chain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name, small in (("unknown", copying.SMALL), ("known", 1 << 30), ("nothing", -1)):
        monkeypatch.setattr(copying, "SMALL", small)
        path = tmp_path / f"{name}.tar"
        copy(opened(tmp_path / "v1.tar", chain), create_bundle(path, format_name), ["app:1"])
        found.append(path.read_bytes())
    assert found[0] == found[1] == found[2]
    assert contents(path, format_name, chain) == list(chain.values())
    assert verify(open_bundle(path)).ok


def test_equal_layers_stand_once_in_universal_and_whole_each_in_docker_v1(tmp_path: Path) -> None:
    source = opened(tmp_path / "v1.tar", {A: noise("x"), B: noise("x")})
    for format_name in FORMAT_NAMES:
        copy(source, create_bundle(tmp_path / format_name, format_name), ["app:1"])
    sizes = {name: (tmp_path / name).stat().st_size for name in FORMAT_NAMES}
    assert SIZE < sizes["universal"] < SIZE + (64 << 10)
    assert 2 * SIZE < sizes["docker-v1"] < 2 * SIZE + (64 << 10)


@every_format
@pytest.mark.parametrize("small", [-1, 1 << 30])
def test_compressed_legacy_layers_are_carried_as_they_are(
    tmp_path: Path, format_name: str, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "SMALL", small)
    packed = {A: gzip.compress(noise("x"), 1, mtime=0), B: gzip.compress(ONE, mtime=0), C: TWO}
    packed[D] = packed[A]
    path = tmp_path / "b.tar"
    (image,) = copy(opened(tmp_path / "v1.tar", packed), create_bundle(path, format_name), ["app:1"])
    assert contents(path, format_name, packed) == list(packed.values())
    plain = [sha256(each) for each in (noise("x"), ONE, TWO, noise("x"))]
    assert [str(diff_id) for _, diff_id in image.images()[0].layers] == plain
    assert verify(open_bundle(path)).ok
    if format_name == "universal":
        types = [layer.media_type.rpartition(".")[2] for layer, _ in image.images()[0].layers]
        assert types == ["tar+gzip", "tar+gzip", "tar", "tar+gzip"]
        assert found_in(path)[f"{A}/layer.tar"].linkname == f"../{blob(sha256(packed[A]))}"


def test_proven_files_are_copied_whole(tmp_path: Path) -> None:
    chain = {A: noise("x"), B: ONE}
    image = opened(tmp_path / "v1.tar", chain).image("app:1")
    with create_bundle(tmp_path / "b.tar").receive([image], {}) as receiver:
        proofs = {}
        for layer in image.layers:
            with staged(tmp_path / layer.key, chain[layer.key]) as content:
                proofs[layer.key] = receiver.write(layer, content)
        receiver.finish([image.proven(proofs)])
    assert contents(tmp_path / "b.tar", "universal", chain) == list(chain.values())


class staged:  # noqa: N801 - a context manager that reads like one
    """A file whose bytes were proven."""

    def __init__(self, path: Path, raw: bytes) -> None:
        path.write_bytes(raw)
        self.file = path.open("rb")
        proof = Proof(Digest.of(raw), len(raw), Digest.of(raw))
        self.content = ProvenExtent(self.file.fileno(), proof, str(path))

    def __enter__(self) -> ProvenExtent:
        return self.content

    def __exit__(self, *_: object) -> None:
        self.file.close()


def test_a_proven_file_that_was_touched_meanwhile_is_refused(tmp_path: Path) -> None:
    image = opened(tmp_path / "v1.tar", {A: ONE}).image("app:1")
    with (  # noqa: PT012 - the file is touched while the delivery runs
        pytest.raises(StoreError, match="was changed while it was copied; run again"),
        sink(tmp_path, "universal").receive([image], {}) as receiver,
        staged(tmp_path / "layer", ONE) as content,
    ):
        (tmp_path / "layer").write_bytes(TWO)
        receiver.write(image.layers[0], content)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("suffix", ["", "+gzip", "+zstd"])
def test_a_placeholder_is_of_the_layers_length_and_of_no_other_layer(suffix: str) -> None:
    layers = [Layer(key, 7, media_type=f"application/vnd.oci.image.layer.v1.tar{suffix}") for key in (A, B)]
    first, second = map(placeholder, layers)
    assert (first.size, first.compression) == (7, suffix.removeprefix("+"))
    assert len(str(first.digest)) == len(sha256(b""))
    assert first.digest != second.digest
    digest, diff_id = Digest.of(b"1"), Digest.of(b"2")
    told = placeholder(replace(layers[0], digest=digest, diff_id=diff_id))
    assert (told.digest, told.diff_id) == (digest, diff_id)


# ── what is left behind ──


def sink(tmp_path: Path, format_name: str) -> Sink:
    (tmp_path / "out").mkdir()
    return create_bundle(tmp_path / "out" / "b.tar", format_name)


@every_format
def test_an_exception_leaves_nothing(tmp_path: Path, format_name: str) -> None:
    image = opened(tmp_path / "v1.tar", {A: ONE}).image("app:1")
    with (  # noqa: PT012 - it is the block that is left
        pytest.raises(ZeroDivisionError),
        sink(tmp_path, format_name).receive([image], {}) as receiver,
    ):
        receiver.write(image.layers[0], Bytes(ONE))
        _ = 1 // 0
    assert list((tmp_path / "out").iterdir()) == []


@every_format
def test_a_bundle_that_was_not_finished_leaves_nothing(tmp_path: Path, format_name: str) -> None:
    image = opened(tmp_path / "v1.tar", {A: ONE}).image("app:1")
    with (
        pytest.raises(StoreError, match="was left before it was finished"),
        sink(tmp_path, format_name).receive([image], {}) as receiver,
    ):
        receiver.write(image.layers[0], Bytes(ONE))
    assert list((tmp_path / "out").iterdir()) == []


@every_format
def test_what_was_there_stays_until_the_new_one_is_whole(tmp_path: Path, format_name: str) -> None:
    target = sink(tmp_path, format_name)
    (tmp_path / "out" / "b.tar").write_bytes(b"before")
    source = opened(tmp_path / "v1.tar", {A: ONE})
    image = source.image("app:1")
    with pytest.raises(ZeroDivisionError), target.receive([image], {}):
        _ = 1 // 0
    assert (tmp_path / "out" / "b.tar").read_bytes() == b"before"
    copy(source, target, ["app:1"])
    assert verify(open_bundle(tmp_path / "out" / "b.tar")).ok


def test_a_source_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    image = opened(tmp_path / "v1.tar", {A: noise("x")}).image("app:1")
    short = Bytes(noise("x")[:-1024])
    with (
        pytest.raises(Mismatch, match="size is"),
        sink(tmp_path, "universal").receive([image], {}) as receiver,
    ):
        receiver.write(image.layers[0], short)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_layer_that_changed_since_it_was_read_is_refused(tmp_path: Path) -> None:
    image = opened(tmp_path / "v1.tar", {A: ONE}).image("app:1")
    digest = Digest.of(ONE)
    known = {A: Proof(digest, len(ONE), digest)}
    other = ONE.replace(b"1", b"2")
    with (
        pytest.raises(Mismatch, match="it changed while it was read"),
        sink(tmp_path, "universal").receive([image], known) as receiver,
    ):
        receiver.write(image.layers[0], Bytes(other))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bundle_that_cannot_fit_is_refused_at_once_with_figures(tmp_path: Path) -> None:
    source = opened(tmp_path / "v1.tar", {A: ONE, B: TWO})
    image = source.image("app:1")
    assert isinstance(image, LegacyImage)
    image = replace(image, layers=tuple(replace(layer, size=1 << 56) for layer in image.layers))
    with pytest.raises(StoreError) as refused, sink(tmp_path, "docker-v1").receive([image], {}):
        pass
    figures = re.fullmatch(
        r".*/b\.tar: needs (\d+) bytes and its file system has (\d+) free; make room", str(refused.value)
    )
    assert figures
    assert int(figures[1]) > 2 << 56 > int(figures[2])
    assert list((tmp_path / "out").iterdir()) == []


def test_a_damaged_source_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    store = create_bundle(tmp_path / "u.tar")
    copy(opened(tmp_path / "v1.tar", {A: noise("x")}), store, ["app:1"])
    raw = bytearray((tmp_path / "u.tar").read_bytes())
    raw[-SIZE] ^= 1
    (tmp_path / "u.tar").write_bytes(raw)
    with pytest.raises(CorruptContent, match="digest is"):
        copy(open_bundle(tmp_path / "u.tar"), sink(tmp_path, "universal"), ["app:1"])
    assert list((tmp_path / "out").iterdir()) == []
