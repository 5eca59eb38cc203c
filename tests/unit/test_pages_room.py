from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from toolkit.pages.room import counted, cut, elided, fitting


@dataclass(frozen=True)
class Item:
    text: str

    def texts(self) -> Iterable[str]:
        return (self.text,)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("app:1", "app:1"),
        ("x" * 20, "x" * 20),
        ("x" * 21, "x" * 20 + "…"),
        ("\0", r"\x00"),
        ("\0" * 20, (r"\x00" * 20)[:20] + "…"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b", r"a\u202eb"),
    ],
)
def test_a_text_is_cut_where_it_is_longer_than_its_room_as_it_is_shown(text: str, shown: str) -> None:
    assert cut(text, 20) == shown


def test_a_text_of_a_million_characters_is_cut() -> None:
    assert cut("x" * 1_000_000) == "x" * 400 + "…"


def test_a_name_keeps_its_beginning_and_its_end() -> None:
    assert elided("registry.example:5000/team/app:2.1", 34) == "registry.example:5000/team/app:2.1"
    assert elided("registry.example:5000/team/app:2.1", 20) == "registry.…am/app:2.1"


def test_as_many_items_are_shown_as_there_is_room_for() -> None:
    items = [Item("<" * 100)] * 50
    shown = fitting(items, 10_000)
    assert 0 < len(shown) < len(items)
    assert sum(len(html.escape(item.text)) for item in shown) <= 10_000
    assert fitting(items, 1_000_000) == items
    assert fitting(items, 10) == []


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 layers"), (1, "1 layer"), (2, "2 layers"), (1200, "1,200 layers")]
)
def test_a_number_of_things_is_told(number: int, text: str) -> None:
    assert counted(number, "layer") == text
