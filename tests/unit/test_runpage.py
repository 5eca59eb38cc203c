from __future__ import annotations

from dataclasses import replace

import pytest

from tests.archives import EMPTY, ONE, TWO, image, sha256
from tests.nights import ENDED, NIGHT, a_night, a_set, digest
from tests.pictures import modern
from tests.webpages import Element, parsed
from toolkit.mirror.news.runpage import RunFacts, mirror_page, stacks_of
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.increment import Carried
from toolkit.mirror.records.outcome import DONE, FAILED, STALE, Outcome
from toolkit.mirror.records.staleness import Staleness

NEVER = Staleness(None, None, ())


def shown(facts: RunFacts) -> Element:
    return parsed(mirror_page(facts))


def short(word: object) -> str:
    return digest(word).hex[:12]


def facts_of(page: Element, id_: str) -> dict[str, str]:
    dl = page.by_id(id_).all("dl")[0]
    return dict(zip((each.text for each in dl.all("dt")), (each.text for each in dl.all("dd")), strict=True))


def test_the_top_says_what_it_came_to() -> None:
    page = shown(a_night())
    assert page.one("head").one("title").text == "plant-7: done with 1 gap, set 7"
    assert page.one("h1").text == "Done with gaps"
    assert page.one(class_="subject").text == "plant-7_0007, for 2026-11-27, ended 2026-11-27 02:30 UTC"
    assert "with gaps: 1 image missing, 2 of 4 new, 5.2MB in 3 volumes." in page.one(class_="sentence").text
    figures = [(div.one("dt").text, div.one("dd").text) for div in page.one(class_="facts").all("div")]
    assert figures == [
        ("Images wanted", "4"),
        ("Carried", "2 new or changed"),
        ("Unchanged", "1"),
        ("Left out", "1"),
        ("Goes", "5.2MB 3 volumes"),
        ("Goes once", "200kB several images share it"),
        ("Is there", "3MB and need not go"),
        ("Took", "2 min 5 s"),
    ]


@pytest.mark.parametrize(
    ("state", "word", "tone"),
    [(DONE, "Done", "verified"), (FAILED, "Failed", "corrupt"), (STALE, "Stale", "warning")],
)
def test_each_state_has_a_word_and_a_tone(state: str, word: str, tone: str) -> None:
    page = shown(RunFacts(Outcome("plant-7", NIGHT, state, ENDED, problem="disk: is full"), Tip(), NEVER))
    assert page.one("h1").text == word
    assert page.one("header").classes == {"verdict", tone}


def test_what_is_left_out_has_its_cause_and_since_when() -> None:
    (row,) = shown(a_night()).by_id("gap-table").rows()
    assert row == ["lost:1", "registry r.example: GET /v2/lost/manifests/1: 404, expected 200", "2026-11-26"]


def test_what_changed_since_the_set_before_is_new_moved_or_gone_and_a_gap_is_none_of_them() -> None:
    page = shown(a_night())
    assert page.by_id("changes-head").text == "What changed since plant-7_0006"
    assert page.by_id("change-table").rows() == [
        ["tool:1", "new", "-", short("tool")],
        ["app:latest", "moved", short("old app"), short("app")],
        ["old:1", "gone", short("old:1"), "-"],
    ]


def test_the_first_set_and_one_in_which_nothing_changed_say_so() -> None:
    night = a_night()
    assert "It is the first set" in shown(replace(night, previous=None)).by_id("changes").text
    same = replace(night, previous=replace(night.increment, number=6)) if night.increment else night
    assert "every name means what it meant" in shown(same).by_id("changes").text


def test_volumes_are_listed_with_their_sums_and_how_to_check_them() -> None:
    page = shown(a_night())
    assert page.by_id("volume-table").rows() == [
        ["plant-7_0007.1of2.tar", "1 of 2", "4MB", "4,000,000", digest("volume 1").hex],
        ["plant-7_0007.2of2.tar", "2 of 2", "1.21MB", "1,210,000", digest("volume 2").hex],
        ["plant-7_0007.parity.tar", "parity, for 2", "4MB", "4,000,512", digest("parity").hex],
    ]
    told = page.by_id("volumes").all("p")[0].text
    assert "sha256sum -c plant-7_0007.sha256" in told
    assert "minisign -Vm plant-7_0007.sha256 -p KEY.pub, key 0123456789ABCDEF" in told
    assert "minisign" not in shown(replace(a_night(), signer="")).by_id("volumes").text


def test_images_tell_what_each_costs_the_dearest_first() -> None:
    assert shown(a_night()).by_id("image-table").rows() == [
        ["tool:1", short("tool"), "carried", "5MB", "200kB", "0B"],
        ["app:latest", short("app"), "carried", "200kB", "0B", "3MB"],
        ["base:1", short("base"), "unchanged", "0B", "0B", "3MB"],
    ]
    unknown = shown(replace(a_night(), shares=())).by_id("image-table").rows()
    assert unknown[0] == ["app:latest", short("app"), "carried", "N/A", "N/A", "N/A"]


def test_the_picture_draws_each_image_and_what_several_share() -> None:
    picture = shown(a_night()).one("svg", class_="sharing")
    assert [each.one("title").text for each in picture.all("text", class_="name")] == [
        "base:1",
        "app:latest",
        "tool:1",
    ]
    # base layer in app and base, app layer in app and tool; tool layer in one alone
    assert [len(group.all("rect")) for group in picture.all("g")] == [2, 2, 1]


def test_what_is_known_of_the_closed_side_has_an_age() -> None:
    assert facts_of(shown(a_night()), "known") == {
        "Reckoned against": "what its last receipt says that it has, and what was sent since",
        "Last receipt": "2026-11-20T02:00:00Z, 7 days ago, by j.doe: 1 image whole, plant-7_0005 received last",
        "Its log then": f"41 lines, the last {digest('line 41')}",
        "Sent, in no receipt yet": "plant-7_0006, plant-7_0007",
    }
    never = replace(a_night(), receipt=None, staleness=Staleness(0, None, tuple(range(1, 31))))
    told = facts_of(shown(never), "known")
    assert told["Last receipt"] == "none ever came back"
    assert told["Sent, in no receipt yet"].startswith("plant-7_0019, ")
    assert told["Sent, in no receipt yet"].endswith(", plant-7_0030 and 18 more")


def test_the_log_is_told_by_its_last_line() -> None:
    page = shown(a_night())
    assert facts_of(page, "trail") == {"Lines of the log": "77", "sha256 of the last": digest("line 77").hex}
    assert facts_of(shown(replace(a_night(), tip=Tip())), "trail") == {"Log": "has no line yet"}


def test_every_volume_has_a_label_to_be_filled_in() -> None:
    labels = shown(a_night()).all("article", class_="label")
    assert [each.one("header").text for each in labels] == [
        "plant-7_0007 1 of 2",
        "plant-7_0007 2 of 2",
        "plant-7_0007 parity, for 2",
    ]
    sums = digest("volume 2").hex
    assert [each.text for each in labels[1].one(class_="digests").all("dd")] == [
        "plant-7",
        "2026-11-27",
        "plant-7_0007.2of2.tar",
        "1.21MB (1,210,000 bytes)",
        f"{sums[:8]} … {sums[56:]}",
    ]
    blanks = labels[1].one(class_="blanks")
    assert [each.text for each in blanks.all("dt")] == [
        "Operator",
        "Serial of the medium",
        "Time",
        "Approved by (signature)",
    ]
    assert {each.text for each in blanks.all("dd")} == {""}


def test_a_run_that_failed_early_has_a_page_of_what_is_known() -> None:
    outcome = Outcome("plant-7", NIGHT, FAILED, ENDED, 3.2, images=40, problem="disk: is full; free some")
    page = shown(RunFacts(outcome, Tip(), NEVER))
    assert (
        page.one(class_="sentence").text == "plant-7: the run of 2026-11-27 failed: disk: is full; free some."
    )
    assert [each.attributes["id"] for each in page.all("section")] == ["known", "trail"]


def test_the_same_facts_give_the_same_bytes() -> None:
    assert mirror_page(a_night()) == mirror_page(a_night())


@pytest.mark.parametrize(("count", "limit"), [(1_000, 1_000_000), (5_000, 1_500_000)])
def test_a_page_of_very_many_images_is_bounded_and_says_how_many_more(count: int, limit: int) -> None:
    name = "registry.example:5000/a/long/path/to/an/image/service-{}:2026.11.27".format
    images = [Carried(name(number), digest(number), is_new=True) for number in range(count)]
    night = replace(a_night(), increment=a_set(7, images), previous=a_set(6, []))
    page = mirror_page(night)
    assert len(page) < limit
    read = parsed(page)
    listed = len(read.by_id("image-table").rows())
    if listed < count:
        assert f"And {count - listed:,} more images" in read.by_id("images").text
    assert listed >= 1_000


def test_five_thousand_volumes_have_as_many_labels_as_there_is_room_for() -> None:
    first = a_night().volumes[0]
    volumes = [first._replace(name=f"plant-7_0007.{number}of5000.tar") for number in range(1, 5_001)]
    page = mirror_page(replace(a_night(), volumes=volumes))
    assert len(page) < 3_000_000
    read = parsed(page)
    labels = len(read.all("article", class_="label"))
    assert f"And {5_000 - labels:,} more labels" in read.by_id("labels").text


def test_an_image_of_two_names_is_drawn_once_with_its_layers_alone() -> None:
    both = modern(image(ONE, TWO), "app:1"), modern(image(ONE, TWO), "app:2"), modern(image(EMPTY), "base:1")
    first, second = stacks_of(both)
    assert first.names == ("app:1", "app:2")
    assert first.layers == ((sha256(ONE), len(ONE)), (sha256(TWO), len(TWO)))
    assert second.layers == ((sha256(EMPTY), len(EMPTY)),)
