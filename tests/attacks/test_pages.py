"""What an image calls itself is on a page: nothing of it may run, fetch, hide, or fill the disk."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from tests.webpages import a_finding, a_layer, a_platform, a_report, an_image, an_index, digest, parsed
from toolkit.pages.verification import verification_page

OVERRIDE, ISOLATE = "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{FIRST STRONG ISOLATE}"
TEXTS = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "attribute": "\"onmouseover='alert(1)' x=\"",
    "end-of-style": "</style></title></svg><style>*{display:none}</style>",
    "comment": "<!-- -->]]><![CDATA[",
    "entity": "&lt;b&gt;&#60;script&#62;",
    "template": "{{ 7 * 7 }}{% raw %}{# #}",
    "bidi": f"app{OVERRIDE}gpj.exe{ISOLATE}",
    "controls": "a\0b\x1b[31mc\x07\x7f\x85",
    "line ends": "a\nb\r\nc\N{LINE SEPARATOR}d",
    "invisible": "a\N{ZERO WIDTH SPACE}b\N{SOFT HYPHEN}c\N{TAG LATIN SMALL LETTER A}",
    "surrogate": "a\udc80b",
    "unassigned": "a\U000e0fffb\ufdd0",
    "url": "javascript:alert(1)//https://evil.example/x",
}
ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "article", "div",
    "figure", "figcaption", "h1", "h2", "h3", "p", "b", "bdi", "br", "code", "small", "span", "ul", "li",
    "dl", "dt", "dd", "details", "summary", "table", "thead", "tbody", "tr", "th", "td",
    "svg", "g", "rect", "circle", "path", "text", "desc",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "id", "open", "scope", "role", "tabindex",
    "aria-label", "aria-labelledby", "aria-hidden",
    "viewbox", "cx", "cy", "r", "d", "x", "y", "width", "height",
}  # fmt: skip


def hostile(text: str) -> dict[str, Any]:
    """A report in which everything that comes from outside is `text`."""
    size = {"recorded": text, "driver": text, "rule": text}
    layer = a_layer("l", 5, v1_id=text, layersize=size, proof=text)
    other = a_layer("o", 6)
    referrer = {"digest": digest("r"), "artifact_type": text, "subject": text, "tags": [text]}
    facts = dict.fromkeys(("check", "fact", "expected", "found", "effect", "advice"), text)
    return a_report(
        an_image([text, f"{text}2"], layer, other, referrers=[referrer]),
        an_index([f"{text}3"], a_platform("a", layer, platform=text), a_platform("b", other, platform=text)),
        {"names": [text], "digest": digest("artifact"), "platforms": []},
        findings=[a_finding(severity, text, text, **facts) for severity in ("error", "warning", "note")],
        verdict="corrupt",
        subject=text,
        serves=[text],
    )


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_text_becomes_anything_but_text(text: str) -> None:
    plain, evil = (parsed(verification_page(hostile(each), each)) for each in ("plain", text))
    assert [each.tag for each in evil.elements()] == [each.tag for each in plain.elements()]
    for element in list(evil.elements())[1:]:
        assert element.tag in ELEMENTS
        assert set(element.attributes) <= ATTRIBUTES, element
    classes = [element.classes for element in plain.elements()]
    assert [element.classes for element in evil.elements()] == classes


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_character_of_it_can_be_seen(text: str) -> None:
    page = verification_page(hostile(text), text).decode()
    odd = {char for char in page if char != "\n" and not char.isprintable()}
    assert odd == set()
    assert {unicodedata.bidirectional(char) for char in page} & {
        "RLO",
        "LRO",
        "RLE",
        "LRE",
        "PDF",
        "FSI",
    } == set()
    shown = parsed(page.encode()).text
    for part in filter(str.isalnum, (char for char in text if char.isascii())):
        assert part in shown


def test_what_is_shown_is_what_was_written() -> None:
    shown = parsed(verification_page(hostile(TEXTS["script"]), "x"))
    assert shown.one(class_="subject").text == TEXTS["script"]
    assert {each.text for each in shown.all(class_="about")} == {TEXTS["script"]}
    told = parsed(verification_page(hostile(TEXTS["bidi"]), "x"))
    assert told.one(class_="subject").text == r"app\u202egpj.exe\u2068"


def test_a_severity_that_nobody_knows_is_shown_as_text_alone() -> None:
    shown = parsed(verification_page(a_report(findings=[a_finding('x" onload="y', "a", "b")]), "x"))
    (card,) = shown.all("article")
    assert card.classes == {"card", "note"}
    assert card.one(class_="severity").text == 'X" onload="y'


@pytest.mark.parametrize("char", ["x", "<", "\0", "\U000e0fff", "é", "\N{GRINNING FACE}"])
def test_names_and_sentences_of_a_hundred_kilobytes_do_not_make_a_large_page(char: str) -> None:
    page = verification_page(hostile(char * 100_000), "x")
    assert len(page) < 500_000


def test_ten_thousand_hostile_names_have_the_room_that_there_is_and_no_more() -> None:
    text = '<"' * 1000
    images = [
        an_image([f"{number}{text}", *(f"{text}{number}-{other}" for other in range(20))], a_layer(number, 5))
        for number in range(500)
    ]
    findings = [a_finding("error", text, f"{text}{number}") for number in range(5000)]
    page = verification_page(a_report(*images, findings=findings, verdict="corrupt"), "x")
    assert len(page) < 6_000_000
    assert "which this page has no room for" in parsed(page).text


def test_one_image_with_a_hundred_thousand_layers_or_names_is_a_bounded_page() -> None:
    layers = [a_layer(number, number) for number in range(100_000)]
    page = verification_page(a_report(an_image(["app:1"], *layers)), "x")
    assert len(page) < 4_000_000
    assert "1 image has 100,000 layers" in parsed(page).text
    names = verification_page(a_report(an_image([f"a:{number}" for number in range(100_000)])), "x")
    assert len(names) < 100_000
    assert "and 99,992 more" in parsed(names).text
