from __future__ import annotations

import json
import re
import time

import pytest

from tests.webpages import (
    Element,
    a_finding,
    a_layer,
    a_platform,
    a_report,
    an_image,
    an_index,
    digest,
    parsed,
)
from toolkit.errors import CorruptContent, NotFound, UnsafeArchive
from toolkit.pages.verification import verification_page
from toolkit.report import error_json

BASE = a_layer("base", 48_900_000)
SIZE = {"recorded": "1655", "driver": "aufs", "rule": "S3"}
LEGACY = a_layer("legacy", 10_240, v1_id="5" * 64, layersize=SIZE, proof="tar-split")
SIGNATURE = {
    "digest": digest("sig"),
    "artifact_type": "app/sig",
    "subject": digest("x"),
    "tags": ["sha256-1.sig"],
}
FINDINGS = [
    a_finding("note", "bundle.tar", "keeps no manifests"),
    a_finding(
        "error",
        "layer 1",
        "digest is b, expected a",
        check="layer digest",
        fact="digest",
        expected="sha256:a",
        found="sha256:b",
        effect="docker load stops",
        advice="carry it again",
    ),
    a_finding("warning", "layer 2", "was rebuilt"),
]
FULL = a_report(
    an_image(["app:1", "app:stable"], BASE, a_layer("a", 700), referrers=[SIGNATURE]),
    an_image(["web:1"], BASE, LEGACY),
    an_index(
        ["multi:1"], a_platform("m1", BASE), a_platform("m2", BASE, a_layer("m", 5), platform="linux/arm64")
    ),
    {"names": ["chart:1"], "digest": digest("chart"), "platforms": []},
    findings=FINDINGS,
    verdict="corrupt",
    serves=["Docker 0.7-29", "podman"],
)


def page(document: dict[str, object], place: str = "bundle.tar") -> Element:
    return parsed(verification_page(document, place))


def many(images: int, layers: int, shared: int) -> dict[str, object]:
    """Images in fifty families; each family shares its first layers."""
    return a_report(
        *(
            an_image(
                [f"registry.example/team/service-{number}:1"],
                *(a_layer(("shared", number % 50, place), place * 10**6) for place in range(shared)),
                *(a_layer(("own", number, place), place * 10**6) for place in range(layers - shared)),
            )
            for number in range(images)
        )
    )


@pytest.mark.parametrize(
    ("verdict", "depth", "word", "sentence"),
    [
        ("verified", "full", "Verified", "Every byte was read, and all that is recorded of it agrees: "),
        ("verified", "deep", "Verified", "Every byte was read, every layer looked into, and all that is "),
        (
            "structure",
            "fast",
            "Structure verified",
            "No layer was read, and what else is recorded of it agrees",
        ),
        (
            "corrupt",
            "fast",
            "Corrupt",
            "What is in it is not what it says: 1 error, told below. Load nothing of",
        ),
        (
            "unsigned",
            "fast",
            "Not signed",
            "No layer was read, but it is not signed as it has to be: 1 error",
        ),
        (
            "corrupt",
            "full",
            "Corrupt",
            "What is in it is not what it says: 1 error, told below. Load nothing of it. What is listed under",
        ),
        (
            "unsafe",
            "full",
            "Unsafe",
            "What is in it is what it says, and is not safe to load, or beyond a limit: 1 error, told below.",
        ),
        (
            "unproven",
            "full",
            "Read, nothing to compare with",
            "Every byte was read, and nothing tells what its layers should be: 1 error, told below.",
        ),
        (
            "unverified",
            "full",
            "Not verified",
            "Nothing that was read is wrong, but not all of it could be read: 1 error, told below.",
        ),
        (
            "unsigned",
            "full",
            "Not signed",
            "Its images are what they say, but it is not signed as it has to be: 1 error, told below.",
        ),
    ],
)
def test_the_verdict_is_a_word_a_sentence_a_shape_and_a_colour(
    verdict: str, depth: str, word: str, sentence: str
) -> None:
    findings = [] if verdict in {"verified", "structure"} else [a_finding("error", "x", "y")]
    shown = page(a_report(an_image(["app:1"], BASE), findings=findings, verdict=verdict, depth=depth))
    head = shown.one("header", verdict)
    assert head.one("h1").text == word
    assert head.one(class_="sentence").text.startswith(sentence)
    assert head.one("svg", "symbol").all("path", "mark")
    assert shown.all("title")[0].text == f"{word}: bundle.tar"
    is_told = verdict in {"corrupt", "unsafe", "unverified"} and depth == "full"
    assert ("Images proven" in shown.text) == is_told


def test_a_digest_that_is_not_known_before_a_layer_is_read_is_told_as_that() -> None:
    layers = [
        {"size": 5, "v1_id": "a" * 64, "layersize": None, "proof": ""},
        {"size": 7, "diff_id": digest("b")},
        a_layer("c", 9),
    ]
    images = [
        {"names": [name], "platforms": [{"platform": "linux/amd64", "layers": layers[:count]}]}
        for name, count in (("app:1", 2), ("app:2", 3))
    ]
    shown = page(a_report(*images, verdict="structure", depth="fast", serves=["podman"]))
    rows = shown.by_id("image-table").rows()
    assert [row[:5] for row in rows] == [
        ["app:1", "linux/amd64", "not read", "not read", "2"],
        ["app:2", "linux/amd64", "not read", "not read", "3"],
    ]
    assert [row[-3:] for row in shown.by_id("layers").all("table")[1].rows()] == [
        ["not read", "not read", "a" * 64],
        ["not read", digest("b"), "-"],
        [digest("c"), digest(("diffID", "c")), "-"],
    ]
    assert [row[:3] for row in shown.by_id("layers-shared").rows()] == [
        ["a" * 64, "5B", "2"],
        [digest("b"), "7B", "2"],
        [digest("c"), "9B", "1"],
    ]
    assert shown.one(class_="engines").one("b").text == "podman"


def test_who_signed_stands_among_the_facts() -> None:
    report = a_report(an_image(["app:1"], BASE), signature={"key_id": "F36D690E7C3735C8"})
    titles = [title.text for title in page(report).one(class_="facts").all("dt")]
    values = [value.text for value in page(report).one(class_="facts").all("dd")]
    assert (titles[0], values[0]) == ("Signed by key", "F36D690E7C3735C8")
    assert "Signed by" not in page(a_report(an_image(["app:1"], BASE))).one(class_="facts").text


def test_a_warning_is_told_beside_a_good_verdict() -> None:
    findings = [a_finding("warning", "x", "is odd"), a_finding("warning", "z", "is odd")]
    shown = page(a_report(an_image(["app:1"], BASE), findings=findings))
    assert shown.one(class_="sentence").text.endswith(" What does not fit: 2 warnings, told below.")
    assert page(a_report()).one(class_="sentence").text == "It was read, and holds no images."


def test_engines_are_named_for_what_is_verified_alone() -> None:
    engines = ["Docker 0.7-29", "podman"]
    shown = page(a_report(an_image(["app:1"], BASE), serves=engines)).one(class_="engines")
    assert [engine.text for engine in shown.all("b")] == engines
    assert page(FULL).one(class_="engines").all("b") == []
    assert page(a_report(an_image(["app:1"], BASE))).all(class_="engines") == []


def test_every_id_and_name_of_the_document_is_on_the_page() -> None:
    text = verification_page(FULL, "bundle.tar").decode()
    told = re.findall(r"sha256:[0-9a-f]{64}", json.dumps(FULL["images"]))
    assert len(set(told)) > 15
    subject = digest("x")  # of a referrer: the image it names is here in full, where it is here
    assert [each for each in told if each not in text and each != subject] == []
    for word in (
        "app:1",
        "app:stable",
        "web:1",
        "multi:1",
        "chart:1",
        "5" * 64,
        "1655 by S3 (aufs)",
        "tar-split",
    ):
        assert word in text
    assert all(word in text for word in ("app/sig", "sha256-1.sig", subject[7:19]))


def test_every_fact_of_every_finding_is_on_its_card() -> None:
    cards = page(FULL).all("article", "card")
    assert [card.classes - {"card"} for card in cards] == [{"error"}, {"warning"}, {"note"}]
    ordered = sorted(FINDINGS, key=lambda finding: ["error", "warning", "note"].index(finding["severity"]))
    for card, finding in zip(cards, ordered, strict=True):
        assert card.one(class_="severity").text == finding["severity"].capitalize()
        assert card.one(class_="severity").all("svg", "symbol")
        missing = [text for name, text in finding.items() if name != "severity" and text not in card.text]
        assert missing == []
    titles = [title.text for title in cards[0].all("dt")]
    assert titles == ["Fact", "Expected", "Found", "What a loader does", "What to do"]
    groups = [group.one("summary").text for group in page(FULL).all("details", "group")]
    assert groups == ["1 error", "1 warning", "1 note"]


def test_the_images_are_a_table() -> None:
    shown = page(FULL)
    rows = shown.by_id("image-table").rows()
    ids = [digest(("image ID", word))[7:19] for word in ("app:1", "web:1", "m1", "m2")]
    manifests = [digest(("manifest", word))[7:19] for word in ("app:1", "web:1", "m1", "m2")]
    assert rows == [
        ["app:1app:stable", "linux/amd64", ids[0], manifests[0], "2", "48.9MB", "-"],
        ["web:1", "linux/amd64", ids[1], manifests[1], "2", "48.9MB", "1 by S3"],
        ["multi:1", "linux/amd64", ids[2], manifests[2], "1", "48.9MB", "-"],
        ["multi:1", "linux/arm64", ids[3], manifests[3], "2", "48.9MB", "-"],
    ]
    legacy = shown.by_id("layers").all("table")[1].rows()
    assert legacy == [
        ["1", "48.9MB", "-", "-", digest("base"), BASE["diff_id"], "-"],
        ["2", "10.2kB", "1655 by S3 (aufs)", "tar-split", digest("legacy"), LEGACY["diff_id"], "5" * 64],
    ]
    assert shown.by_id("artifact-table").rows() == [["chart:1", digest("chart")]]
    assert shown.by_id("referrer-table").rows() == [
        ["app/sig", digest("sig"), digest("x")[7:19], "sha256-1.sig"]
    ]


def test_the_figures_at_the_top_are_those_of_the_document() -> None:
    facts = {row.one("dt").text: row.one("dd").text for row in page(FULL).one("dl", "facts").all("div")}
    assert facts == {
        "Images proven": "4",
        "Layers": "4 7 in all images",
        "Size of layers": "48.9MB",
        "Saved by sharing": "147MB 75% of 196MB",
        "Findings": "3 1 error, 1 warning, 1 note",
    }


def test_the_picture_has_a_row_for_each_image_and_a_place_for_each_shared_layer() -> None:
    picture = page(FULL).one("svg", "sharing")
    assert [label.text.split(":")[0] for label in picture.all("text", "name")] == [
        "app",
        "web",
        "multi",
        "multi",
    ]
    (column,) = picture.all("g", "c0")
    cells = column.all("rect")
    assert len(cells) == 4
    assert len({(cell.attributes["x"], cell.attributes["width"]) for cell in cells}) == 1
    assert len({cell.attributes["y"] for cell in cells}) == 4
    assert column.one("title").text == f"{digest('base')[7:19]}, 48.9MB, in 4 of 4 images"
    assert [len(group.all("rect")) for group in picture.all("g", "own")] == [1, 1, 1]


def test_the_picture_is_told_to_those_who_do_not_see_it() -> None:
    shown = page(FULL)
    picture = shown.one("svg", "sharing")
    assert picture.attributes["role"] == "img"
    title, words = (shown.by_id(name) for name in picture.attributes["aria-labelledby"].split())
    assert title.text == "How 4 images share 4 layers"
    assert "sharing saves 147MB, 75%" in words.text
    rows = shown.by_id("layers-shared").rows()
    assert rows[0] == [
        digest("base"),
        "48.9MB",
        "4",
        "app:1, web:1, multi:1 linux/amd64, multi:1 linux/arm64",
    ]
    assert len(rows) == 4


def test_one_image_is_shown_too() -> None:
    shown = page(a_report(an_image(["app:1"], BASE, LEGACY)))
    assert shown.by_id("sharing-head").text == "Layers"
    picture = shown.one("svg", "sharing")
    assert [len(picture.all("g", f"c{number}")) for number in range(3)] == [1, 1, 0]
    assert "in one image alone" not in shown.text


def test_the_same_document_gives_the_same_bytes() -> None:
    assert verification_page(FULL, "bundle.tar") == verification_page(
        json.loads(json.dumps(FULL)), "bundle.tar"
    )


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (UnsafeArchive("x.tar", "holds 'a' twice", "tools differ"), "Unsafe"),
        (CorruptContent("x.tar", "is cut short"), "Corrupt"),
        (NotFound("x.tar", "is not there"), "Not verified"),
    ],
)
def test_a_failure_has_a_page_too(error: Exception, word: str) -> None:
    shown = page(error_json(error), "x.tar")  # type: ignore[arg-type]
    assert shown.one("h1").text == word
    (card,) = shown.all("article", "card")
    assert card.one(class_="about").text == "x.tar"
    assert card.one(class_="problem").text == str(error).removeprefix("x.tar: ")
    assert shown.by_id("images").text == "Images None was proven."


def test_forty_images_of_thirty_layers_are_shown_whole() -> None:
    document = many(40, 30, 10)
    content = verification_page(document, "x")
    shown = parsed(content)
    assert len(shown.by_id("image-table").rows()) == 40
    assert len(shown.one("svg", "sharing").all("text", "name")) == 40
    assert len(shown.by_id("layers").all("tbody")) == 40
    assert len(content) < 2_000_000


def test_a_thousand_images_are_a_bounded_page_in_a_moment() -> None:
    document = many(1000, 30, 10)
    begun = time.process_time()
    content = verification_page(document, "x")
    taken = time.process_time() - begun
    shown = parsed(content)
    assert len(content) < 4_000_000
    assert taken < 10  # seconds; a fortieth of that on an idle machine
    assert len(shown.by_id("image-table").rows()) == 1000
    assert len(shown.one("svg", "sharing").all("text", "name")) == 60
    assert "Not drawn: 940 smaller images." in shown.by_id("sharing").text
    in_full = len(shown.by_id("layers").all("tbody"))
    assert f"And {1000 - in_full} more images" in shown.by_id("layers").text
    assert "1,000 images have 30,000 layers" in shown.by_id("sharing").text
