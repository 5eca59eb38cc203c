from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, tar
from tests.webpages import Element, parsed
from tests.webregistry import MemoryRegistry
from toolkit.errors import StoreError
from toolkit.mirror.connected.pagekeeping import keep_failed_page
from toolkit.mirror.connected.running import Orders, Ran, run
from toolkit.mirror.connected.site import Site
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.records.outcome import FAILED, Outcome
from toolkit.secretkey import SigningKey
from toolkit.settings import Settings

NIGHT = dt.datetime(2026, 11, 27, 22, tzinfo=dt.UTC)
APP, TOOL, NEWER = image(ONE, TWO), image(ONE), image(ONE, tar({"etc/motd": b"newer\n"}))


@dataclass
class Nights:
    """A job of app:1, tool:1 and what else is asked for, night after night."""

    web: MemoryRegistry
    home: Path
    images: tuple[str, ...] = ("app:1", "tool:1")
    now: dt.datetime = NIGHT

    @property
    def pages(self) -> Path:
        return self.home / "mirror/plant-7/pages"

    def run(self, **orders: object) -> Ran:
        names = json.dumps([f"{self.web.host}/{name}" for name in self.images])
        job = f'site = "plant-7"\nimages = {names}\n[policy]\nmin_free = "1"\n'
        parsed_job = Job.parse(job.encode(), "job.toml", self.home)
        given = Orders(**orders)  # type: ignore[arg-type]
        return run(parsed_job, Settings(home=self.home), given, clock=self.now.timestamp)

    def page(self, name: str) -> Element:
        return parsed((self.pages / name).read_bytes())


@pytest.fixture
def nights(tmp_path: Path) -> Iterator[Nights]:
    with MemoryRegistry() as web:
        web.push("app:1", APP).push("tool:1", TOOL)
        yield Nights(web, tmp_path / "home")


def test_a_set_has_its_page_beside_its_volumes_and_among_those_of_its_site(nights: Nights) -> None:
    ran = nights.run(key=SigningKey(b"8 bytes.", bytes(32), bytes(32)))
    beside = (ran.folder / "plant-7_0001.html").read_bytes()
    assert beside == (nights.pages / "plant-7_0001.html").read_bytes()
    page = parsed(beside)
    assert page.one("h1").text == "Done"
    [volume] = ran.finished.record.volumes
    assert page.by_id("volume-table").rows()[0][-1] == volume.sha256
    assert f"key {b'8 bytes.'[::-1].hex().upper()}" in page.by_id("volumes").text
    assert [
        each.one("title").text for each in page.one("svg", class_="sharing").all("text", class_="name")
    ] == [
        f"{nights.web.host}/app:1",
        f"{nights.web.host}/tool:1",
    ]
    assert ran.findings == ()


def test_the_next_page_says_what_changed_and_draws_what_is_carried(nights: Nights) -> None:
    nights.run()
    nights.web.push("app:1", NEWER)
    nights.now += dt.timedelta(days=1)
    nights.run()
    page = nights.page("plant-7_0002.html")
    assert page.by_id("changes-head").text == "What changed since plant-7_0001"
    assert [row[:2] for row in page.by_id("change-table").rows()] == [[f"{nights.web.host}/app:1", "moved"]]
    assert [row[2] for row in page.by_id("image-table").rows()] == ["carried", "unchanged"]
    assert len(page.one("svg", class_="sharing").all("text", class_="name")) == 1
    assert "plant-7_0001, plant-7_0002" in page.by_id("known").text


def test_a_rerun_of_a_night_leaves_its_page_as_it_was_and_writes_one_that_is_missing(nights: Nights) -> None:
    path = nights.run().folder / "plant-7_0001.html"
    first = path.read_bytes()
    nights.now += dt.timedelta(hours=1)
    nights.run()
    assert path.read_bytes() == first
    path.unlink()
    nights.run()
    assert (
        parsed(path.read_bytes()).by_id("volume-table").rows() == parsed(first).by_id("volume-table").rows()
    )


def test_a_run_that_failed_has_a_page_that_says_why(nights: Nights) -> None:
    nights.images = ("app:1", "dead:1")
    with pytest.raises(StoreError):
        nights.run(strict=True)
    page = nights.page("2026-11-27-failed.html")
    assert page.one("h1").text == "Failed"
    assert "all or nothing" in page.one(class_="sentence").text


def test_a_page_that_cannot_be_written_is_told_and_the_set_is_sent_all_the_same(nights: Nights) -> None:
    nights.pages.parent.mkdir(parents=True)
    nights.pages.write_bytes(b"no folder")
    ran = nights.run()
    assert ran.finished.is_new
    [finding] = ran.findings
    assert finding.subject == str(nights.pages / "plant-7_0001.html")
    assert "could not be written" in finding.problem
    assert (ran.folder / "plant-7_0001.html").exists()


def test_a_page_can_be_asked_for_elsewhere_too_whatever_a_run_comes_to(
    nights: Nights, tmp_path: Path
) -> None:
    asked = tmp_path / "page.html"
    ran = nights.run(page=asked)
    assert asked.read_bytes() == (ran.folder / "plant-7_0001.html").read_bytes()
    nights.run(page=asked)  # made before: what it costs is not known any more
    assert parsed(asked.read_bytes()).by_id("image-table").rows()[0][-1] == "N/A"
    nights.images = ("app:1", "dead:1")
    nights.now += dt.timedelta(days=1)
    with pytest.raises(StoreError):
        nights.run(strict=True, page=asked)
    assert parsed(asked.read_bytes()).one("h1").text == "Failed"


def test_where_the_records_of_a_site_are_damaged_there_is_a_finding_and_no_page(tmp_path: Path) -> None:
    site = Site(tmp_path, "plant-7")
    site.folder.mkdir(parents=True)
    (site.folder / "trail.jsonl").write_bytes(b"no line of a log\n")
    outcome = Outcome("plant-7", NIGHT.date(), FAILED, int(NIGHT.timestamp()), problem="disk: is full")
    [finding] = keep_failed_page(site, outcome)
    assert "trail.jsonl" in finding.problem
    assert not (site.folder / "pages").exists()
