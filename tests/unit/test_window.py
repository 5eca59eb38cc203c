from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.mirror.window import Window


def test_a_window_may_go_over_midnight() -> None:
    night = Window.parse("22:00-05:00")
    assert [hour for hour in range(24) if time(hour) in night] == [0, 1, 2, 3, 4, 22, 23]
    assert time(4, 59, 59) in night
    day = Window.parse("09:30-17:00")
    assert time(9, 29) not in day
    assert time(9, 30) in day
    assert time(17) not in day


@given(st.times(), st.times(), st.times())
def test_a_window_and_its_opposite_are_the_whole_day(opens: time, closes: time, now: time) -> None:
    if opens != closes:
        assert (now in Window(opens, closes)) != (now in Window(closes, opens))


def test_a_window_prints_itself() -> None:
    assert str(Window.parse("22:00-05:00")) == "22:00-05:00"


@pytest.mark.parametrize(
    "text", ["", "22-5", "24:00-05:00", "22:00", "22:00-22:00", "9:00-10:00", "22:00-05:60"]
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="two times"):
        Window.parse(text)
