from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.neighbours import made, neighbour
from toolkit.errors import NotFound, TryAgain
from toolkit.plumbing import locks
from toolkit.plumbing.locks import flock_holders
from toolkit.plumbing.sharedlock import alone, together

SUBJECT, WHAT = "oci:/store", "is being written to"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "writers.lock"


def test_many_hold_it_together_and_nobody_alone_meanwhile(file: Path) -> None:
    ours = rf"^oci:/store: is being written to by process {os.getpid()}; "
    with together(file), together(file), pytest.raises(TryAgain, match=ours):
        alone(file, SUBJECT, WHAT).__enter__()
    with alone(file, SUBJECT, WHAT):
        pass


def test_another_process_that_holds_it_is_named(file: Path) -> None:
    with neighbour("neighbour", holds=made(file), lock="shared") as pid:
        with together(file), pytest.raises(TryAgain, match=rf"by process {min(pid, os.getpid())}, \d+; wait"):
            alone(file, SUBJECT, WHAT).__enter__()
        with pytest.raises(TryAgain, match=rf"by process {pid}; wait for it to end$"):
            alone(file, SUBJECT, WHAT).__enter__()


def test_of_many_holders_a_few_are_named(file: Path) -> None:
    made(file)
    with (
        neighbour("a", holds=file, lock="shared"),
        neighbour("b", holds=file, lock="shared"),
        neighbour("c", holds=file, lock="shared"),
        neighbour("d", holds=file, lock="shared"),
        pytest.raises(TryAgain, match=r"by process \d+, \d+, \d+ and 1 more; "),
    ):
        alone(file, SUBJECT, WHAT).__enter__()


def test_holders_that_the_kernel_does_not_tell_of_hold_it_all_the_same(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "HOLDERS", "/nothing")
    unseen = pytest.raises(TryAgain, match="by another process; wait")
    with neighbour("neighbour", holds=made(file), lock="shared"), unseen:
        alone(file, SUBJECT, WHAT).__enter__()


def test_whoever_holds_it_alone_is_waited_for_by_all_others(file: Path) -> None:
    began, order = threading.Event(), list[str]()

    def other() -> None:
        began.set()
        with together(file):
            order.append("other")

    thread = threading.Thread(target=other)
    with alone(file, SUBJECT, WHAT):
        thread.start()
        began.wait()
        while not any(pid == os.getpid() for pid in waiting(file)):
            pass
        order.append("alone")
    thread.join()
    assert order == ["alone", "other"]


def waiting(file: Path) -> list[int]:
    """The processes that wait for the lock, by the kernel's own list."""
    inode = str(file.stat().st_ino)
    lines = [line.split() for line in Path(locks.HOLDERS).read_text(encoding="ascii").splitlines()]
    return [int(words[5]) for words in lines if words[1] == "->" and words[6].endswith(f":{inode}")]


def test_one_who_waits_holds_nothing(file: Path) -> None:
    handle = os.open(made(file), os.O_RDONLY)
    with neighbour("neighbour", holds=file, lock="flock") as pid:
        assert flock_holders(handle) == [pid]
    assert flock_holders(handle) == []
    os.close(handle)


def test_a_lock_that_was_removed_while_it_was_waited_for_is_taken_anew(file: Path) -> None:
    got = threading.Event()

    def other() -> None:
        with together(file):
            got.set()
            assert file.exists()

    thread = threading.Thread(target=other)
    with alone(file, SUBJECT, WHAT):
        thread.start()
        while not waiting(file):
            pass
        file.unlink()
    thread.join()
    assert got.is_set()


def test_a_copy_by_hard_link_is_the_same_lock(file: Path, tmp_path: Path) -> None:
    made(file)
    os.link(file, tmp_path / "copy")
    with together(file), pytest.raises(TryAgain):
        alone(tmp_path / "copy", SUBJECT, WHAT).__enter__()
    assert file.exists()


def test_without_a_folder_there_is_no_lock(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        together(tmp_path / "none" / "lock").__enter__()


def test_what_is_raised_inside_stays_what_it_is(file: Path) -> None:
    with pytest.raises(BrokenPipeError), together(file):
        raise BrokenPipeError
