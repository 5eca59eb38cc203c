"""`lading mirror run --html`: the page of a run, also where somebody wants it."""

from __future__ import annotations

from pathlib import Path

from tests.archives import ONE, image
from tests.webpages import parsed
from tests.webregistry import MemoryRegistry

from .conftest import Lading


def job(folder: Path, *images: str) -> str:
    path = folder / "mirror.toml"
    path.write_text(f"site = 'plant-7'\nimages = {list(images)}\n[policy]\nmin_free = '1'\n")
    return str(path)


def test_the_page_is_written_where_it_is_asked_for(lading: Lading, tmp_path: Path) -> None:
    with MemoryRegistry() as web:
        web.push("app:1", image(ONE))
        good, asked = f"{web.host}/app:1", tmp_path / "page.html"
        assert lading("mirror", "run", job(tmp_path, good), "--html", str(asked)).code == 0
        assert parsed(asked.read_bytes()).one("h1").text == "Done"


def test_gaps_and_failures_are_on_it_too(lading: Lading, tmp_path: Path) -> None:
    with MemoryRegistry() as web:
        web.push("app:1", image(ONE))
        path, asked = job(tmp_path, f"{web.host}/app:1", f"{web.host}/dead:1"), tmp_path / "page.html"
        assert lading("mirror", "run", path, "--strict", "--html", str(asked)).code == 7
        assert parsed(asked.read_bytes()).one("h1").text == "Failed"
        assert lading("mirror", "run", path, "--html", str(asked)).code == 8
        page = parsed(asked.read_bytes())
        assert page.one("h1").text == "Done with gaps"
        assert [row[0] for row in page.by_id("gap-table").rows()] == [f"{web.host}/dead:1"]


def test_what_is_no_page_is_not_replaced_by_one(lading: Lading, tmp_path: Path) -> None:
    """Before anything is asked: the registry of this job is nowhere."""
    precious = tmp_path / "bundle.tar"
    precious.write_bytes(b"precious")
    ran = lading("mirror", "run", job(tmp_path, "nowhere.invalid/app:1"), "--html", str(precious))
    assert ran.code == 2
    assert "is no page" in ran.err
    assert precious.read_bytes() == b"precious"
