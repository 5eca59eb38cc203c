from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.printable import LIMIT, printable


@pytest.mark.parametrize("text", ["", "ubuntu:14.04", "Zürich", "漢字", "a b"])
def test_plain_text_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\r", r"a\nb\r"),
        ("\x00", r"\x00"),
        ("\x9b1m", r"\x9b1m"),  # the one-byte CSI
        ("\u202egnp.exe", r"\u202egnp.exe"),  # right-to-left override
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),  # a tag character, invisible
        ("\u200b", r"\u200b"),
    ],
)
def test_what_could_move_the_cursor_or_lie_is_escaped(hostile: str, shown: str) -> None:
    assert printable(hostile) == shown


def test_a_name_of_a_megabyte_is_cut() -> None:
    assert printable("x" * 1_000_000) == "x" * LIMIT + "…"
    assert printable("abcdef", 3) == "abc…"


@pytest.mark.property
@given(st.text(st.characters(codec=None), max_size=300))
def test_nothing_unprintable_comes_out(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
