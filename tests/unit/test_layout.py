from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.archives import ONE, REF_NAME, TWO, blob, image, index, layout, sha256, unpacked, written
from toolkit.bundles import open_bundle
from toolkit.bundles.modern import ModernImage
from toolkit.digest import Digest
from toolkit.errors import Mismatch, MissingMember, NotFound, StoreError, UnsafeArchive, Unsupported
from toolkit.image import Layer
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.ports import Block, Source
from toolkit.stores.layout import LayoutStore

HISTORY = [{"created": "2020-01-01T00:00:00Z", "created_by": word} for word in ("one", "two")]
APP = image(ONE, TWO, history=HISTORY)
OTHER = image(TWO)
LAYER = Layer(sha256(ONE), len(ONE), Digest.parse(sha256(ONE)), Digest.parse(sha256(ONE)))


class Bytes:
    def __init__(self, raw: bytes, size: int | None = None) -> None:
        self.raw, self.size = raw, len(raw) if size is None else size

    def blocks(self) -> Iterator[Block]:
        yield self.raw


class Fails(Bytes):
    def blocks(self) -> Iterator[Block]:
        yield self.raw[:100]
        raise StoreError("disk", "failed")


@pytest.fixture
def bundle(tmp_path: Path) -> Source:
    return open_bundle(written(tmp_path / "in.tar", layout(("app:1", APP), ("both:1", index(APP, OTHER)))))


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path / "new" / "store")


def write(store: LayoutStore, layer: Layer, content: Bytes) -> str:
    with store.receive([], {}) as receiver:
        return str(receiver.write(layer, content).digest)


def blobs(store: LayoutStore) -> set[str]:
    return {path.name for path in (store.path / "blobs").rglob("*") if path.is_file()}


def parts(store: LayoutStore) -> list[str]:
    return [str(path) for path in store.path.rglob("*.part")]


def test_what_is_delivered_is_the_same_bytes_by_the_same_digests(bundle: Source, store: LayoutStore) -> None:
    copy(bundle, store, ["both:1", "app:1"])
    files = layout(("app:1", APP), ("both:1", index(APP, OTHER)))
    assert blobs(store) == {Path(name).name for name in files if name.startswith("blobs/")}
    for name, content in files.items():
        if name.startswith("blobs/"):
            assert (store.path / name).read_bytes() == content
    assert verify(store).ok


def test_a_place_that_is_not_there_is_not_found(store: LayoutStore) -> None:
    for ask in (store.listings, lambda: store.image("app:1")):
        with pytest.raises(NotFound, match="is not there"):
            ask()
    assert not store.path.exists()


def test_a_folder_of_something_else_is_left_alone(bundle: Source, tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "home", {"letter.txt": b"dear"})
    with pytest.raises(Unsupported, match=r"not empty: it holds letter\.txt"):
        copy(bundle, LayoutStore(folder), ["app:1"])
    assert os.listdir(folder) == ["letter.txt"]


def test_a_layout_of_another_version_is_not_written_to(bundle: Source, tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "x", {"oci-layout": b'{"imageLayoutVersion":"2.0.0"}'})
    with pytest.raises(Unsupported, match=r"version 2\.0\.0"):
        copy(bundle, LayoutStore(folder), ["app:1"])


def test_a_layer_of_unknown_digest_is_written_under_what_it_proves(store: LayoutStore) -> None:
    assert write(store, Layer("a" * 64, len(ONE)), Bytes(ONE)) == sha256(ONE)
    assert blobs(store) == {sha256(ONE)[7:]}


def test_a_digest_of_another_algorithm_has_its_own_folder(store: LayoutStore) -> None:
    digest = Digest.of(ONE, "sha512")
    write(store, Layer(str(digest), len(ONE), digest), Bytes(ONE))
    assert (store.path / "blobs" / "sha512" / digest.hex).read_bytes() == ONE


@pytest.mark.parametrize("content", [Bytes(TWO), Bytes(ONE[:-1]), Fails(ONE)])
def test_what_fails_leaves_no_blob_and_no_part(store: LayoutStore, content: Bytes) -> None:
    with pytest.raises((Mismatch, StoreError)):
        write(store, LAYER, content)
    assert (blobs(store), parts(store)) == (set(), [])


def test_parts_of_a_killed_run_are_removed_by_the_next(store: LayoutStore) -> None:
    write(store, LAYER, Bytes(ONE))
    stale = store.path / ".lading" / "parts" / ".0123.part"
    stale.write_bytes(b"half")
    (store.path / ".index.json.part").write_bytes(b"{")
    with store.receive([], {}):
        assert parts(store) == []


def test_a_delivery_begins_again_where_one_was_killed(bundle: Source, store: LayoutStore) -> None:
    unpacked(store.path, {".oci-layout.part": b"{", ".lading/parts/.x.part": b""})
    copy(bundle, store, ["app:1"])
    assert [line.names for line in store.listings()] == [("app:1",)]


def test_a_blob_is_present_while_its_stamp_fits(store: LayoutStore) -> None:
    assert store.present(LAYER) is None
    write(store, LAYER, Bytes(ONE))
    proof = store.present(LAYER)
    assert proof
    assert (proof.digest, proof.size) == (LAYER.digest, len(ONE))


def test_a_damaged_blob_is_not_present_and_is_replaced(bundle: Source, store: LayoutStore) -> None:
    copy(bundle, store, ["app:1"])
    path = store.path / blob(sha256(ONE))
    path.write_bytes(TWO)  # as long as ONE
    assert store.present(LAYER) is None
    copy(bundle, store, ["app:1"])
    assert path.read_bytes() == ONE
    assert store.present(LAYER)


def test_a_blob_that_another_tool_wrote_is_proven_once(store: LayoutStore) -> None:
    write(store, LAYER, Bytes(ONE))
    stamp = next((store.path / ".lading" / "stamps").iterdir())
    stamp.unlink()
    assert store.present(LAYER)
    assert stamp.exists()


def test_a_link_is_no_blob_and_is_replaced_unfollowed(
    bundle: Source, store: LayoutStore, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.write_bytes(ONE)
    copy(bundle, store, ["app:1"])
    path = store.path / blob(sha256(ONE))
    path.unlink()
    path.symlink_to(target)
    with pytest.raises(UnsafeArchive, match="is a link"):
        store.image("app:1")
    copy(bundle, store, ["app:1"])
    assert not path.is_symlink()
    assert target.read_bytes() == ONE


def test_a_damaged_document_is_replaced(bundle: Source, store: LayoutStore) -> None:
    copy(bundle, store, ["app:1"])
    (store.path / blob(sha256(APP.config))).write_bytes(b"x" * len(APP.config))
    copy(bundle, store, ["app:1"])
    assert verify(store).ok


def test_without_all_blobs_nothing_is_named(bundle: Source, store: LayoutStore) -> None:
    image_ = bundle.image("app:1")
    proofs = {}
    with store.receive([image_], {}) as receiver:
        for layer in image_.layers:
            with bundle.open(layer) as content:
                proofs[layer.key] = receiver.write(layer, content)
        (store.path / blob(sha256(TWO))).unlink()
        with pytest.raises(MissingMember, match=f"blob {sha256(TWO)}: is not in"):
            receiver.finish([image_.proven(proofs)])
    assert store.listings() == []


def test_a_name_moves_to_the_image_that_comes_last(
    bundle: Source, store: LayoutStore, tmp_path: Path
) -> None:
    copy(bundle, store, ["app:1"])
    newer = open_bundle(written(tmp_path / "newer.tar", layout(("app:1", OTHER))))
    copy(newer, store, ["app:1"])
    assert [(line.names, line.id) for line in store.listings()] == [(("app:1",), sha256(OTHER.config))]


def _deliver(folder: Path, number: int, path: Path) -> None:
    for _ in range(5):
        copy(open_bundle(path), LayoutStore(folder), [f"app:{number}"])


def test_processes_that_write_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    pictures = {number: image(ONE, bytes(512 * number), TWO) for number in range(2, 6)}
    forked = multiprocessing.get_context("spawn")
    running = []
    for number, picture in pictures.items():
        path = written(tmp_path / f"{number}.tar", layout((f"app:{number}", picture)))
        running.append(forked.Process(target=_deliver, args=(folder, number, path)))
    for process in running:
        process.start()
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0] * 4
    store = LayoutStore(folder)
    assert [line.names for line in store.listings()] == [(f"app:{number}",) for number in pictures]
    assert verify(store).ok
    assert parts(store) == []


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.engine
def test_skopeo_and_umoci_read_what_we_wrote_and_we_what_they_wrote(
    bundle: Source, store: LayoutStore
) -> None:
    if not shutil.which("skopeo") or not shutil.which("umoci"):
        pytest.skip("needs skopeo and umoci")
    copy(bundle, store, ["app:1"])
    told = json.loads(run("skopeo", "inspect", f"oci:{store.path}:app:1"))
    assert told["Layers"] == APP.layers
    assert sha256(ONE) in run("umoci", "stat", "--image", f"{store.path}:app:1")
    run("skopeo", "copy", f"oci:{store.path}:app:1", f"oci:{store.path}:theirs:2")
    copy(bundle, store, ["both:1"])
    run("umoci", "tag", "--image", f"{store.path}:app:1", "other:3")
    run("umoci", "gc", "--layout", str(store.path))
    assert [line.names for line in store.listings()] == [
        ("app:1", "theirs:2", "other:3"),
        ("both:1",),
    ]
    assert verify(store).ok
    index_ = json.loads((store.path / "index.json").read_bytes())
    assert {entry["annotations"][REF_NAME] for entry in index_["manifests"]} == {
        "app:1", "both:1", "theirs:2", "other:3",
    }  # fmt: skip


def test_what_cannot_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    source = open_bundle(written(tmp_path / "a.tar", layout(("app:1", image(ONE)))))
    picture = source.image("app:1")
    assert isinstance(picture, ModernImage)
    huge = replace(picture, layers=tuple(replace(layer, size=1 << 60) for layer in picture.layers))
    store = LayoutStore(tmp_path / "store")
    with (
        pytest.raises(StoreError, match=r"needs \d+ bytes and its file system has \d+ free"),
        store.receive([huge], {}),
    ):
        pass
    assert not (tmp_path / "store").exists()
