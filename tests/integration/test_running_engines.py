"""Real engines on private roots: noticed while they run, and neither before nor after, nor on a copy."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from tests.stores.conftest import clone
from toolkit.errors import TryAgain
from toolkit.plumbing.processes import Process
from toolkit.stores.running import refuse_running, running_engine

from .engines import Containerd, Dockerd
from .workplace import EngineMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    from .workplace import Daemon

pytestmark = [pytest.mark.engine, pytest.mark.root]

ROOTS: dict[str, tuple[Callable[[], Daemon], str, tuple[str, ...]]] = {
    "dockerd": (Dockerd, "root", ("dockerd", "containerd")),
    "containerd-of-dockerd": (Dockerd, "root/containerd/daemon", ("containerd",)),
    "containerd": (Containerd, "root", ("containerd",)),
}


def made(which: str) -> Daemon:
    try:
        return ROOTS[which][0]()
    except EngineMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("which", ROOTS)
def test_an_engine_is_noticed_while_it_runs_and_no_longer(which: str, tmp_path: Path) -> None:
    engine, (_, below, names) = made(which), ROOTS[which]
    root = engine.home / below
    root.mkdir(parents=True)
    assert running_engine(root) is None
    with engine:
        with pytest.raises(TryAgain, match=rf"is in use by ({'|'.join(names)}) \(pid \d+\), which has"):
            refuse_running(root, live=False)
        assert running_engine(clone(root, tmp_path / "copy")) is None
        assert running_engine(tmp_path) is None
    assert running_engine(tmp_path / "copy") is None
    assert running_engine(root) is None


@pytest.mark.parametrize("which", ROOTS)
def test_its_locks_alone_give_it_away(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, (_, below, names) = made(which), ROOTS[which]
    monkeypatch.setattr(Process, "named", lambda _: iter(()))
    with engine:
        seen = running_engine(engine.home / below)
        monkeypatch.setattr("toolkit.plumbing.locks.HOLDERS", "/nothing")
        unseen = running_engine(engine.home / below)
    assert seen
    assert unseen
    assert seen.engine.startswith(names)
    assert unseen.engine in names
    assert seen.how == unseen.how


def test_a_read_only_mount_of_its_root_is_the_same_root(tmp_path: Path) -> None:
    with made("dockerd") as engine:
        subprocess.run(["mount", "--bind", "-o", "ro", engine.home / "root", tmp_path], check=True)
        try:
            assert running_engine(tmp_path)
        finally:
            subprocess.run(["umount", tmp_path], check=True)


def test_an_engine_starts_while_we_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its databases are locked without waiting: the lock that we try for a moment does not turn it away."""
    monkeypatch.setattr(Process, "named", lambda _: iter(()))
    monkeypatch.setattr("toolkit.plumbing.locks.HOLDERS", "/nothing")
    engine, done = made("dockerd"), Event()
    root = engine.home / "root"

    def ask() -> None:
        while not done.is_set():
            running_engine(root)

    asking = Thread(target=ask)
    asking.start()
    try:
        with engine:
            assert running_engine(root)
    finally:
        done.set()
        asking.join()


def test_looking_leaves_nothing_behind() -> None:
    with made("containerd") as engine:
        root = engine.home / "root"
        before = settled(root)
        assert running_engine(root)
        assert state(root) == before


def settled(root: Path) -> list[tuple[str, int, int, int]]:
    """Return the state once the engine itself writes nothing any more: it begins before it is ready."""
    before = state(root)
    for _ in range(100):
        time.sleep(0.2)
        if (now := state(root)) == before:
            return now
        before = now
    raise AssertionError("the engine does not come to rest")


def state(root: Path) -> list[tuple[str, int, int, int]]:
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]
    facts = [(path, os.lstat(path)) for path in sorted(paths)]
    return [(path, fact.st_size, fact.st_mtime_ns, fact.st_ctime_ns) for path, fact in facts]
