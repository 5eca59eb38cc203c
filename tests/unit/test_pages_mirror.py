from __future__ import annotations

from tests.webpages import parsed
from toolkit.pages.mirror import (
    GOOD,
    Head,
    ReceivedSet,
    ReceptionPage,
    RunPage,
    WrittenVolume,
    reception_page,
    run_page,
)

HEAD = Head("plant-7: done", GOOD, "Done", "plant-7", "All is well.", [("Images", "1,200", "of them all")])


def test_a_volume_says_which_of_how_many_it_is() -> None:
    assert WrittenVolume("a.2of3.tar", 1, "ab", 2, 3).place == "2 of 3"
    assert WrittenVolume("a.parity.tar", 1, "ab", 0, 3).place == "parity, for 3"


def test_the_room_that_a_row_takes_is_that_of_all_its_texts() -> None:
    assert list(ReceivedSet("a_1", "refused", "", "12", "3", 45).texts()) == [
        "a_1",
        "refused",
        "",
        "12",
        "3",
        "45",
    ]


def test_a_page_of_nothing_but_its_head_is_whole() -> None:
    run = parsed(run_page(RunPage(HEAD, "plant-7", "", "2026-11-27", "", [], [], [], "", [], [], []), []))
    received = parsed(reception_page(ReceptionPage(HEAD, [], [], [], [])))
    for page in (run, received):
        assert page.one("title").text == "plant-7: done"
        assert page.one(class_="sentence").text == "All is well."
        assert page.one(class_="facts").text == "Images1,200 of them all"
        assert page.all("article") == []
