"""What the closed side makes of sets on media: whole, in any order, twice, damaged, hostile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, index
from tests.crossings import Crossing

BASE, APP, TOOL = image(ONE), image(ONE, TWO), image(TWO)
MULTI = index(APP, TOOL)
ALL = {"base:1": BASE, "app:1": APP, "multi:1": MULTI}


@pytest.fixture
def gap(tmp_path: Path) -> Crossing:
    return Crossing(tmp_path)


def test_a_first_set_is_all_there_afterwards(gap: Crossing) -> None:
    [told] = gap.receive(gap.send(ALL))
    assert (told.name, told.state, told.error) == ("plant-7_0001", "received", None)
    assert gap.names() == {name: picture.digest for name, picture in ALL.items()}
    assert all(gap.is_whole(picture) for picture in ALL.values())
    assert [each.number for each in gap.side.received()] == [1]
