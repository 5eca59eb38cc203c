from __future__ import annotations

import datetime as dt
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.digest import Digest
from toolkit.errors import ToolkitError, Unsupported, UsageError
from toolkit.mirror.review import IMAGE, SET, Old, Review

NOW = dt.datetime(2026, 11, 27, 2, tzinfo=dt.UTC)
ONE, TWO = Digest("sha256", "1" * 64), Digest("sha256", "2" * 64)
REVIEW = Review(
    "plant-7",
    "/srv/media sets",
    (
        Old(IMAGE, "redis:7.0", ONE, "not among the 2 highest of 3 versions of redis"),
        Old(IMAGE, "h:5000/a#b:1", TWO, "why # not"),
        Old(SET, "plant-7_0003", TWO, "arrived"),
    ),
)
TEXT = REVIEW.text("review.txt", NOW)


def test_it_reads_back_as_it_was_written() -> None:
    assert Review.parse(TEXT.encode(), "x") == REVIEW
    assert Review.parse(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode(), "x") == REVIEW


def test_a_person_finds_out_from_it_what_to_do() -> None:
    assert TEXT.splitlines()[:3] == [
        "# What lading would remove, as of 2026-11-27T02:00:00Z. Nothing is removed yet.",
        "# Take a line out, or write # before it, and what it names stays. Then run:",
        "#     lading mirror prune --confirm review.txt",
    ]
    assert f"image redis:7.0 {ONE} # not among the 2 highest of 3 versions of redis\n" in TEXT


@pytest.mark.parametrize("how", ["#{}", "  # {}", ""])
def test_a_line_that_is_taken_out_stays(how: str) -> None:
    line = f"image redis:7.0 {ONE} # not among"
    start = TEXT.index(line)
    end = TEXT.index("\n", start)
    found = Review.parse((TEXT[:start] + how.format(TEXT[start:end]) + TEXT[end:]).encode(), "x")
    assert found.lines == REVIEW.lines[1:]


def test_a_reason_may_be_taken_out_and_lines_may_be_moved() -> None:
    raw = f"set b {TWO}\nprune 1\nimage a {ONE}\nsite plant-7\n".encode()
    found = Review.parse(raw, "x")
    assert (found.of(SET), found.of(IMAGE)) == ({"b": TWO}, {"a": ONE})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("image", "'image': is no line of a review"),
        (f"image a b {ONE}", "is no line of a review"),
        (f"images a {ONE}", "is no line of a review"),
        ("image a sha256:1", "is not a digest"),
        (f"image {'a' * 600} {ONE}", "is not a name for an image"),
        (f"image redis:7.0 {TWO}", "names redis:7.0 again, with another digest"),
        ("rm -rf /", "is no line of a review"),
    ],
)
def test_a_line_that_is_none_is_refused_by_its_number(line: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        Review.parse(f"{TEXT}{line}\n".encode(), "file")
    assert caught.value.subject == f"file:{TEXT.count(chr(10)) + 1}"


@pytest.mark.parametrize("raw", [b"", b"prune 1\n", b"site plant-7\n", b"#prune 1\nsite a\n", b"\xff\xfe\n"])
def test_a_file_that_is_no_review_is_refused(raw: bytes) -> None:
    with pytest.raises(UsageError):
        Review.parse(raw, "x")


def test_a_later_version_is_unsupported() -> None:
    with pytest.raises(Unsupported):
        Review.parse(b"prune 2\nsite a\n", "x")


def test_a_site_that_leads_elsewhere_is_refused() -> None:
    with pytest.raises(UsageError):
        Review.parse(b"prune 1\nsite ../x\n", "x")


@given(st.binary(max_size=300))
def test_anything_is_read_or_refused(raw: bytes) -> None:
    with suppress(ToolkitError):
        assert Review.parse(b"prune 1\nsite a\n" + raw, "x").site
