"""What images, jobs and media call themselves is on the pages of the mirror: nothing of it may run or hide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.attacks.test_pages import ATTRIBUTES, ELEMENTS, TEXTS
from tests.nights import NIGHT, a_morning, a_night, a_receipt, a_reception, a_set, digest
from tests.webpages import a_finding, parsed
from toolkit.mirror.news.receptionpage import received_page
from toolkit.mirror.news.runpage import RunFacts, mirror_page
from toolkit.mirror.records.increment import Carried
from toolkit.mirror.records.lock import Gap
from toolkit.mirror.records.setrecord import VolumeSum
from toolkit.pages.sharing import Stack


def hostile_night(text: str) -> RunFacts:
    """A night of which every text that can come from outside is `text`."""
    night, shared = a_night(), str(digest("shared"))  # a digest is read as one, and nothing else
    image, other = Carried(text, digest("a"), is_new=True), Carried(f"{text}2", digest("b"), is_new=False)
    gaps = (Gap(f"{text}3", text, NIGHT),)
    return replace(
        night,
        outcome=replace(night.outcome, site=text, gaps=gaps, problem=text),
        receipt=a_receipt(site=text, operator=text, names=[text]),
        increment=a_set(7, [image, other], site=text),
        previous=a_set(6, [Carried(f"{text}4", digest("c"), is_new=True)], site=text),
        volumes=[VolumeSum(text, 5, text)],
        signer=text,
        stacks=[
            Stack((text, f"{text}2"), ((shared, 5), (str(digest("own")), 6))),
            Stack((text,), ((shared, 5),)),
        ],
    )


def night_page(text: str) -> bytes:
    return mirror_page(hostile_night(text))


def morning_page(text: str) -> bytes:
    facts = dict.fromkeys(("check", "fact", "expected", "found", "effect", "advice"), text)
    findings = [a_finding(severity, text, text, **facts) for severity in ("error", "warning", "note")]
    reception = a_reception(text, "refused", error=text, date=text, findings=findings)
    morning = a_morning(reception, a_reception(f"{text}2", "received"))
    names = {text: digest("a")}
    receipt = a_receipt(site=text, operator=text, names=[text])
    return received_page(replace(morning, site=text, before={}, after=names, receipt=receipt))


PAGES = pytest.mark.parametrize("page_of", [night_page, morning_page])


@PAGES
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_text_becomes_anything_but_text(page_of: Callable[[str], bytes], text: str) -> None:
    plain, evil = (parsed(page_of(each)) for each in ("plain", text))
    assert [each.tag for each in evil.elements()] == [each.tag for each in plain.elements()]
    for element in list(evil.elements())[1:]:
        assert element.tag in ELEMENTS
        assert set(element.attributes) <= ATTRIBUTES, element
    assert [each.classes for each in evil.elements()] == [each.classes for each in plain.elements()]


@PAGES
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_character_of_it_can_be_seen(page_of: Callable[[str], bytes], text: str) -> None:
    page = page_of(text).decode()
    assert {char for char in page if char != "\n" and not char.isprintable()} == set()
    shown = parsed(page.encode()).text
    for part in filter(str.isalnum, (char for char in text if char.isascii())):
        assert part in shown


def test_what_is_shown_is_what_was_written() -> None:
    page = parsed(night_page(TEXTS["script"]))
    assert page.by_id("image-table").rows()[0][0] == TEXTS["script"]
    assert page.by_id("gap-table").rows()[0][1] == TEXTS["script"]
    assert page.one("article", class_="label").all("dd")[0].text == TEXTS["script"]
    told = parsed(morning_page(TEXTS["bidi"]))
    assert told.by_id("change-table").rows()[0][0] == r"app\u202egpj.exe\u2068"


@PAGES
@pytest.mark.parametrize("char", ["x", "<", "\0", "\U000e0fff", "é", "\N{GRINNING FACE}"])
def test_texts_of_a_hundred_kilobytes_do_not_make_a_large_page(
    page_of: Callable[[str], bytes], char: str
) -> None:
    assert len(page_of(char * 100_000)) < 500_000


def test_ten_thousand_hostile_names_have_the_room_that_there_is_and_no_more() -> None:
    text = '<"' * 250
    night = a_night()
    images = [Carried(f"{number}{text}", digest(number), is_new=True) for number in range(10_000)]
    gaps = tuple(Gap(f"{text}{number}", text * 10, NIGHT) for number in range(10_000))
    volumes = [VolumeSum(f"{text}{number}", number, text) for number in range(10_000)]
    stacks = [Stack((f"{number}{text}",), ((f"{text}{number}", 5), (text, 5))) for number in range(10_000)]
    outcome = replace(night.outcome, gaps=gaps)
    increment = a_set(7, images)
    page = mirror_page(replace(night, outcome=outcome, increment=increment, volumes=volumes, stacks=stacks))
    assert len(page) < 6_000_000
    assert parsed(page).text.count("which this page has no room for") >= 4
