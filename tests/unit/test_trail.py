from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from toolkit.errors import CorruptContent, UsageError
from toolkit.mirror.records.chain import LINE_LIMIT, Tip, proven
from toolkit.mirror.records.trail import Trail

NIGHT = datetime(2026, 11, 27, 2, tzinfo=UTC)


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path / "site" / "trail.jsonl")


def filled(trail: Trail, *events: str) -> Tip:
    tips = [trail.append(event, NIGHT, {"set": "plant-7_0007"}) for event in events]
    return tips[-1]


def test_a_log_that_nobody_wrote_to_is_empty(trail: Trail) -> None:
    assert trail.tip() == trail.proven() == Tip()
    assert trail.raw() == b""
    assert not trail.path.exists()


def test_each_event_is_a_line_that_vouches_for_the_one_before(trail: Trail) -> None:
    tip = filled(trail, "sent", "receipt", "lost")
    assert [line.event for line in trail.lines()] == ["sent", "receipt", "lost"]
    assert trail.proven(tip) == trail.tip() == tip == proven(trail.raw().splitlines(keepends=True), "trail")


def test_what_a_killed_run_left_of_a_line_goes_with_the_next_event(trail: Trail) -> None:
    filled(trail, "sent", "receipt")
    whole = trail.raw()
    for cut in (1, 40, len(whole.splitlines(keepends=True)[1]) - 1):
        trail.path.write_bytes(whole + whole.splitlines(keepends=True)[1][:cut])
        assert trail.raw() == whole
        assert trail.tip().lines == trail.proven().lines == 2
    trail.append("lost", NIGHT)
    assert trail.raw().startswith(whole)
    assert trail.proven().lines == 3


def test_a_first_line_that_was_never_whole_counts_for_nothing(trail: Trail) -> None:
    filled(trail, "sent")
    trail.path.write_bytes(trail.raw()[:30])
    assert trail.tip() == trail.proven() == Tip()
    assert filled(trail, "sent").lines == 1


def test_an_event_too_long_for_a_line_is_refused_and_nothing_is_written(trail: Trail) -> None:
    filled(trail, "sent")
    before = trail.raw()
    with pytest.raises(UsageError, match="expected at most 16384"):
        trail.append("sent", NIGHT, {"fact": "x" * LINE_LIMIT})
    assert trail.raw() == before


def test_nothing_is_added_behind_a_line_that_was_changed_beyond_reading(trail: Trail) -> None:
    filled(trail, "sent")
    trail.path.write_bytes(trail.raw().replace(b'"n":1', b'"n":x'))
    with pytest.raises(CorruptContent, match=r"the last line of .* is not valid JSON"):
        trail.append("sent", NIGHT)
    trail.path.write_bytes(b"x" * (3 * LINE_LIMIT) + b"\n")
    with pytest.raises(CorruptContent, match="its last line is no line of a log"):
        trail.append("sent", NIGHT)


def test_the_log_of_the_other_side_grows_with_every_copy_that_travelled(trail: Trail, tmp_path: Path) -> None:
    theirs = Trail(tmp_path / "carried.jsonl")
    filled(trail, "sent", "receipt")
    early = trail.raw()
    theirs.take(early, "set 1")
    filled(trail, "sent")
    assert theirs.take(trail.raw(), "set 2") == trail.tip()
    assert theirs.take(early, "set 1 once more") == trail.tip()
    assert theirs.raw() == trail.raw()


def test_a_copy_that_is_not_what_came_before_is_refused_with_the_line(trail: Trail, tmp_path: Path) -> None:
    other, theirs = Trail(tmp_path / "other.jsonl"), Trail(tmp_path / "carried.jsonl")
    filled(trail, "sent", "receipt", "sent")
    filled(other, "sent", "lost")
    theirs.take(trail.raw(), "set 1")
    with pytest.raises(CorruptContent, match=r"^set 2: line 2 is not the one that came before"):
        theirs.take(other.raw(), "set 2")
    with pytest.raises(CorruptContent, match=r"^set 3: line 1 was changed"):
        theirs.take(trail.raw().replace(b"sent", b"lost", 1), "set 3")
    assert theirs.raw() == trail.raw()


def add_twenty(path: Path) -> None:
    for _ in range(20):
        Trail(path).append("sent", NIGHT)


def test_several_processes_write_whole_lines(trail: Trail) -> None:
    processes = [
        multiprocessing.get_context("fork").Process(target=add_twenty, args=(trail.path,)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert trail.proven().lines == 60
