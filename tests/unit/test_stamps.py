from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, sha256
from toolkit.digest import Digest
from toolkit.image import Layer, Proof
from toolkit.plumbing.files import Stamp
from toolkit.stores.stamps import Stamps

ONE_, TWO_ = Digest.parse(sha256(ONE)), Digest.parse(sha256(TWO))
BARE = Layer("key", len(ONE), ONE_)
PLAIN, PACKED = Proof(ONE_, len(ONE), ONE_), Proof(ONE_, len(ONE), TWO_, "gzip")


@pytest.fixture
def stamps(tmp_path: Path) -> Stamps:
    (tmp_path / "stamps").mkdir()
    return Stamps(tmp_path / "stamps")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(ONE)
    return path


def stamp(path: Path) -> Stamp:
    found = Stamp.of(path)
    assert found
    return found


def test_what_was_proven_is_proven_while_nobody_touches_it(stamps: Stamps, file: Path) -> None:
    stamps.put(BARE, PLAIN, stamp(file))
    assert stamps.proof(BARE, stamp(file)) == PLAIN
    os.utime(file)
    assert stamps.proof(BARE, stamp(file)) is None


def test_a_diff_id_that_was_proven_is_remembered(stamps: Stamps, file: Path) -> None:
    stamps.put(BARE, PACKED, stamp(file))
    assert stamps.proof(BARE, stamp(file)) == PACKED


def test_a_diff_id_that_was_only_claimed_is_not(stamps: Stamps, file: Path) -> None:
    claims = Layer("key", len(ONE), ONE_, TWO_)
    stamps.put(claims, PACKED, stamp(file))
    assert stamps.proof(claims, stamp(file)) == PACKED
    assert stamps.proof(BARE, stamp(file)) is None


def test_another_diff_id_than_the_proven_one_is_no_proof(stamps: Stamps, file: Path) -> None:
    stamps.put(BARE, PACKED, stamp(file))
    assert stamps.proof(Layer("key", len(ONE), ONE_, ONE_), stamp(file)) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"stamp":7}', b"\xff", b"[" * 4000, b"x" * 5000])
def test_a_damaged_stamp_proves_nothing(stamps: Stamps, file: Path, content: bytes) -> None:
    stamps.put(BARE, PLAIN, stamp(file))
    (path,) = stamps.folder.iterdir()
    path.write_bytes(content)
    assert stamps.proof(BARE, stamp(file)) is None
    for bad in (b"7", b'"x"'):
        whole = b'{"stamp":%s,"diff_id":%s,"compression":""}'
        path.write_bytes(whole % (str(stamp(file).to_json()).encode(), bad))
        assert stamps.proof(BARE, stamp(file)) is None


def test_nothing_is_known_of_what_was_never_stamped(stamps: Stamps, file: Path) -> None:
    assert stamps.proof(BARE, stamp(file)) is None
    assert stamps.proof(Layer("key", 1), stamp(file)) is None
