from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from toolkit.errors import TryAgain
from toolkit.mirror.records.hold import held

NIGHT = datetime(2026, 11, 27, 2, tzinfo=UTC)


def hold_on(folder: Path, told: Connection) -> None:
    with held(folder, "site plant-7", "lading mirror run", NIGHT):
        told.send("held")
        signal.pause()


def other(folder: Path) -> multiprocessing.process.BaseProcess:
    """Return a process that holds the folder until it is killed."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=hold_on, args=(folder, there))
    process.start()
    assert here.recv() == "held"
    return process


def killed(process: multiprocessing.process.BaseProcess) -> None:
    process.kill()
    process.join()


def test_a_second_run_is_told_who_holds_it_and_since_when(tmp_path: Path) -> None:
    process = other(tmp_path)
    sentence = (
        f"^site plant-7: is held by lading mirror run, process {process.pid} on {os.uname().nodename}, "
        "since 2026-11-27T02:00:00Z; wait for it to end, or end it$"
    )
    with pytest.raises(TryAgain, match=sentence) as refused, held(tmp_path, "site plant-7", "status", NIGHT):
        pass
    killed(process)
    assert refused.value.exit_code == 75


def test_a_run_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    killed(other(tmp_path))
    with held(tmp_path, "site plant-7", "lading mirror run", NIGHT):
        pass


def test_one_who_has_not_signed_yet_is_still_told_of(tmp_path: Path) -> None:
    process = other(tmp_path)
    (tmp_path / "run.lock").write_bytes(b"\0")
    with pytest.raises(TryAgain, match="is held by another run"), held(tmp_path, "site", "status", NIGHT):
        pass
    killed(process)


def test_what_is_asked_to_try_again_within_is_told_as_it_is(tmp_path: Path) -> None:
    with (
        pytest.raises(TryAgain, match=r"^registry: is busy$"),
        held(tmp_path, "site", "run", NIGHT),
    ):
        raise TryAgain("registry", "is busy")


def test_what_a_killed_run_left_half_made_is_removed(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    leftover = tmp_path / "sets" / ".0007.json.part"
    leftover.write_bytes(b"{")
    with held(tmp_path, "site", "run", NIGHT):
        assert not leftover.exists()
