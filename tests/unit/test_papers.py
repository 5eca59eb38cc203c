from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.document import Node
from toolkit.errors import InvalidDocument, UsageError
from toolkit.mirror.records import papers


@pytest.mark.parametrize("text", ["a", "plant-7", "Plant_7", "_2", "a" * 64])
def test_a_site_is_named_so_that_it_fits_in_a_path(text: str) -> None:
    assert papers.site_name(text) == text


@pytest.mark.parametrize(
    "text", ["", ".", "..", ".a", "a.b", "-a", "a/b", "a b", "a\n", "a\0", "a" * 65, "ä"]
)
def test_another_name_for_a_site_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a name for a site; write 1 to 64 letters, digits"):
        papers.site_name(text)


def test_a_set_is_named_after_its_site_and_number() -> None:
    assert papers.set_name("plant-7", 7) == "plant-7_0007"
    assert papers.set_name("plant-7", 12_345) == "plant-7_12345"


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_read_as_it_was_written(time: datetime) -> None:
    time = time.replace(microsecond=0)
    node = Node({"made": papers.as_moment(time)}, "paper")
    assert papers.moment(node, "made") == time


@given(st.dates())
def test_a_date_is_read_as_it_was_written(when: date) -> None:
    assert papers.day(Node({"date": when.isoformat()}, "paper"), "date") == when


def test_a_document_says_what_it_is_in_front() -> None:
    raw = papers.written("receipt", {"site": "plant-7"})
    assert raw == b'{"lading":"receipt","version":1,"site":"plant-7"}\n'
    assert papers.opened(raw, "paper", "receipt").value == json.loads(raw)


@pytest.mark.parametrize("name", ["", "a b", "a\x1b[2J", "a\u202eb", "x" * 513])
def test_a_text_that_could_mislead_who_reads_it_names_no_image(name: str) -> None:
    with pytest.raises(InvalidDocument, match="is not a name for an image"):
        papers.image_name(name)
