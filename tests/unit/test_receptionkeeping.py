from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image
from tests.crossings import Crossing
from tests.webpages import parsed
from toolkit.mirror.closed.receptionkeeping import keep_reception_page

NOW = datetime(2026, 11, 28, 9, 30, 1, tzinfo=UTC)


@pytest.fixture
def gap(tmp_path: Path) -> Crossing:
    return Crossing(tmp_path)


def test_each_time_has_its_page_and_what_was_there_already_none(gap: Crossing) -> None:
    medium, before = gap.send({"base:1": image(ONE), "app:1": image(ONE, TWO)}), gap.side.names()
    receptions = gap.receive(medium)
    assert keep_reception_page(gap.side, receptions, before, receipt=None, now=NOW) == []
    pages = gap.side.folder / "pages"
    [path] = pages.iterdir()
    assert path.name == "received-20261128T093001Z.html"
    assert [row[1] for row in parsed(path.read_bytes()).by_id("change-table").rows()] == ["new", "new"]
    again = gap.receive(medium)
    assert keep_reception_page(gap.side, again, gap.side.names(), receipt=None, now=NOW) == []
    assert list(pages.iterdir()) == [path]


def test_a_page_that_cannot_be_written_is_a_finding(gap: Crossing) -> None:
    receptions = gap.receive(gap.send({"base:1": image(ONE)}))
    (gap.side.folder / "pages").write_bytes(b"")
    [finding] = keep_reception_page(gap.side, receptions, {}, receipt=None, now=NOW)
    assert finding.severity == "warning"
    assert "could not be written" in finding.problem
