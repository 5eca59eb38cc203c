"""Of several processes that are about to do the same work, one does it."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from toolkit.errors import NotFound
from toolkit.plumbing.turns import turn, turn_name


def test_whoever_waits_finds_the_work_done(tmp_path: Path) -> None:
    path, seen = tmp_path / "target", []

    def work() -> None:
        with turn(path):
            seen.append(path.exists())
            path.touch()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [False] + [True] * 7
    assert [item.name for item in tmp_path.iterdir()] == ["target"]


def test_a_turn_is_held_until_its_block_ends(tmp_path: Path) -> None:
    with turn(tmp_path / "target"):
        handle = os.open(turn_name(tmp_path / "target"), os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)


def test_a_turn_that_failed_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), turn(tmp_path / "target"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_turn_left_is_no_obstacle(tmp_path: Path) -> None:
    turn_name(tmp_path / "target").touch()
    with turn(tmp_path / "target"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127])
def test_the_longest_names_have_a_turn_too(tmp_path: Path, name: str) -> None:
    with turn(tmp_path / name):
        assert len(os.fsencode(turn_name(tmp_path / name).name)) <= 255


def test_a_turn_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound), turn(tmp_path / "missing" / "target"):
        pass
