from __future__ import annotations

import pytest

from tests.webpages import a_finding
from toolkit.pages.findings import Card, groups_of, summary

FACTS = {
    "check": "layer digest",
    "fact": "digest",
    "expected": "sha256:a",
    "found": "sha256:b",
    "effect": "docker load stops",
    "advice": "carry it again",
}


def test_the_gravest_come_first_and_each_severity_is_a_group() -> None:
    findings = [
        a_finding(word, "x", str(number)) for number, word in enumerate(["note", "error", "warning", "error"])
    ]
    groups = groups_of(findings)
    assert [(group.severity, group.title) for group in groups] == [
        ("error", "2 errors"),
        ("warning", "1 warning"),
        ("note", "1 note"),
    ]
    assert [card.problem for card in groups[0].cards] == ["1", "3"]
    assert summary(groups) == "2 errors, 1 warning, 1 note"
    assert (groups_of([]), summary([])) == ([], "none")


def test_a_card_names_the_images_first_and_says_how_many_more_there_are() -> None:
    finding = {**a_finding("error", "layer 1", "is gone", fact="size"), "images": ["a:1", "<b>:1"]}
    assert Card.of(finding).facts == (("Images", "a:1, <b>:1"), ("Fact", "size"))
    assert Card.of({**finding, "more_images": 1234}).facts[0] == ("Images", "a:1, <b>:1 and 1,234 more")


def test_a_card_has_every_fact_under_a_title() -> None:
    card = Card.of(a_finding("error", "layer 1", "digest is b, expected a", **FACTS))
    assert (card.subject, card.problem, card.check) == ("layer 1", "digest is b, expected a", "layer digest")
    assert card.facts == (
        ("Fact", "digest"),
        ("Expected", "sha256:a"),
        ("Found", "sha256:b"),
        ("What a loader does", "docker load stops"),
        ("What to do", "carry it again"),
    )


@pytest.mark.parametrize("missing", FACTS)
def test_a_fact_that_is_missing_is_left_out(missing: str) -> None:
    told = {name: text for name, text in FACTS.items() if name != missing}
    card = Card.of(a_finding("error", "layer 1", "is wrong", **told))
    assert FACTS[missing] not in [card.check, *(text for _, text in card.facts)]
    assert len([*card.facts, *filter(None, [card.check])]) == len(FACTS) - 1


def test_a_fact_that_is_no_text_is_told_as_json() -> None:
    card = Card.of({**a_finding("error", "x", "y"), "expected": 4, "found": ["a", "é"], "effect": None})
    assert card.facts == (("Expected", "4"), ("Found", '["a", "é"]'))


def test_many_notes_are_folded_and_errors_never() -> None:
    groups = groups_of(
        [a_finding(word, "x", str(number)) for word in ("error", "note") for number in range(7)]
    )
    assert [group.is_open for group in groups] == [True, False]
    assert groups_of([a_finding("note", "x", "y")])[0].is_open


def test_a_hundred_thousand_findings_are_counted_and_the_gravest_shown() -> None:
    findings = [a_finding("note", "x" * 300, str(number)) for number in range(100_000)]
    errors, notes = groups_of([*findings, a_finding("error", "y", "z")])
    assert (errors.count, len(errors.cards), errors.left_out) == (1, 1, 0)
    assert notes.count == 100_000
    assert 100 < len(notes.cards) < 5000
    assert notes.left_out == notes.count - len(notes.cards)
