from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.neighbours import made, neighbour
from toolkit.plumbing import locks
from toolkit.plumbing.locks import UNSEEN, flock_holder, write_lock_holder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return made(tmp_path / "file")


@pytest.fixture
def handle(file: Path) -> Iterator[int]:
    handle = os.open(file, os.O_RDONLY)
    yield handle
    os.close(handle)


def test_who_holds_an_exclusive_flock_is_told_until_it_ends(file: Path, handle: int) -> None:
    with neighbour("neighbour", holds=file, lock="flock") as pid:
        assert flock_holder(handle) == pid
        assert write_lock_holder(handle) is None
    assert flock_holder(handle) is None


def test_one_whom_the_kernels_list_does_not_tell_of_is_noticed(
    file: Path, handle: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "HOLDERS", "/nothing")
    with neighbour("neighbour", holds=file, lock="flock"):
        assert flock_holder(handle) == UNSEEN
    assert flock_holder(handle) is None


def test_who_holds_an_fcntl_lock_to_write_is_told_until_it_ends(file: Path, handle: int) -> None:
    with neighbour("neighbour", holds=file, lock="write") as pid:
        assert write_lock_holder(handle) == pid
        assert flock_holder(handle) is None
    assert write_lock_holder(handle) is None


@pytest.mark.parametrize("lock", ["", "shared", "read"])
def test_a_lock_that_others_may_share_is_none(file: Path, handle: int, lock: str) -> None:
    with neighbour("neighbour", holds=file, lock=lock):
        assert flock_holder(handle) is None
        assert write_lock_holder(handle) is None


def test_our_own_lock_is_nobody_elses(file: Path, handle: int) -> None:
    with file.open("r+b") as own:
        fcntl.flock(own, fcntl.LOCK_EX)
        assert flock_holder(handle) is None
    with file.open("r+b") as own:
        fcntl.lockf(own, fcntl.LOCK_EX)
        assert write_lock_holder(handle) is None


def test_asking_leaves_no_lock(file: Path, handle: int) -> None:
    assert flock_holder(handle) is None
    with file.open("r+b") as own:
        fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
