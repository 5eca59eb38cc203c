"""What a registry does wrong comes to what TABLE.md says."""

from __future__ import annotations

from pathlib import Path

import pytest

from .scene import Row, played
from .table import ROWS, expected, line

EXPECTED = expected()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_misbehaviour_comes_to_what_the_table_says(row: Row, tmp_path: Path) -> None:
    outcome = played(row, tmp_path)
    assert not outcome.wrong
    assert line(row.id, outcome.code, outcome.sentence) == EXPECTED[row.id]


def test_the_table_has_each_row_once_and_no_other() -> None:
    assert list(EXPECTED) == [row.id for row in ROWS]
