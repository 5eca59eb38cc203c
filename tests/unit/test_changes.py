from __future__ import annotations

from tests.nights import digest
from toolkit.mirror.records.changes import GONE, MOVED, NEW, Change, changes

A, B, C = map(digest, "ABC")


def test_what_changed_is_told_by_kind_then_by_name() -> None:
    before = {"same": A, "moved": A, "gone": B, "also gone": C}
    after = {"same": A, "moved": B, "new": C, "also new": A}
    found = changes(before, after)
    assert found == (
        Change("also new", None, A),
        Change("new", None, C),
        Change("moved", A, B),
        Change("also gone", C, None),
        Change("gone", B, None),
    )
    assert [each.kind for each in found] == [NEW, NEW, MOVED, GONE, GONE]


def test_what_could_not_be_had_is_not_gone() -> None:
    assert changes({"lost": A, "gone": A}, {}, {"lost"}) == (Change("gone", A, None),)
    assert changes({"found": A}, {"found": B}, {"found"}) == (Change("found", A, B),)


def test_nothing_changed_is_nothing() -> None:
    assert changes({"same": A}, {"same": A}) == changes({}, {}) == ()
