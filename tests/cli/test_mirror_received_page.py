"""`lading mirror receive`: the page of what was received, in the folder of the site and where it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image
from tests.cli.conftest import Lading
from tests.cli.test_mirror_receive import Here
from tests.sets import flip
from tests.webpages import parsed

BASE, APP, NEWER = image(ONE), image(ONE, TWO), image(TWO)


@pytest.fixture
def gap(tmp_path: Path, home: Path) -> Here:
    found = Here(tmp_path)
    assert found.home == home
    return found


def kept(gap: Here) -> list[bytes]:
    return [path.read_bytes() for path in sorted((gap.home / "mirror/plant-7/pages").glob("received-*.html"))]


def test_what_came_and_what_it_changed_is_on_a_page(lading: Lading, gap: Here, tmp_path: Path) -> None:
    medium, asked = gap.send({"base:1": BASE, "app:1": APP}), tmp_path / "page.html"
    assert lading("mirror", "receive", str(medium), "--html", str(asked)).code == 0
    assert kept(gap) == [asked.read_bytes()]
    page = parsed(asked.read_bytes())
    assert page.one("h1").text == "Received"
    assert [row[:5] for row in page.by_id("set-table").rows()] == [
        ["plant-7_0001", "received", "2026-11-28", "2", "2"]
    ]
    assert page.by_id("change-table").rows() == [
        [name, "new", "-", picture.digest.removeprefix("sha256:")[:12]]
        for name, picture in (("app:1", APP), ("base:1", BASE))
    ]
    assert "plant-7_0001.receipt.json" in page.by_id("receipt").text


def test_what_is_there_already_changes_nothing_and_leaves_no_page_unasked(
    lading: Lading, gap: Here, tmp_path: Path
) -> None:
    medium, asked = gap.send({"base:1": BASE}), tmp_path / "page.html"
    assert lading("mirror", "receive", str(medium)).code == 0
    assert lading("mirror", "receive", str(medium), "--html", str(asked)).code == 0
    assert len(kept(gap)) == 1
    page = parsed(asked.read_bytes())
    assert page.one("h1").text == "Nothing new"
    assert "every name means what it meant" in page.by_id("changes").text


def test_a_damaged_set_is_on_the_page_with_what_to_do(lading: Lading, gap: Here, tmp_path: Path) -> None:
    medium, asked = gap.send({"base:1": BASE}), tmp_path / "page.html"
    [volume] = medium.glob("*.tar")
    flip(volume, 5000)
    ran = lading("mirror", "receive", str(medium), "--html", str(asked))
    assert ran.code == 5
    page = parsed(asked.read_bytes())
    assert page.one("h1").text == "Refused"
    assert page.all("article", class_="error")[0].one(class_="problem").text in ran.err
    assert "bring other copies" in page.by_id("findings").text


def test_what_parity_healed_is_told_and_the_set_is_received(
    lading: Lading, gap: Here, tmp_path: Path
) -> None:
    medium, asked = gap.send({"app:1": APP}, parity=True), tmp_path / "page.html"
    [volume] = medium.glob("*.1of1.tar")
    flip(volume, 5000)
    assert lading("mirror", "receive", str(medium), "--html", str(asked)).code == 0
    page = parsed(asked.read_bytes())
    assert page.one("h1").text == "Received"
    assert page.one("article", class_="warning").one(class_="about").text.endswith(volume.name)
