"""Findings: each once, with the images that it is of, and of one kind not more than anybody reads."""

from __future__ import annotations

from toolkit.findings import MOST, Findings, names_of
from toolkit.image import Finding


def many(count: int, check: str = "agreement", severity: str = "error") -> list[Finding]:
    return [Finding("x", f"{check} differs in {number}", severity, 6, check) for number in range(count)]


def test_each_is_told_once_with_all_images_that_it_is_of() -> None:
    found = Findings("x")
    one = Finding("layer", "is odd")
    found += [one.of(("a:1",)), one, one.of(("b:1", "a:1"))]
    (told,) = found
    assert (told, told.images) == (one, ("a:1", "b:1"))


def test_of_one_kind_the_first_are_kept_and_the_others_counted_once() -> None:
    found = Findings("x.tar")
    found += many(MOST + 5)
    found += many(MOST + 5)
    found += many(3, check="digest")
    told = list(found)
    assert told[:MOST] == many(MOST)
    assert told[MOST:-1] == many(3, check="digest")
    last = Finding("x.tar", "has 5 more findings of the kind 'agreement'", "error", 6)
    assert (told[-1], told[-1].check) == (last, "agreement")


def test_what_others_counted_is_counted_with_ones_own() -> None:
    one, other = Findings("x"), Findings("x")
    one += many(MOST + 2)
    other += many(MOST + 4)
    one += other
    assert list(one)[-1].problem == "has 4 more findings of the kind 'agreement'"


def test_one_that_is_graver_is_not_lost_among_many() -> None:
    found = Findings("x")
    found += many(MOST + 1, severity="warning")
    found += many(1)
    assert [each for each in found if each.severity == "error"] == many(1)


def test_where_it_is_strict_a_warning_is_an_error_and_a_note_stays() -> None:
    found = Findings("x", strict=True)
    found += [Finding("x", "odd"), Finding("x", "note", "note")]
    assert [each.severity for each in found] == ["error", "note"]


def test_names_of_very_many_images_are_not_all_kept() -> None:
    names = tuple(map(str, range(5 * MOST)))
    assert names_of([names]) is names
    assert names_of([("a",), (), ("b", "a")]) == ("a", "b")
    assert len(names_of([names, ("x",)])) == MOST
    assert names_of([]) == ()
