from __future__ import annotations

import pytest

from toolkit.errors import CorruptContent, NotFound, ToolkitError, TryAgain, UnsafeArchive
from toolkit.mirror.records.reception import RECEIVED, REFUSED, Reception, verdict

DONE = Reception("plant-7_0001", RECEIVED)
WAITS, LACKS = TryAgain("a", "waits"), NotFound("b", "lacks")
DAMAGED, UNSAFE = CorruptContent("c", "is damaged"), UnsafeArchive("d", "is unsafe")


def refused(*errors: ToolkitError) -> list[Reception]:
    return [Reception(f"plant-7_{number:04}", REFUSED, error=error) for number, error in enumerate(errors, 2)]


def test_where_all_is_there_nothing_is_told() -> None:
    assert verdict([DONE]) is None
    assert verdict([]) is None


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ([WAITS], WAITS),
        ([WAITS, LACKS], LACKS),
        ([LACKS, DAMAGED, WAITS], DAMAGED),
        ([DAMAGED, UNSAFE], UNSAFE),
    ],
)
def test_of_several_refusals_the_gravest_is_what_it_ends_with(
    errors: list[ToolkitError], told: ToolkitError
) -> None:
    assert verdict(refused(*errors)) is told


def test_some_that_are_there_and_some_that_are_not_are_gaps() -> None:
    end = verdict([DONE, *refused(UNSAFE, WAITS)])
    assert end
    assert (end.exit_code, str(end)) == (
        8,
        "2 of 3 sets could not be received: plant-7_0002, plant-7_0003; what to do is said above of each",
    )


def test_a_reception_in_json() -> None:
    assert refused(LACKS)[0].to_json() == {
        "set": "plant-7_0002",
        "state": "refused",
        "date": None,
        "images": None,
        "new": None,
        "stored": 0,
        "behind": [],
        "error": "b: lacks",
        "exit_code": 3,
        "findings": [],
    }
