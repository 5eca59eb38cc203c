"""`lading mirror plan` and `run`, with a registry of the tests' own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image
from tests.cli.conftest import Lading
from tests.signers import DATA, PUBLIC
from tests.webregistry import MemoryRegistry
from toolkit.mirror.connected.site import Site
from toolkit.signature import Signature

APP, TOOL = image(ONE, TWO), image(TWO)


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        yield web.push("app:1", APP).push("tool:1.0", TOOL)


def written(folder: Path, web: MemoryRegistry, *names: str, more: str = "") -> str:
    path = folder / "mirror.toml"
    images = ", ".join(f"'{web.host}/{name}'" for name in names)
    path.write_text(f"site = 'plant-7'\nimages = [{images}]\n{more or '[policy]'}\nmin_free = '1'\n")
    return str(path)


def test_a_night_says_what_it_made_and_where(lading: Lading, web: MemoryRegistry, home: Path) -> None:
    job = written(home.parent, web, "app:1", "tool:1.0")
    ran = lading("mirror", "run", job, "--quiet")
    assert (ran.code, ran.err) == (0, "")
    volume = home / "mirror/plant-7/volumes/plant-7_0001.1of1.tar"
    sha256 = hashlib.sha256(volume.read_bytes()).hexdigest()
    lines = ran.out.splitlines()
    assert lines[1].split() == [volume.name, lines[1].split()[1], sha256]
    assert "set 1 of" in lines[2]
    assert "is done: 2 of 2 new" in lines[2]
    assert lines[3] == f"written to {volume.parent}"
    assert lading("verify", str(volume)).code == 0
    again = lading("mirror", "run", job, "--quiet")
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith("plant-7_0001 was made for ")


def test_a_plan_says_where_sizes_are_an_estimate(lading: Lading, web: MemoryRegistry, home: Path) -> None:
    job = written(home.parent, web, "app:1", more="[bundle]\ncompression = 'zstd'\n[policy]")
    told = lading("mirror", "plan", job)
    assert (told.code, told.err) == (0, "")
    assert "about: an image counts with the sizes of layers as its place has them" in told.out
    assert json.loads(lading("mirror", "plan", job, "--json").out)["about"] == [f"{web.host}/app:1"]
    assert lading("mirror", "run", job, "--quiet").code == 0
    assert "about: " not in lading("mirror", "plan", job).out
    assert json.loads(lading("mirror", "plan", job, "--json").out)["about"] == []


def test_gaps_are_told_and_the_exit_is_8(lading: Lading, web: MemoryRegistry, home: Path) -> None:
    job = written(home.parent, web, "app:1", "dead:1")
    ran = lading("mirror", "run", job, "--quiet")
    assert ran.code == 8
    assert f"warning: {web.host}/dead:1: " in ran.err
    assert ran.last.startswith("error: set plant-7_0001 of site plant-7: is made without an image")
    assert ran.last.endswith("they are tried first the next time")
    assert "done with gaps: 1 image missing, 1 of 2 new" in ran.out
    strict = lading("mirror", "run", job, "--strict", "--quiet")
    assert strict.code == 7
    assert "nothing was made" in strict.last
    assert not (home / "mirror/plant-7/volumes/plant-7_0002.1of1.tar").exists()


def test_a_site_is_not_stale_on_its_first_day(lading: Lading, web: MemoryRegistry, home: Path) -> None:
    more = "[policy]\nstale = 14"
    job = written(home.parent, web, "app:1", "dead:1", more=more)
    assert lading("mirror", "run", job, "--strict").code == 7
    job = written(home.parent, web, "app:1", more=more)
    before = lading("mirror", "status", job)
    assert (before.code, before.err) == (0, "")
    assert "nothing was sent yet" in before.out
    assert lading("mirror", "run", job, "--quiet").code == 0
    after = lading("mirror", "status", job)
    assert (after.code, after.err) == (0, "")
    assert "nothing was sent yet" not in after.out


def test_machines_get_the_outcome_and_the_events(lading: Lading, web: MemoryRegistry, home: Path) -> None:
    (home.parent / "stick").mkdir()
    ran = lading(
        "--json", "mirror", "run", written(home.parent, web, "app:1"), "--into", str(home.parent / "stick")
    )
    told = ran.json
    assert (told["set"], told["state"], told["baseline"], told["is_new"]) == (
        "plant-7_0001",
        "done",
        "assumed",
        True,
    )
    assert [one["name"] for one in told["files"]] == ["plant-7_0001.1of1.tar"]
    assert told["folder"] == str(home.parent / "stick")
    words = [event["event"] for event in ran.events]
    assert (words[0], words[-1]) == ("mirror.begun", "mirror.ended")
    assert "image.done" in words


def test_a_set_is_signed_with_the_key_of_its_job(lading: Lading, web: MemoryRegistry, home: Path) -> None:
    more = f"[bundle]\nkey = '{DATA / 'plain.key'}'\n[policy]"
    assert lading("mirror", "run", written(home.parent, web, "app:1", more=more)).code == 0
    sums = home / "mirror/plant-7/volumes/plant-7_0001.sha256"
    signature = Signature.parse(sums.with_name(sums.name + ".minisig").read_bytes(), "signature")
    assert PUBLIC.has_signed(sums.read_bytes(), signature)


def test_a_plan_writes_nothing_and_says_what_it_would_take(
    lading: Lading, web: MemoryRegistry, home: Path
) -> None:
    job = written(home.parent, web, "app:1", "tool:1.0")
    ran = lading("mirror", "plan", job)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].split() == ["IMAGE", "STATE", "NEW", "SHARED", "THERE"]
    assert lines[1].split()[:2] == [f"{web.host}/app:1", "new"]
    assert lines[3].startswith("2 of 2 images new, against what was sent: ")
    assert "at the peak" in lines[4]
    assert not home.exists()
    facts = lading("--json", "mirror", "plan", job, "--since", "full").json
    blobs = {**APP.blobs, **TOOL.blobs}.values()
    assert facts["to_fetch"]["size"] == sum(map(len, blobs))
    assert facts["baseline"] == "full"
    assert lading("mirror", "plan", written(home.parent, web, "app:1", "none:1")).code == 8


def test_a_plan_that_does_not_fit_is_told_with_its_figures(
    lading: Lading, web: MemoryRegistry, home: Path
) -> None:
    job = written(home.parent, web, "app:1", more="[policy]\nmax_bundle = '1KB'")
    for words in (("plan",), ("run", "--quiet")):
        ran = lading("mirror", *words, job)
        assert ran.code == 7
        assert "expected at most 1000, which policy.max_bundle says" in ran.last
    assert "IMAGE" in lading("mirror", "plan", job).out


@pytest.mark.parametrize("text", ["2026-13-01", "today", "2026-11-27T00:00", "20261127", "2026-W48-5"])
def test_what_is_no_date_is_refused(lading: Lading, web: MemoryRegistry, home: Path, text: str) -> None:
    ran = lading("mirror", "run", written(home.parent, web, "app:1"), "--date", text)
    assert ran.code == 2
    assert "is no date; write it as 2026-11-27" in ran.last


def test_a_missed_night_and_a_site_that_is_held_have_their_codes(
    lading: Lading, web: MemoryRegistry, home: Path
) -> None:
    job = written(home.parent, web, "app:1")
    missed = lading("mirror", "run", job, "--date", "2020-02-29", "--quiet")
    assert missed.code == 3
    assert "was missed" in missed.last
    with Site(home, "plant-7").held("another run", datetime.now(UTC)):
        held = lading("mirror", "run", job, "--quiet")
    assert held.code == 75
    assert "held by another run" in held.last


def test_who_could_not_be_told_of_a_failure_is_named_before_it(
    lading: Lading, web: MemoryRegistry, home: Path
) -> None:
    job = written(home.parent, web, "none:1", more="[notify]\ntextfile = 'none/a.prom'\n[policy]")
    ran = lading("mirror", "run", job, "--quiet")
    folder = home.parent / "none"
    told = f"warning: notice by textfile: folder {folder}: is not there; make it"
    first, last = ran.err.splitlines()
    assert first.startswith(told)
    assert last.startswith("error: image ")
    assert ran.code == 3
    told_machines = lading("mirror", "run", job, "--json").err
    assert '"notice.failed"' in told_machines
    assert "warning:" not in told_machines


@pytest.mark.parametrize(
    ("key", "into", "code"),
    [("gone.key", ".", 3), (str(DATA / "locked.key"), ".", 2), (str(DATA / "plain.key"), "not-mounted", 2)],
)
def test_a_run_that_fails_before_it_begins_is_told_failed(  # noqa: PLR0917 - three of them are fixtures
    lading: Lading, web: MemoryRegistry, home: Path, key: str, into: str, code: int
) -> None:
    textfile, page = home.parent / "a.prom", home.parent / "told.html"
    more = f"[notify]\ntextfile = '{textfile}'\nwebhook = {{url = 'http://{web.host}/hook'}}\n"
    more += f"[bundle]\nkey = '{key}'\n[policy]"
    job = written(home.parent, web, "app:1", more=more)
    ran = lading("mirror", "run", job, "--quiet", "--html", str(page), "--into", into)
    assert ran.code == code
    assert 'state{site="plant-7",state="failed"} 1' in textfile.read_text()
    [posted] = [json.loads(one.body) for one in web.asked if one.method == "POST"]
    assert ran.last == f"error: {posted['problem']}"
    assert "warning: notice by webhook: " in ran.err  # our registry answers 404
    assert [each.name for each in (home / "mirror/plant-7/pages").iterdir()] == [
        f"{posted['date']}-failed.html"
    ]
    assert posted["problem"].partition(":")[0] in page.read_text()


@pytest.mark.parametrize("key", [str(DATA / "plain.key"), "gone.key"])
@pytest.mark.parametrize("date", ["2020-02-29", "2999-11-29"])
def test_a_date_that_is_no_night_is_told_to_whoever_asked_alone(
    lading: Lading, web: MemoryRegistry, home: Path, date: str, key: str
) -> None:
    textfile = home.parent / "a.prom"
    more = (
        f"[notify]\non = ['failed']\ntextfile = '{textfile}'\nwebhook = {{url = 'http://{web.host}/hook'}}\n"
    )
    assert lading("mirror", "run", written(home.parent, web, "app:1", more=f"{more}[policy]")).code == 0
    good, pages = textfile.read_text(), sorted((home / "mirror/plant-7/pages").iterdir())
    job = written(home.parent, web, "app:1", more=f"{more}[bundle]\nkey = '{key}'\n[policy]")
    assert lading("mirror", "run", job, "--date", date, "--quiet").code in {2, 3}
    assert textfile.read_text() == good
    assert sorted((home / "mirror/plant-7/pages").iterdir()) == pages
    assert [one for one in web.asked if one.method == "POST"] == []


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_folder_that_is_not_there_is_no_medium(
    lading: Lading, web: MemoryRegistry, home: Path, command: str
) -> None:
    job, medium = written(home.parent, web, "app:1"), home.parent / "medium"
    ran = lading("mirror", command, job, "--into", str(medium))
    assert (ran.code, ran.out) == (2, "")
    assert f"--into {medium}: is no folder that is there; mount it, or make it" in ran.err
    assert not medium.exists()
    assert web.asked == []
    medium.mkdir()
    assert lading("mirror", command, job, "--into", str(medium)).code == 0


def test_a_set_that_was_made_before_is_written_again_where_it_is_not(
    lading: Lading, web: MemoryRegistry, home: Path
) -> None:
    job, medium = written(home.parent, web, "app:1"), home.parent / "medium"
    medium.mkdir()
    first = lading("mirror", "run", job, "--quiet").out.splitlines()
    again = lading("mirror", "run", job, "--quiet", "--into", str(medium)).out.splitlines()
    assert again[:2] == first[:2]
    assert again[2].startswith("plant-7_0001 was made for ")
    assert again[3:] == [f"written again to {medium}"]
    assert "the same once more with --since receipt" in lading("mirror", "run", job, "--quiet").out


@pytest.mark.parametrize(
    ("since", "against"), [("sent", "what was sent"), ("receipt", "nothing"), ("full", "nothing")]
)
def test_a_plan_says_what_it_is_reckoned_against(
    lading: Lading, web: MemoryRegistry, home: Path, since: str, against: str
) -> None:
    job = written(home.parent, web, "app:1")
    assert f"1 of 1 image new, against {against}: " in lading("mirror", "plan", job, "--since", since).out
