"""Pages in a real browser, headless Chromium: what they show, and that they ask nobody for anything."""

from __future__ import annotations

import functools
import http.server
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.archives import EMPTY, ONE, TWO, blob, image, layout, sha256, written
from tests.attacks.test_mirror_pages import morning_page, night_page
from tests.attacks.test_pages import TEXTS, hostile
from tests.nights import a_morning, a_night
from tests.webpages import a_layer, a_report, an_image, contrast
from toolkit.cli import main
from toolkit.mirror.news.receptionpage import received_page
from toolkit.mirror.news.runpage import mirror_page
from toolkit.pages.verification import verification_page

from .chromium import Chromium, View
from .conftest import started

pytestmark = pytest.mark.engine

PHONE, SCREEN = 360, 1280  # CSS pixels
COUNT = """[...document.querySelectorAll(%r)].filter(
    each => each.checkVisibility() && each.getBoundingClientRect().height > 0).length"""
BOXES = """[...document.querySelectorAll(%r)].map(each => {
    const {left, right, top, bottom} = each.getBoundingClientRect();
    return {left, right, top, bottom, fill: getComputedStyle(each).fill};
})"""
STYLE = "getComputedStyle(document.querySelector(%r)).getPropertyValue(%r)"
WORDS = "document.querySelector(%r).innerText"
WIDTH = "document.scrollingElement.scrollWidth"
CELLS = "svg.sharing g.c0 rect"
PICTURE = {"app:1": image(ONE, TWO), "app:2": image(ONE, EMPTY), "base:1": image(ONE)}

EVERY = ["good", "corrupt", "hostile", "forty", "night", "morning", "hostile-night", "hostile-morning"]

Page = Callable[[str], str]


class Site:
    """A folder of pages on a port of this machine, and every path that was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        site = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                site.asked.append(self.path)

        handler = functools.partial(Handler, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def put(self, name: str, content: bytes) -> str:
        """Leave a page here, and return its address."""
        (self.folder / name).write_bytes(content)
        return f"{self.url}/{name}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    yield from started(Chromium)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("pages"))
    thread = threading.Thread(target=site.server.serve_forever)
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture
def pages(site: Site, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The addresses of pages by what they show."""
    monkeypatch.chdir(site.folder)
    files = layout(*PICTURE.items())
    written(site.folder / "good.tar", files)
    written(site.folder / "corrupt.tar", {**files, blob(sha256(TWO)): TWO[:-1] + b"!"})
    codes = [main(["verify", f"{name}.tar", "--html", f"{name}.html", "-q"]) for name in ("good", "corrupt")]
    assert codes == [0, 5]
    evil = "".join(TEXTS.values())
    site.put("hostile.html", verification_page(hostile(evil), evil))
    site.put("forty.html", verification_page(forty(), "forty.tar"))
    site.put("night.html", mirror_page(a_night()))
    site.put("morning.html", received_page(a_morning()))
    site.put("hostile-night.html", night_page(evil))
    site.put("hostile-morning.html", morning_page(evil))
    return {path.stem: f"{site.url}/{path.name}" for path in site.folder.glob("*.html")}


def forty() -> dict[str, Any]:
    """Forty images of thirty layers: a hundred and twenty layers that five of them share."""
    return a_report(
        *(
            an_image(
                [f"registry.example:5000/a/long/path/to/an/image/service-{number}:2026.11.{number}"],
                *(a_layer((number % 8, place), place * 10**6) for place in range(15)),
                *(a_layer(("own", number, place), place * 10**6) for place in range(15)),
            )
            for number in range(40)
        ),
        findings=[],
    )


def colour(text: str) -> str:
    """`rgb(1, 2, 3)` as `#010203`."""
    red, green, blue = map(int, re.findall(r"\d+", text)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def test_a_good_bundle_is_seen_to_be_good(chromium: Chromium, pages: dict[str, str]) -> None:
    chromium.show(pages["good"], View(SCREEN))
    assert chromium.value("document.title") == "Verified: good.tar"
    assert chromium.value(WORDS % "h1") == "Verified"
    assert chromium.value(COUNT % "h1 svg") == 1
    assert chromium.value(WORDS % "#image-table tbody").count("linux/amd64") == 3
    assert chromium.value(COUNT % "#image-table tbody tr") == 3
    assert chromium.value(COUNT % "article.card") == 0
    assert "sharing saves" in chromium.value(WORDS % "#sharing")


def test_a_corrupt_bundle_is_seen_to_be_corrupt_and_why(chromium: Chromium, pages: dict[str, str]) -> None:
    chromium.show(pages["corrupt"], View(SCREEN))
    assert chromium.value(WORDS % "h1") == "Corrupt"
    assert chromium.value(COUNT % "article.card.error") == 1
    assert sha256(TWO) in chromium.value(WORDS % "article.card.error")
    assert chromium.value(COUNT % "#image-table tbody tr") == 2
    tones = [chromium.value(STYLE % (place, "color")) for place in ("h1", ".severity")]
    chromium.show(pages["good"], View(SCREEN))
    assert chromium.value(STYLE % ("h1", "color")) not in tones


def test_a_shared_layer_is_seen_in_one_place_and_colour(chromium: Chromium, pages: dict[str, str]) -> None:
    chromium.show(pages["good"], View(SCREEN))
    cells = chromium.value(BOXES % CELLS)
    assert len(cells) == 3
    assert len({(cell["left"], cell["right"], cell["fill"]) for cell in cells}) == 1
    assert all(above["bottom"] < below["top"] for above, below in itertools.pairwise(cells))
    assert cells[0]["right"] - cells[0]["left"] > 100
    own = chromium.value(BOXES % "svg.sharing .own rect")
    assert len(own) == 2
    assert all(cell["left"] > cells[0]["right"] and cell["fill"] != cells[0]["fill"] for cell in own)
    (swatch,) = {chromium.value(STYLE % (".swatch.c0", "background-color"))}
    assert swatch == cells[0]["fill"]


@pytest.mark.parametrize("name", EVERY)
def test_a_phone_shows_it_all_without_moving_sideways(
    chromium: Chromium, pages: dict[str, str], name: str
) -> None:
    chromium.show(pages[name], View(PHONE))
    assert chromium.value("innerWidth") == PHONE
    assert chromium.value(WIDTH) <= PHONE
    chromium.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert chromium.value(WIDTH) <= PHONE
    labels = chromium.value(BOXES % "svg.sharing .name")
    sizes = chromium.value(BOXES % "svg.sharing .size")
    assert all(label["right"] < size["left"] for label, size in zip(labels, sizes, strict=True))


@pytest.mark.parametrize("name", ["good", "corrupt"])
def test_light_and_dark_are_two_pages_and_both_can_be_read(
    chromium: Chromium, pages: dict[str, str], name: str
) -> None:
    seen = []
    for scheme in ("light", "dark"):
        chromium.show(pages[name], View(SCREEN, scheme))
        ground = colour(chromium.value(STYLE % ("body", "background-color")))
        head = colour(chromium.value(STYLE % ("header.verdict", "background-color")))
        ink, tone = (colour(chromium.value(STYLE % (place, "color"))) for place in ("body", "h1"))
        cell = colour(chromium.value(BOXES % CELLS)[0]["fill"])
        assert contrast(ink, ground) > 7
        assert contrast(tone, head) > 4.5
        assert contrast(cell, ground) > 3
        seen.append({ground, head, ink, tone, cell})
    assert seen[0] & seen[1] == set()


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_asked_for_nothing_is_refused_and_nothing_runs(
    chromium: Chromium, site: Site, pages: dict[str, str], name: str
) -> None:
    site.asked.clear()
    chromium.show(pages[name], View(SCREEN))
    assert chromium.complaints() == []
    assert chromium.requests() == [pages[name]]
    assert site.asked == [f"/{name}.html"]
    assert chromium.value("document.scripts.length") == 0


def test_what_slipped_through_all_the_same_would_neither_run_nor_ask(chromium: Chromium, site: Site) -> None:
    page = verification_page(a_report(), "x")
    evil = b"""<script>document.title = 'run'</script><img src="/asked.png" onerror="document.title = 'run'">
        <style>body { background: rgb(1, 2, 3) }</style><p style="color: rgb(1, 2, 3)" id="styled">
        <svg><use href="/asked.svg#x"/></svg><iframe src="/asked.html"></iframe>"""
    url = site.put("slipped.html", page.replace(b"</main>", evil + b"</main>"))
    site.asked.clear()
    chromium.show(url, View(SCREEN))
    assert chromium.value("document.title") == "Verified: bundle.tar"
    assert site.asked == ["/slipped.html"]
    assert len(chromium.complaints()) >= 4
    grounds = [STYLE % ("body", "background-color"), STYLE % ("#styled", "color")]
    assert "rgb(1, 2, 3)" not in map(chromium.value, grounds)


def test_what_is_folded_is_printed_and_in_light_colours(chromium: Chromium, pages: dict[str, str]) -> None:
    chromium.show(pages["good"], View(SCREEN, "dark"))
    folded = COUNT % "#layers td code"
    assert chromium.value(folded) == 0
    chromium.tell("Emulation.setEmulatedMedia", media="print")
    try:
        assert chromium.value(folded) == 5
        assert colour(chromium.value(STYLE % ("body", "background-color"))) == "#ffffff"
        assert contrast(colour(chromium.value(STYLE % ("body", "color"))), "#ffffff") > 7
    finally:
        chromium.tell("Emulation.setEmulatedMedia", media="")


def test_a_page_opened_as_a_file_is_the_same(chromium: Chromium, site: Site, pages: dict[str, str]) -> None:
    texts = []
    for url in (pages["corrupt"], f"file://{site.folder}/corrupt.html"):
        chromium.show(url, View(SCREEN))
        texts.append((chromium.value(WORDS % "body"), chromium.complaints()))
    assert texts[0] == texts[1]


def test_a_night_of_the_mirror_is_seen_for_what_it_came_to(chromium: Chromium, pages: dict[str, str]) -> None:
    chromium.show(pages["night"], View(SCREEN))
    assert chromium.value(WORDS % "h1") == "Done with gaps"
    assert "404" in chromium.value(WORDS % "#gap-table tbody")
    assert [chromium.value(COUNT % f"#{name} tbody tr") for name in ("change-table", "image-table")] == [3, 3]
    assert chromium.value(COUNT % "svg.sharing g.c0 rect") == 2
    assert chromium.value(COUNT % ".label") == 3
    assert chromium.value(COUNT % ".label .blanks dd") == 12


def test_a_morning_on_the_closed_side_is_seen_for_what_came(
    chromium: Chromium, pages: dict[str, str]
) -> None:
    chromium.show(pages["morning"], View(SCREEN))
    assert chromium.value(WORDS % "h1") == "Received in part"
    assert chromium.value(COUNT % "#set-table tbody tr") == 2
    assert chromium.value(COUNT % "article.card.error") == chromium.value(COUNT % "article.card.warning") == 1
    assert "plant-7_0005.receipt.json" in chromium.value(WORDS % "#receipt")


@pytest.mark.parametrize("name", ["night", "morning"])
def test_a_page_of_the_mirror_can_be_read_in_light_and_in_dark(
    chromium: Chromium, pages: dict[str, str], name: str
) -> None:
    seen = []
    for scheme in ("light", "dark"):
        chromium.show(pages[name], View(SCREEN, scheme))
        ground = colour(chromium.value(STYLE % ("body", "background-color")))
        head = colour(chromium.value(STYLE % ("header.verdict", "background-color")))
        ink, tone = (colour(chromium.value(STYLE % (place, "color"))) for place in ("body", "h1"))
        assert contrast(ink, ground) > 7
        assert contrast(tone, head) > 4.5
        seen.append({ground, head, ink, tone})
    assert seen[0] & seen[1] == set()


def test_labels_are_printed_on_sheets_of_their_own_and_none_is_cut_in_two(
    chromium: Chromium, site: Site
) -> None:
    sheets = []
    for volumes in ((), a_night().volumes[:1]):
        page = mirror_page(replace(a_night(), volumes=volumes))
        page = re.sub(rb"<footer.*</footer>", b"", page, flags=re.DOTALL)  # it may need a sheet of its own
        chromium.show(site.put(f"printed-{len(volumes)}.html", page), View(SCREEN))
        sheets.append(chromium.sheets())
    assert sheets[1] == sheets[0] + 1
    chromium.tell("Emulation.setEmulatedMedia", media="print")
    try:
        assert chromium.value(STYLE % ("#labels", "break-before")) == "page"
        assert chromium.value(STYLE % (".label", "break-inside")) == "avoid"
        assert colour(chromium.value(STYLE % (".label", "background-color"))) == "#ffffff"
    finally:
        chromium.tell("Emulation.setEmulatedMedia", media="")
