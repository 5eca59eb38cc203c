from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.plumbing.pathtable import FILE, FOLDER, IMPLIED, WHITED, PathTable, Room, key

MARKS = st.sampled_from((FILE, FOLDER, IMPLIED, WHITED))


@pytest.mark.property
@given(st.lists(st.tuples(st.binary(max_size=3), MARKS), max_size=300))
def test_it_is_a_map_from_paths_to_their_marks(steps: list[tuple[bytes, int]]) -> None:
    table, known = PathTable(), dict[bytes, int]()
    for path, mark in steps:
        assert table.marks(path) == known.get(path, 0)
        assert table.mark(path, mark) == known.get(path, 0)
        known[path] = known.get(path, 0) | mark
    assert {path: table.marks(path) for path in known} == known
    there = {key(path) for path, marks in known.items() if marks != WHITED}
    assert sorted(table.emptied()) == sorted(there)
    assert [table.marks(path) for path in known] == [0] * len(known)
    assert len(table.emptied()) == 0


def test_it_grows_and_forgets_nothing() -> None:
    table = PathTable()
    paths = [b"usr/%d" % number for number in range(10_000)]
    assert all(table.mark(path, FILE) == 0 for path in paths)
    assert all(table.marks(path) == FILE for path in paths)
    assert table.marks(b"usr") == 0
    assert len(table.emptied()) == len(paths)


def test_a_path_takes_no_more_than_thirty_two_bytes() -> None:
    table = PathTable()
    for number in range(50_000):
        table.mark(b"%d" % number, FILE)
    assert table._slots.itemsize * len(table._slots) <= 32 * 50_000


def test_there_is_room_for_so_many_paths_and_no_more() -> None:
    room = Room(5)
    few, many = array("q", [1, 2, 3]), array("q", [4, 5, 6])
    assert room.take(few) is few
    assert room.take(many) is None
    assert room.take(array("q", [4, 5])) is not None
    assert room.take(array("q")) is not None
    assert room.take(array("q", [7])) is None
