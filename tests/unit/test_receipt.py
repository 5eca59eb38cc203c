from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, InvalidDocument, Mismatch, UsageError
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.receipt import Receipt

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
LAST = Receipt("plant-7", NOON, "j.doe", (1, 2, 5, 4), {"b:1": TWO, "a:1": ONE}, Tip(41, ONE))


def test_a_receipt_is_read_as_it_was_written() -> None:
    assert Receipt.parse(bytes(LAST), "receipt") == LAST
    assert LAST.number == 4
    assert LAST.file_name == "plant-7_0005.receipt.json"


def test_a_set_that_comes_late_gives_no_receipt_an_older_name() -> None:
    assert replace(LAST, sets=(1, 6, 5)).file_name == "plant-7_0006.receipt.json"
    assert replace(LAST, sets=()).file_name == "plant-7_0000.receipt.json"


def test_the_order_of_its_images_changes_no_byte() -> None:
    assert bytes(replace(LAST, images={"a:1": ONE, "b:1": TWO})) == bytes(LAST)


def test_its_time_is_told_in_utc() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert b'"made":"2026-11-27T12:00:00Z"' in bytes(replace(LAST, made=there))


def test_one_of_another_site_is_refused() -> None:
    with pytest.raises(Mismatch, match=r"^r\.json: site is plant-7, expected plant-8; it is no receipt of"):
        LAST.must_be_of("plant-8", "r.json")
    LAST.must_be_of("plant-7", "r.json")


def test_the_first_one_the_same_one_and_a_later_one_follow() -> None:
    LAST.must_follow(None, "r.json")
    LAST.must_follow(LAST, "r.json")
    replace(LAST, trail=Tip(42, TWO)).must_follow(LAST, "r.json")


def test_one_that_was_made_earlier_is_refused_although_its_trail_is_longer() -> None:
    """Another closed side, which was there before, may have a longer one."""
    with pytest.raises(UsageError, match="or a clock put back, say so: --anew"):
        replace(LAST, made=NOON - timedelta(seconds=1), trail=Tip(42, TWO)).must_follow(LAST, "r.json")


def test_an_older_one_is_refused() -> None:
    older = replace(LAST, made=datetime(2026, 11, 20, tzinfo=UTC), trail=Tip(40, TWO))
    sentence = (
        r"^r\.json: was made 2026-11-20T00:00:00Z after 40 lines of its trail, and a newer one is known, of "
        r"2026-11-27T12:00:00Z after 41; nothing was taken; if one of the two sides was set up anew, or a clock put back, say so: --anew$"
    )
    with pytest.raises(UsageError, match=sentence):
        older.must_follow(LAST, "r.json")


def test_one_of_a_trail_that_was_rewritten_is_refused() -> None:
    with pytest.raises(CorruptContent, match="line 41 of its trail is not the one that an earlier receipt"):
        replace(LAST, trail=Tip(41, TWO)).must_follow(LAST, "r.json")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sets": [1, 1]}, "sets: holds a number twice"),
        ({"sets": [0]}, r"sets\[0\]: the number of a set required"),
        ({"sets": ["1"]}, r"sets\[0\]: the number of a set required"),
        ({"made": "2026-11-27 12:00"}, "made: is '2026-11-27 12:00', expected a time"),
        ({"made": "2026-1-2T3:4:5Z"}, "expected a time as 2026-11-27T02:00:00Z"),
        ({"operator": "x" * 201}, "operator: has 201 characters, expected at most 200"),
        ({"trail": {"lines": 1, "last": ""}}, "trail.last: '': is not a digest"),
        ({"images": {"a:1": 1}}, "images.a:1: str required, found int"),
        ({"images": []}, "images: dict required, found list"),
    ],
)
def test_a_receipt_that_breaks_its_format_says_where(change: dict[str, object], problem: str) -> None:
    body = json.loads(bytes(LAST)) | change
    with pytest.raises(InvalidDocument, match=problem):
        Receipt.parse(json.dumps(body).encode(), "r.json")
