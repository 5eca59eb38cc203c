from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.archives import (
    ONE,
    TWO,
    A,
    B,
    blob,
    encode,
    image,
    layout,
    sha256,
    unpacked,
    v1_folder,
    v1_json,
    written,
)
from toolkit.bundles import open_bundle
from toolkit.digest import Digest
from toolkit.errors import Mismatch, NotFound
from toolkit.image import Layer, Proof
from toolkit.operations.copy import copy
from toolkit.operations.staging import CLAIMS, StagedSource, Staging
from toolkit.operations.through import Through
from toolkit.operations.verify import verify
from toolkit.plumbing.streams import ProvenExtent
from toolkit.ports import Block, Content, Proves, Source
from toolkit.stores.layout import LayoutStore

APP = image(ONE, TWO)
ONE_ = Digest.parse(sha256(ONE))
PROOF = Proof(ONE_, len(ONE), ONE_)
CLAIMANT = """
import sys
from pathlib import Path
from toolkit.operations.staging import Staging
staging = Staging(Path(sys.argv[1]))
staging.claim(sys.argv[2], sys.argv[3], sys.argv[4:])
print("claimed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(unpacked(tmp_path / "store", layout(("app:1", APP))))


@pytest.fixture
def bundle(tmp_path: Path) -> Source:
    return open_bundle(written(tmp_path / "in.tar", layout(("app:1", APP))))


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "layers")


@contextmanager
def claimant(staging: Staging, owner: str, source: Source, *keys: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that claims these layers and lives on."""
    command = [sys.executable, "-c", CLAIMANT, str(staging.folder), owner, source.place, *keys]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "claimed\n"
        try:
            yield other
        finally:
            other.kill()


def staged(staging: Staging, source: Source) -> list[bool]:
    return [staging.proof(source.place, layer.key) is not None for layer in source.image("app:1").layers]


def stage_all(staging: Staging, source: Source) -> None:
    for layer in source.image("app:1").layers:
        staging.stage(source, layer)


# ── staging ──


def test_a_staged_layer_is_the_exact_bytes_and_proven(staging: Staging, bundle: Source) -> None:
    layer = bundle.layer(sha256(ONE))
    assert staging.proof(bundle.place, layer.key) is None
    assert staging.stage(bundle, layer) == staging.proof(bundle.place, layer.key) == PROOF
    folder = staging.place_of(bundle.place, layer.key)
    assert sorted(os.listdir(folder)) == ["layer.tar", "receipt.json"]
    assert (folder / "layer.tar").read_bytes() == ONE


def test_a_legacy_layer_is_staged_with_its_own_json(staging: Staging, tmp_path: Path) -> None:
    members = v1_folder(A, layer=ONE) | {"repositories": encode({"app": {"1": A}})}
    source = open_bundle(written(tmp_path / "v1.tar", members))
    staging.stage(source, source.layer(A))
    assert (staging.place_of(source.place, A) / "json").read_bytes() == v1_json(A, architecture="amd64")


def test_layers_of_two_places_do_not_meet(staging: Staging, store: LayoutStore, bundle: Source) -> None:
    stage_all(staging, bundle)
    assert staged(staging, bundle) == [True, True]
    assert staged(staging, store) == [False, False]


def test_a_blob_of_an_oci_store_is_shared(staging: Staging, store: LayoutStore) -> None:
    staging.stage(store, store.layer(sha256(ONE)))
    original = (store.path / blob(sha256(ONE))).stat()
    copied = (staging.place_of(store.place, sha256(ONE)) / "layer.tar").stat()
    assert (copied.st_dev, copied.st_ino) == (original.st_dev, original.st_ino)
    assert staging.proof(store.place, sha256(ONE)) == PROOF


def test_what_cannot_be_shared_is_copied(staging: Staging, bundle: Source, tmp_path: Path) -> None:
    """A layer inside a bundle is no file of its own."""
    staging.stage(bundle, bundle.layer(sha256(ONE)))
    path = staging.place_of(bundle.place, sha256(ONE)) / "layer.tar"
    assert path.stat().st_nlink == 1
    assert path.stat().st_ino != (tmp_path / "in.tar").stat().st_ino


def test_a_damaged_layer_is_not_staged(staging: Staging, store: LayoutStore) -> None:
    layer = store.layer(sha256(ONE))
    (store.path / blob(sha256(ONE))).write_bytes(ONE[:-1] + b"x")
    with pytest.raises(Mismatch, match="digest is"):
        staging.stage(store, layer)
    assert staging.proof(store.place, layer.key) is None


def test_two_runs_stage_a_layer_once(staging: Staging, bundle: Source) -> None:
    class Counted(Through):
        opened = 0

        @contextmanager
        def open(self, layer: Layer) -> Iterator[Content]:
            self.opened += 1
            with super().open(layer) as content:
                yield content

    source = Counted(bundle)
    layer = source.layer(sha256(ONE))
    threads = [threading.Thread(target=staging.stage, args=(source, layer)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.opened == 1
    assert staging.proof(source.place, layer.key) == PROOF


# ── proofs ──


def touch(path: Path) -> None:
    os.utime(path, ns=(0, 0))


def replace_it(path: Path) -> None:
    path.with_name("other").write_bytes(ONE)
    os.replace(path.with_name("other"), path)


@pytest.mark.parametrize("do", [touch, replace_it, Path.unlink, lambda path: os.truncate(path, 5)])
def test_a_layer_that_was_touched_is_not_proven(staging: Staging, bundle: Source, do: object) -> None:
    staging.stage(bundle, layer := bundle.layer(sha256(ONE)))
    assert callable(do)
    do(staging.place_of(bundle.place, layer.key) / "layer.tar")
    assert staging.proof(bundle.place, layer.key) is None
    with pytest.raises(NotFound, match="is not staged"), staging.open(bundle.place, layer):
        pass
    assert staging.stage(bundle, layer) == PROOF  # and the next run makes it again


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"{}", b"{", b"\xff", b"[" * 5000, b'{"stamp":[1,2,3,4]}', bytes(1 << 17)],
)
def test_a_damaged_receipt_proves_nothing(staging: Staging, bundle: Source, content: bytes) -> None:
    staging.stage(bundle, bundle.layer(sha256(ONE)))
    receipt = staging.place_of(bundle.place, sha256(ONE)) / "receipt.json"
    whole = json.loads(receipt.read_bytes())
    receipt.write_bytes(content)
    assert staging.proof(bundle.place, sha256(ONE)) is None
    for key in ("stamp", "digest", "diff_id", "size", "compression"):
        for other in ({}, {key: None}, {key: True}, {key: [1]}):
            receipt.write_bytes(encode({name: value for name, value in whole.items() if name != key} | other))
            assert staging.proof(bundle.place, sha256(ONE)) is None


def test_a_staged_source_gives_the_staged_bytes_without_reading_them(
    staging: Staging, bundle: Source
) -> None:
    stage_all(staging, bundle)
    source = StagedSource(bundle, staging)
    layer = source.image("app:1").layers[0]
    with source.open(layer) as content:
        assert isinstance(content, ProvenExtent)
        assert content.proof == PROOF
        assert b"".join(map(bytes, content.blocks())) == ONE


def test_a_staged_source_is_its_source_otherwise(staging: Staging, bundle: Source) -> None:
    source = StagedSource(bundle, staging)
    assert source.place == bundle.place
    assert source.listings() == bundle.listings()
    assert source.identify("app:1") == bundle.identify("app:1") == APP.digest
    assert source.outline("app:1") == bundle.outline("app:1")
    assert source.layer_keys("app:1") == bundle.layer_keys("app:1") == (sha256(ONE), sha256(TWO))


def test_staged_layers_become_an_image(tmp_path: Path, staging: Staging, bundle: Source) -> None:
    stage_all(staging, bundle)
    copy(StagedSource(bundle, staging), LayoutStore(tmp_path / "out"), ["app:1"])
    assert verify(LayoutStore(tmp_path / "out"), ["app:1"]).ok


# ── claims ──


def test_the_end_of_a_run_leaves_nothing(staging: Staging, bundle: Source) -> None:
    staging.claim("me", bundle.place, [sha256(ONE), sha256(TWO)])
    stage_all(staging, bundle)
    staging.release("me")
    assert os.listdir(staging.folder) == []


def test_what_a_living_run_claims_stays(staging: Staging, bundle: Source) -> None:
    stage_all(staging, bundle)
    with claimant(staging, "other", bundle, sha256(TWO)):
        staging.claim("me", bundle.place, [sha256(ONE), sha256(TWO)])
        staging.release("me")
        assert staged(staging, bundle) == [False, True]
    staging.release("me")
    assert os.listdir(staging.folder) == []


def test_a_dead_runs_claim_holds_nothing(staging: Staging, bundle: Source) -> None:
    stage_all(staging, bundle)
    with claimant(staging, "other", bundle, sha256(ONE), sha256(TWO)) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert os.listdir(staging.folder / CLAIMS) == ["other"]
    staging.release("me")
    assert os.listdir(staging.folder) == []


def test_another_claim_of_this_process_holds_too(staging: Staging, bundle: Source) -> None:
    stage_all(staging, bundle)
    staging.claim("one", bundle.place, [sha256(ONE)])
    staging.claim("two", bundle.place, [sha256(TWO)])
    staging.release("one")
    assert staged(staging, bundle) == [False, True]
    staging.release("two")
    assert os.listdir(staging.folder) == []


def test_two_runs_of_one_image_do_not_take_each_others_layers(staging: Staging, bundle: Source) -> None:
    stage_all(staging, bundle)
    with claimant(staging, "same", bundle, sha256(ONE), sha256(TWO)):
        staging.claim("same", bundle.place, [sha256(ONE), sha256(TWO)])
        staging.release("same")
        assert staged(staging, bundle) == [True, True]


def test_a_claim_that_is_just_being_written_holds_everything(staging: Staging, bundle: Source) -> None:
    stage_all(staging, bundle)
    with claimant(staging, "other", bundle):
        staging.release("me")
        assert staged(staging, bundle) == [True, True]


def test_a_claim_may_be_said_again_with_other_layers(staging: Staging, bundle: Source) -> None:
    stage_all(staging, bundle)
    staging.claim("one", bundle.place, [sha256(ONE), sha256(TWO)])
    staging.claim("one", bundle.place, [sha256(ONE)])
    staging.release("nobody")
    assert staged(staging, bundle) == [True, False]
    staging.release("one")


def test_claims_made_while_others_look_for_dead_ones_are_kept(staging: Staging, bundle: Source) -> None:
    """Between its creation and its lock, a claim looks like a dead run's."""
    stop = threading.Event()

    def look() -> None:
        other = Staging(staging.folder)
        while not stop.is_set():
            other.release("nobody")

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for number in range(50):
            staging.claim(f"claim {number}", bundle.place, [B])
            assert (staging.folder / CLAIMS / f"claim {number}").read_text()
            staging.release(f"claim {number}")
    finally:
        stop.set()
        looking.join()


def test_what_staging_proved_is_known_before_it_is_carried(staging: Staging, bundle: Source) -> None:
    stage_all(staging, bundle)
    source = StagedSource(bundle, staging)
    assert isinstance(source, Proves)
    proofs = [source.proof(layer) for layer in bundle.image("app:1").layers]
    assert [str(proof.digest) for proof in proofs if proof] == [sha256(ONE), sha256(TWO)]


def test_sweeping_removes_what_is_half_written(staging: Staging, bundle: Source) -> None:
    stage_all(staging, bundle)
    folder = staging.place_of(bundle.place, sha256(ONE))
    (folder / ".layer.tar.part").write_bytes(b"half")
    staging.sweep()
    assert sorted(os.listdir(folder)) == ["layer.tar", "receipt.json"]
    assert staged(staging, bundle) == [True, True]
    shutil.rmtree(staging.folder)
    staging.sweep()
    staging.release("me")


def test_a_layer_that_comes_by_itself_is_staged_by_its_digest(staging: Staging, bundle: Source) -> None:
    with staging.landing(bundle.place) as land:
        for layer in bundle.image("app:1").layers:
            with bundle.open(layer) as content:
                land(Layer("as it comes", layer.size), content)
    assert staged(staging, bundle) == [True] * len(bundle.image("app:1").layers)
    assert not [path for path in staging.folder.iterdir() if "arriving" in path.name]


def test_a_layer_that_comes_damaged_is_not_staged(staging: Staging, bundle: Source) -> None:
    layer = bundle.image("app:1").layers[0]
    with (
        staging.landing(bundle.place) as land,
        bundle.open(layer) as content,
        pytest.raises(Mismatch),
    ):
        land(Layer("as it comes", layer.size, Digest.of(b"another")), content)
    assert list(staging.folder.iterdir()) == []


def test_a_layer_that_is_staged_is_not_read_again(staging: Staging, bundle: Source) -> None:
    stage_all(staging, bundle)
    layer = bundle.image("app:1").layers[0]
    with staging.landing(bundle.place) as land:
        assert land(Layer("as it comes", layer.size, layer.digest), Unreadable()).digest == layer.digest


class Unreadable:
    size = 1

    def blocks(self) -> Iterator[Block]:
        raise AssertionError
