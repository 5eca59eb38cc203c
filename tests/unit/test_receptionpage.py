from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.nights import a_morning, a_reception, digest
from tests.webpages import parsed
from toolkit.mirror.news.receptionpage import received_page


def short(word: object) -> str:
    return digest(word).hex[:12]


def test_what_came_is_listed_with_what_became_of_it() -> None:
    page = parsed(received_page(a_morning()))
    assert page.one("title").text == "plant-7: received in part"
    assert page.one(class_="subject").text == "plant-7, 2026-11-28T09:00:00Z"
    assert page.one(class_="sentence").text.startswith("1 set received, 1 set refused. Nothing of a set")
    assert page.by_id("set-table").rows() == [
        ["plant-7_0006", "received", "2026-11-26", "4", "1", "3.2MB"],
        ["plant-7_0007", "refused", "-", "-", "-", "0B"],
    ]


def test_what_was_refused_and_what_was_healed_are_told_with_what_to_do() -> None:
    page = parsed(received_page(a_morning())).by_id("findings")
    error, healed = page.all("article", class_="card")
    assert (error.classes, healed.classes) == ({"card", "error"}, {"card", "warning"})
    assert error.one(class_="about").text == "set plant-7_0007"
    assert (
        error.one(class_="problem").text
        == "is not here whole: of its 2 volumes number 2 is missing; bring them"
    )
    assert healed.one(class_="about").text == "plant-7_0006.2of3.tar"
    assert healed.one(class_="problem").text == "is damaged; parity heals it"


def test_what_changed_here_is_told_by_name() -> None:
    page = parsed(received_page(a_morning()))
    assert page.by_id("change-table").rows() == [
        ["old:1", "new", "-", short("old:1")],
        ["app:latest", "moved", short("older app"), short("old app")],
    ]
    morning = a_morning()
    same = parsed(received_page(replace(morning, after=morning.before)))
    assert "every name means what it meant" in same.by_id("changes").text


def test_the_receipt_to_carry_back_is_named_and_where_the_log_stands() -> None:
    told = parsed(received_page(a_morning())).by_id("receipt")
    assert [each.text for each in told.all("dd")] == [
        "plant-7_0005.receipt.json",
        "2026-11-20T02:00:00Z by j.doe",
        "3",
        "41",
        digest("line 41").hex,
    ]
    none = parsed(received_page(replace(a_morning(), receipt=None))).by_id("receipt")
    assert none.one("dd").text == "none was made"


@pytest.mark.parametrize(
    ("states", "word", "tone"),
    [
        (["received", "received"], "Received", "verified"),
        (["there"], "Nothing new", "verified"),
        (["there", "refused"], "Received in part", "warning"),
        (["refused", "refused"], "Refused", "corrupt"),
        (["incomplete", "refused"], "Refused", "corrupt"),
        (["incomplete", "received"], "Received in part", "warning"),
        (["incomplete", "incomplete"], "Incomplete", "warning"),
    ],
)
def test_the_whole_has_a_word_and_a_tone(states: list[str], word: str, tone: str) -> None:
    receptions: list[dict[str, Any]] = [a_reception(f"plant-7_{n}", state) for n, state in enumerate(states)]
    page = parsed(received_page(a_morning(*receptions)))
    assert page.one("h1").text == word
    assert page.one("header").classes == {"verdict", tone}


def test_five_thousand_names_and_sets_are_a_bounded_page_that_says_how_many_more() -> None:
    names = {f"registry.example/a/long/path/service-{number}:1": digest(number) for number in range(5_000)}
    receptions = [a_reception(f"plant-7_{number:04}", "received") for number in range(5_000)]
    page = received_page(replace(a_morning(*receptions), before={}, after=names))
    assert len(page) < 1_500_000
    read = parsed(page)
    for table, noun in (("change-table", "name"), ("set-table", "set")):
        left_out = 5_000 - len(read.by_id(table).rows())
        assert left_out > 0
        assert f"And {left_out:,} more {noun}s" in read.text
