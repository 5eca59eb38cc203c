"""`lading verify --html`: a page beside what is printed, above all where the verdict is bad."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.cli.conftest import IMAGE, SAMPLE, Lading
from tests.cli.test_start import imported
from tests.webpages import Element, parsed
from toolkit.cli.pagefile import page_path
from toolkit.errors import StoreError
from toolkit.pages.verification import verification_page

HOSTILE = Path(__file__).parents[1] / "data/hostile"
OLD = b"<!DOCTYPE html>\n<title>the page of yesterday</title>\n"


def page(path: Path) -> Element:
    return parsed(path.read_bytes())


def damaged(bundle: Path) -> Path:
    content = bytearray(bundle.read_bytes())
    content[content.index(b"PRETTY_NAME=")] ^= 1
    bundle.write_bytes(content)
    return bundle


def test_a_page_is_written_beside_what_is_printed(lading: Lading, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    before = lading("verify", str(bundle))
    ran = lading("verify", str(bundle), "--html", str(path))
    assert (ran.code, ran.out) == (0, f"{before.out}wrote {path}\n")
    shown = page(path)
    assert shown.one("h1").text == "Verified"
    assert shown.one(class_="subject").text == str(bundle)
    (row,) = shown.by_id("image-table").rows()
    assert (row[0], row[-1]) == (IMAGE, "4 by S3")
    assert [part.name for part in tmp_path.iterdir() if part.name.startswith(".")] == []


def test_the_page_tells_what_the_json_tells(lading: Lading, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    ran = lading("verify", str(bundle), "--json", "--html", str(path))
    assert ran.out == lading("verify", str(bundle), "--json").out
    assert path.read_bytes() == verification_page(ran.json, str(bundle))
    text = path.read_text()
    shown = re.sub(r'"chain_id": .*', "", ran.out)  # they follow from the diffIDs, and are left out
    assert [each for each in re.findall(r"sha256:[0-9a-f]{64}", shown) if each not in text] == []


def test_the_page_of_a_fast_run_says_that_nothing_was_read(
    lading: Lading, bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    ran = lading("verify", SAMPLE, "--fast", "--html", str(path))
    assert (ran.code, page(path).one("h1").text) == (0, "Structure verified")
    assert page(path).by_id("image-table").rows()[0][:3] == [
        f"{IMAGE}ubuntu:trusty",
        "linux/amd64",
        "not read",
    ]
    damaged(bundle)
    assert lading("verify", str(bundle), "--fast", "--html", str(path)).code == 0
    assert page(path).one(class_="sentence").text.startswith("No layer was read, and ")


def test_the_page_of_a_deep_run_says_so(lading: Lading, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert lading("verify", str(bundle), "--deep", "--html", str(path)).code == 0
    assert page(path).one(class_="sentence").text.startswith("Every byte was read, every layer looked into")


def test_a_corrupt_bundle_has_a_page_with_every_finding(lading: Lading, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(OLD)
    before = lading("verify", str(damaged(bundle)), "--json")
    ran = lading("verify", str(bundle), "--html", str(path))
    assert (ran.code, ran.last) == (5, f"error: {before.sentence}")
    assert f"wrote {path}\n" in ran.out
    shown = page(path)
    assert shown.one("h1").text == "Corrupt"
    problems = [card.one(class_="problem").text for card in shown.all("article", "card")]
    assert problems == [finding["problem"] for finding in before.json["findings"]]


@pytest.mark.parametrize(
    ("name", "word"), [("18_outer_truncated.tar", "Corrupt"), ("44_shared_path_two_diffids.tar", "Unsafe")]
)
def test_what_cannot_be_opened_at_all_has_a_page_too(
    lading: Lading, tmp_path: Path, name: str, word: str
) -> None:
    path = tmp_path / "report.html"
    before = lading("verify", str(HOSTILE / name))
    ran = lading("verify", str(HOSTILE / name), "--html", str(path))
    assert (ran.code, ran.err.splitlines()[-1]) == (before.code, before.last)
    assert page(path).one("h1").text == word
    told = " ".join(card.text for card in page(path).all("article", "card"))
    assert ran.last.partition(": ")[2].rpartition(": ")[2].partition("; ")[0] in told


def test_a_bundle_that_is_not_there_is_not_verified(lading: Lading, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(OLD)
    ran = lading("verify", "nothing.tar", "--html", str(path), "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (3, "NotFound")
    assert page(path).one("h1").text == "Not verified"


def test_a_store_has_a_page(lading: Lading, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert lading("verify", SAMPLE, IMAGE, "--html", str(path)).code == 0
    assert page(path).by_id("image-table").rows()[0][0] == IMAGE


@pytest.mark.parametrize(
    ("name", "code", "problem"),
    [
        ("-", 2, "is no file"),
        ("folder", 2, "is a folder"),
        ("folder/", 2, "is a folder"),
        ("missing/report.html", 3, "is not there"),
        ("bundle.tar", 2, "is no page, and would be replaced by one"),
        ("pipe", 2, "is no regular file"),
    ],
)
def test_where_no_page_can_be_it_is_told_before_anything_is_read(
    lading: Lading, bundle: Path, name: str, code: int, problem: str
) -> None:
    before, tmp_path = bundle.read_bytes(), bundle.parent
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    there = sorted(tmp_path.iterdir())
    ran = lading("verify", str(bundle), "--html", name)
    assert (ran.code, ran.out, problem in ran.err) == (code, "", True)
    assert len(ran.err.splitlines()) == 1
    assert bundle.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == there


def test_a_folder_that_may_not_be_written_is_named_before_anything_is_read() -> None:
    own = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        os.seteuid(own or 65534)
        try:
            with pytest.raises(StoreError) as caught:
                page_path(f"{folder}/report.html")
        finally:
            os.seteuid(own)
        os.chmod(folder, 0o755)
    sentence = f"{folder}/report.html: permission denied; check its owner and mode, or run as root"
    assert (caught.value.exit_code, str(caught.value)) == (7, sentence)


def taken_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the folder go while everything is read, after it was looked at."""
    from toolkit.operations import verify

    read = verify.verify

    def then_remove(*words: object, **more: object) -> object:
        found = read(*words, **more)  # type: ignore[arg-type]
        shutil.rmtree(folder)
        return found

    monkeypatch.setattr(verify, "verify", then_remove)


def test_a_page_that_fails_at_last_is_the_error_of_a_good_bundle(
    lading: Lading, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := tmp_path / "folder").mkdir()
    taken_away(folder, monkeypatch)
    ran = lading("verify", str(bundle), "--html", str(folder / "report.html"))
    assert ran.code == 3
    assert f"verified {bundle}" in ran.out
    assert ran.last.startswith(f"error: {folder}/")


def test_a_page_that_fails_at_last_does_not_hide_a_bad_verdict(
    lading: Lading, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := tmp_path / "folder").mkdir()
    before = lading("verify", str(damaged(bundle)))
    taken_away(folder, monkeypatch)
    ran = lading("verify", str(bundle), "--html", str(folder / "report.html"))
    assert (ran.code, ran.last) == (5, before.last)
    assert f"warning: {folder}/" in ran.err


def test_an_older_page_stays_where_a_new_one_cannot_be_finished(
    lading: Lading, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(OLD)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("toolkit.plumbing.files.write_all", full)
    ran = lading("verify", str(bundle), "--html", str(path))
    assert (ran.code, ran.last) == (
        7,
        f"error: {path}: no space left on device; free some space and run again",
    )
    assert path.read_bytes() == OLD
    assert [part.name for part in tmp_path.iterdir() if part.name.startswith(".")] == []


def test_templates_are_read_for_a_page_alone(lading: Lading, bundle: Path, tmp_path: Path) -> None:
    assert lading("verify", str(bundle)).code == 0
    assert not {"jinja2", "toolkit.pages"} & imported("verify", str(bundle), "--quiet")
    argv = ("verify", str(bundle), "--quiet", "--html", str(tmp_path / "x.html"))
    assert {"jinja2", "toolkit.pages"} <= imported(*argv)
