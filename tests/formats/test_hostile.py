"""Archives made by hand to trip readers up: those of them that lie here; the others need the corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verdicts import HOSTILE, VECTORS, Row, verdict, wrongs

DATA = Path(__file__).parents[1] / "data"
HERE = [
    (folder / row.file, row)
    for folder, rows in ((DATA / "hostile", HOSTILE), (DATA / "vectors", VECTORS))
    for row in rows
    if (folder / row.file).is_file()
]


@pytest.mark.parametrize(("path", "row"), HERE, ids=[path.name for path, _ in HERE])
def test_a_hostile_file_has_the_verdict_that_is_written_down(here: Path, path: Path, row: Row) -> None:
    assert list(wrongs(row, verdict(path, here / "store"))) == []


def test_what_lies_here_is_taken_refused_and_warned_of() -> None:
    assert {row.ours for _, row in HERE} == {
        "accepted", "accepted, warns", "refused 4", "refused 5", "refused 6",
    }  # fmt: skip
    assert {path.name for path in (DATA / "hostile").iterdir()} <= {row.file for _, row in HERE}


@pytest.mark.parametrize("row", [*HOSTILE, *VECTORS], ids=lambda row: row.file)
def test_every_difference_from_an_engine_is_explained(row: Row) -> None:
    assert bool(row.why) == row.differs
    assert len(row.engines) == 3
