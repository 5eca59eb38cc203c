from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, ToolkitError
from toolkit.mirror.records.chain import Line, Tip, merged, proven

NIGHT = datetime(2026, 11, 27, 2, tzinfo=UTC)


def log(*events: str) -> list[bytes]:
    lines: list[bytes] = []
    tip = Tip()
    for number, event in enumerate(events, 1):
        lines.append(bytes(Line(number, NIGHT, event, tip.last, {"set": f"plant-7_{number:04}"})))
        tip = tip.after(lines[-1])
    return lines


FIVE = log("one", "two", "three", "four", "five")


def changed(line: bytes, change: Callable[[Any], object]) -> bytes:
    body = json.loads(line)
    change(body)
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def other_event(line: bytes) -> bytes:
    return changed(line, lambda body: body.update(event="none"))


def other_before(line: bytes) -> bytes:
    return changed(line, lambda body: body.update(before=str(Digest.of(b"none"))))


def test_each_line_holds_the_sha256_of_the_line_before() -> None:
    sums = ["0" * 64, *(hashlib.sha256(line).hexdigest() for line in FIVE)]
    assert [json.loads(line)["before"] for line in FIVE] == [f"sha256:{each}" for each in sums[:-1]]
    assert proven(FIVE, "trail") == Tip(5, Digest("sha256", sums[-1]))
    assert proven([], "trail") == Tip()


@pytest.mark.parametrize("change", [other_event, other_before])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_line_that_was_changed_is_named(number: int, change: Callable[[bytes], bytes]) -> None:
    lines = [*FIVE]
    lines[number - 1] = change(lines[number - 1])
    with pytest.raises(CorruptContent, match=f"^trail: line {number} was changed; keep it as it is"):
        proven(lines, "trail")


@pytest.mark.parametrize(
    "lines", [[*FIVE[:4], other_before(FIVE[4])], [*FIVE[:3], other_event(FIVE[3]), FIVE[4]]]
)
def test_where_nothing_vouches_for_the_last_line_either_of_two_may_be_the_changed_one(
    lines: list[bytes],
) -> None:
    with pytest.raises(CorruptContent, match=r"^trail: line 4 or 5 was changed"):
        proven(lines, "trail")


def test_a_change_of_the_last_line_shows_against_what_was_noted_elsewhere() -> None:
    lines = [*FIVE[:4], other_event(FIVE[4])]
    assert proven(lines, "trail").lines == 5
    with pytest.raises(CorruptContent, match=r"^trail: line 5 is not the one that was vouched for"):
        proven(lines, "trail", proven(FIVE, "trail"))


def test_a_change_before_a_last_line_that_is_vouched_for_is_named() -> None:
    lines = [*FIVE[:3], other_event(FIVE[3]), FIVE[4]]
    with pytest.raises(CorruptContent, match=r"^trail: line 4 was changed"):
        proven(lines, "trail", proven(FIVE, "trail"))


def test_a_line_that_is_missing_or_put_in_is_named() -> None:
    with pytest.raises(CorruptContent, match=r"^trail: line 3 is missing: line 4 stands there"):
        proven([*FIVE[:2], *FIVE[3:]], "trail")
    with pytest.raises(CorruptContent, match=r"^trail: line 4 is missing: line 3 stands there"):
        proven([*FIVE[:3], FIVE[2], *FIVE[3:]], "trail")


def test_an_end_that_was_cut_off_shows_against_what_was_noted_elsewhere() -> None:
    with pytest.raises(CorruptContent, match=r"^trail: ends after line 3, and line 5 was vouched for"):
        proven(FIVE[:3], "trail", proven(FIVE, "trail"))
    assert proven(FIVE, "trail", proven(FIVE[:3], "trail")).lines == 5


def test_a_log_that_was_written_anew_from_a_line_on_shows_too() -> None:
    anew = log("one", "two", "other", "four", "five")
    with pytest.raises(CorruptContent, match=r"^trail: line 4 is not the one that was vouched for"):
        proven(anew, "trail", proven(FIVE[:4], "trail"))


@given(st.data())
def test_whatever_is_done_to_a_byte_is_refused(data: st.DataObject) -> None:
    raw = bytearray(b"".join(FIVE))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ToolkitError):
        proven(bytes(raw).splitlines(keepends=True), "trail", proven(FIVE, "trail"))


@given(st.lists(st.text(max_size=20), max_size=5), st.lists(st.text(max_size=20), max_size=5))
def test_two_copies_of_one_log_make_the_longer_one(start: Sequence[str], more: Sequence[str]) -> None:
    short, long = b"".join(log(*start)), b"".join(log(*start, *more))
    assert merged(short, long, "trail") == merged(long, short, "trail") == long


def test_two_logs_that_part_are_refused_with_the_line() -> None:
    other = b"".join(log("one", "two", "other"))
    with pytest.raises(CorruptContent, match=r"^trail: line 3 is not the one that came before"):
        merged(b"".join(FIVE), other, "trail")
