"""The doors of the closed side, and those of the connected side that what comes back goes through."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, index
from tests.cli.conftest import Lading
from tests.crossings import Crossing, big
from tests.sets import flip
from tests.signers import DATA, KEY_ID, PUBLIC, signing_key
from toolkit.digest import Digest
from toolkit.limits import MIB
from toolkit.mirror.connected.site import Site
from toolkit.mirror.records.baseline import Baseline
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.lock import Gap
from toolkit.mirror.records.receiptfile import read_receipt
from toolkit.stores.layout import LayoutStore
from toolkit.stores.layout_unname import unname

BASE, APP, TOOL = image(ONE), image(ONE, TWO), image(TWO)
MULTI = index(APP, TOOL)
ALL = {"base:1": BASE, "app:1": APP, "multi:1": MULTI}


class Here(Crossing):
    """The closed side is this home."""

    @property
    def home(self) -> Path:
        return self.folder / "home"


@pytest.fixture
def gap(tmp_path: Path, home: Path) -> Here:
    found = Here(tmp_path)
    assert found.home == home
    return found


def tops(place: Path) -> dict[str, str]:
    return {name: str(entry.top.digest) for entry in LayoutStore(place).entries() for name in entry.names}


def test_a_set_is_received_and_its_receipt_written(lading: Lading, gap: Here) -> None:
    ran = lading("mirror", "receive", str(gap.send(ALL)), "--operator", "j.doe")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].split() == ["SET", "STATE", "DATE", "IMAGES", "NEW", "STORED"]
    assert lines[1].split()[:5] == ["plant-7_0001", "received", "2026-11-28", "3", "3"]
    path = gap.home / "mirror/plant-7/plant-7_0001.receipt.json"
    assert lines[2] == f"receipt for 3 images of 1 set: {path}"
    assert read_receipt(path).operator == "j.doe"
    assert gap.names() == {name: picture.digest for name, picture in ALL.items()}


def test_a_signed_receipt_goes_back_and_is_taken(
    lading: Lading, gap: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    medium, back = gap.send(ALL, key=signing_key()), gap.medium("back")
    key, public = str(DATA / "plain.key"), str(DATA / "plain.pub")
    words = ("--key", public, "--sign", key, "--receipt-to", str(back))
    assert lading("mirror", "receive", str(medium), *words).code == 0
    path = back / "plant-7_0001.receipt.json"
    kept = gap.home / "mirror/plant-7"
    for suffix in ("", ".sha256", ".sha256.minisig"):
        assert (back / (path.name + suffix)).read_bytes() == (kept / (path.name + suffix)).read_bytes()
    monkeypatch.setenv("LADING_HOME", str(gap.folder / "connected"))
    ran = lading("mirror", "receipt", str(path), "--key", public)
    assert (ran.code, ran.out) == (
        0, "took the receipt of plant-7: 3 images of 1 set, the last of them 1\n",
    )  # fmt: skip
    assert lading("mirror", "receipt", str(path)).out.startswith("had the receipt of plant-7")
    assert lading("mirror", "receipt", str(path), "--key", str(DATA / "locked.pub")).code == 5
    assert lading("mirror", "receipt", str(back), "--key", public).out.startswith(
        "had the receipt of plant-7"
    )
    assert gap.sender.baseline("confirmed").unknown == ()
    assert {str(top) for top in gap.sender.baseline("confirmed").tops} == {
        each.digest for each in ALL.values()
    }


def test_after_a_prune_the_receipt_says_what_is_left(lading: Lading, gap: Here) -> None:
    media, back = [gap.send({"app:1": BASE, "old:1": TOOL}), gap.send({"app:1": BASE})], gap.medium("back")
    assert lading("mirror", "receive", *map(str, media)).code == 0
    review = str(gap.folder / "review.txt")
    assert lading("mirror", "prune", "--site", "plant-7", "-o", review).code == 0
    words = ("--sign", str(DATA / "plain.key"), "--operator", "j.doe", "--receipt-to")
    assert lading("mirror", "prune", "--confirm", review, *words, str(back / "none")).code == 2
    assert set(gap.names()) == {"app:1", "old:1"}
    ran = lading("mirror", "prune", "--confirm", review, *words, str(back))
    assert ran.code == 0, ran.err
    path = back / "plant-7_0002.receipt.json"
    kept = gap.home / "mirror/plant-7" / path.name
    assert ran.out.splitlines()[-1] == f"receipt for 1 image of 2 sets: {kept}, {path}"
    receipt = read_receipt(path, [PUBLIC])
    assert (list(receipt.images), receipt.operator) == (["app:1"], "j.doe")
    assert receipt.trail == gap.side.trail.tip()
    facts = json.loads(lading("mirror", "prune", "--confirm", review, "--json").out)
    assert facts["receipt"] == {"files": [str(kept)], "sets": [1, 2], "images": 1}


def test_a_medium_that_is_not_there_is_told_before_anything_is_received(lading: Lading, gap: Here) -> None:
    back = gap.folder / "back"
    ran = lading("mirror", "receive", str(gap.send(ALL)), "--receipt-to", str(back))
    assert (ran.code, ran.last) == (
        2, f"error: --receipt-to {back}: is no folder that is there; mount the medium, or make the folder",
    )  # fmt: skip
    assert not back.exists()
    assert not gap.home.exists()


def test_images_are_copied_on_under_other_names(lading: Lading, gap: Here) -> None:
    other = gap.folder / "other"
    words = ("--into", f"oci:{other}", "--rename", "docker.io/=mirror.site.example/")
    ran = lading("mirror", "receive", str(gap.send(ALL)), *words)
    assert ran.code == 0, ran.err
    assert "warning: " not in ran.err
    lines = ran.out.splitlines()
    end = lines.index(f"copied 3 images on into oci:{other}")
    assert [line.split() for line in lines[end - 4 : end]] == [
        ["NAME", "DIGEST"],
        *([f"mirror.site.example/library/{name}", picture.digest] for name, picture in sorted(ALL.items())),
    ]
    assert tops(other) == {
        f"mirror.site.example/library/{name}": picture.digest for name, picture in ALL.items()
    }
    assert gap.names() == {name: picture.digest for name, picture in ALL.items()}


def test_a_rename_that_fits_no_image_is_told(lading: Lading, gap: Here) -> None:
    words = ("--into", f"oci:{gap.folder / 'other'}", "--rename", "dokcer.io/=m.example/")
    medium = str(gap.send(ALL))
    ran = lading("mirror", "receive", medium, *words, "--rename", "docker.io/library/app=x/app")
    assert ran.code == 0
    problem = "fits none of the images that are handed on, as app:1; is OLD spelt as names are?"
    assert ran.err.splitlines()[-1] == f"warning: --rename dokcer.io/=m.example/: {problem}"
    assert "docker.io/library/app" not in ran.err
    [finding] = json.loads(lading("mirror", "receive", medium, *words, "--json").out)["findings"]
    assert (finding["subject"], finding["problem"]) == ("--rename dokcer.io/=m.example/", problem)


def test_of_very_many_images_that_are_copied_on_the_first_are_told(lading: Lading, gap: Here) -> None:
    medium = gap.send({f"app:{number:02}": BASE for number in range(22)})
    ran = lading("mirror", "receive", str(medium), "--into", f"oci:{gap.folder / 'other'}")
    lines = ran.out.splitlines()
    end = lines.index("and 2 more: --json tells all")
    assert [line.split()[0] for line in lines[end - 21 : end]] == [
        "NAME",
        *(f"app:{number:02}" for number in range(20)),
    ]
    assert lines[end + 1].startswith("copied 22 images on")


def test_a_set_that_was_received_before_is_copied_on_all_the_same(lading: Lading, gap: Here) -> None:
    medium = gap.send(ALL)
    assert lading("mirror", "receive", str(medium)).code == 0
    for _ in range(2):
        ran = lading("mirror", "receive", str(medium), "--into", f"oci:{gap.folder / 'other'}", "--json")
        facts = json.loads(ran.out)
        assert [each["state"] for each in facts["sets"]] == ["there"]
        assert [each["names"] for each in facts["into"]["images"]] == [["app:1"], ["base:1"], ["multi:1"]]
    assert tops(gap.folder / "other") == {name: picture.digest for name, picture in ALL.items()}


def test_a_late_set_does_not_put_names_back_where_images_are_copied_on_to(lading: Lading, gap: Here) -> None:
    other = f"oci:{gap.folder / 'other'}"
    first, second = gap.send({"app:1": BASE, "old:1": TOOL}), gap.send({"app:1": APP}, baseline="full")
    assert lading("mirror", "receive", str(second), "--into", other).code == 0
    assert lading("mirror", "receive", str(first), "--into", other).code == 0
    assert tops(gap.folder / "other") == {"app:1": APP.digest, "old:1": TOOL.digest}


def test_a_place_that_fails_is_told_after_all_else_is_done(lading: Lading, gap: Here) -> None:
    ran = lading("mirror", "receive", str(gap.send(ALL)), "--into", "graph:/proc/nowhere/graph")
    assert ran.code in {3, 4, 7}
    assert "receipt for 3 images" in ran.out
    assert gap.names() == {name: picture.digest for name, picture in ALL.items()}


def test_of_several_failures_each_is_told(lading: Lading, gap: Here) -> None:
    later = gap.send({"app:1": BASE}), gap.send({"app:1": BASE, "tool:1": TOOL})
    back = gap.medium("back")
    (back / "plant-7_0001.receipt.json").mkdir()  # in the place of the receipt
    flip(next(later[1].glob("*.tar")), -2_000)
    ran = lading(
        "mirror",
        "receive",
        *map(str, later),
        "--into",
        "graph:/proc/nowhere/graph",
        "--receipt-to",
        str(back),
    )
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert [word in "".join(errors) for word in ("plant-7_0001.receipt.json", "/proc/nowhere")] == [
        True,
        True,
    ]
    assert ran.last == errors[-1]
    assert "1 of 2 sets could not be received: plant-7_0002" in ran.err


def test_what_is_asked_for_in_vain_is_refused_before_anything_is_read(lading: Lading, gap: Here) -> None:
    medium = str(gap.send(ALL))
    assert lading("mirror", "receive", medium, "--rename", "a=b").code == 2
    assert lading("mirror", "receive", medium, "--into", "out.tar").code == 2
    assert lading("mirror", "receive", medium, "--into", "oci:x", "--rename", "a").code == 2
    assert not gap.home.exists()


def test_the_exit_code_says_what_to_do(lading: Lading, gap: Here) -> None:
    first, second = gap.send({"app:1": BASE}), gap.send({"app:1": APP})
    missing = lading("mirror", "receive", str(second))
    assert missing.code == 3
    assert "receive what was sent before and has not come: plant-7_0001" in missing.err
    assert "receipt for 0 images of 0 sets" in missing.out
    [volume] = first.glob("*.tar")
    flip(volume, -2_000)
    assert lading("mirror", "receive", str(first)).code == 5
    flip(volume, -2_000)
    volume.rename(first / "elsewhere.tar")
    (first / "elsewhere.tar").rename(first.parent / "elsewhere.tar")
    assert lading("mirror", "receive", str(first)).code == 3
    (first.parent / "elsewhere.tar").rename(volume)
    assert lading("mirror", "receive", str(second), str(first)).code == 0


def test_what_the_command_ends_with_is_not_told_twice(lading: Lading, gap: Here) -> None:
    first, second = gap.send({"app:1": BASE}), gap.send({"new:1": TOOL}, baseline="full")
    for medium in (first, second):
        flip(next(medium.glob("*.tar")), -2_000)
    ran = lading("mirror", "receive", str(first), str(second))
    assert ran.code == 5
    told = [f"set plant-7_000{number}: cannot be trusted" for number in (1, 2)]
    assert [(ran.out.count(each), ran.err.count(each)) for each in told] == [(0, 1), (1, 0)]


@pytest.mark.parametrize("command", ["verify", "import", "ls"])
def test_a_volume_by_itself_is_told_as_one(lading: Lading, gap: Here, command: str) -> None:
    medium = gap.send({"app:1": image(big("a"), big("b"))}, volume=MIB, parity=True)
    of = len(list(medium.glob("*of*.tar")))
    for name, told in ((f"2of{of}", f"volume 2 of {of}"), ("parity", "the parity volume")):
        path = medium / f"plant-7_0001.{name}.tar"
        ran = lading(command, str(path))
        assert ran.code == 4
        assert ran.last == (
            f"error: {path}: is {told} of set plant-7_0001, not an image bundle; "
            f"receive the set: lading mirror receive {medium}"
        )


def test_images_that_are_copied_on_are_counted_by_their_names(lading: Lading, gap: Here) -> None:
    medium = gap.send({"app:1": APP, "app:2": APP, "base:1": BASE})
    ran = lading("mirror", "receive", str(medium), "--into", f"oci:{gap.folder / 'other'}")
    assert f"copied 3 images on into oci:{gap.folder / 'other'}" in ran.out


def test_some_of_several_sets_are_done_with_gaps(lading: Lading, gap: Here) -> None:
    first, second = gap.send({"app:1": BASE}), gap.send({"new:1": TOOL}, baseline="full")
    [volume] = first.glob("*.tar")
    flip(volume, -2_000)
    ran = lading("mirror", "receive", str(first), str(second))
    assert ran.code == 8
    assert ran.err.splitlines()[-1] == (
        "error: 1 of 2 sets could not be received: plant-7_0001; what to do is said above of each"
    )
    assert "refused: set plant-7_0001: cannot be trusted" in ran.out
    assert gap.names() == {"new:1": TOOL.digest}


def test_a_required_signature_holds_for_sets_too(lading: Lading, gap: Here) -> None:
    (gap.folder / "luigi.cfg").write_text(f"[lading]\nrequire_signature = {DATA / 'plain.pub'}\n")
    assert lading("mirror", "receive", str(gap.send(ALL))).code == 5
    assert not (gap.home / "store").exists()
    signed = gap.send(ALL, baseline="full", key=signing_key())
    ran = lading("mirror", "receive", str(signed))
    assert ran.code == 0
    assert f"is signed by key {KEY_ID}" in ran.err


def test_a_set_that_is_lost_is_not_counted_on(
    lading: Lading, gap: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    gap.send({"app:1": BASE})
    monkeypatch.setenv("LADING_HOME", str(gap.folder / "connected"))
    ran = lading("mirror", "lost", "plant-7_0001")
    assert (ran.code, ran.out) == (0, "lost: plant-7_0001; the next run sends again what was in it\n")
    assert gap.sender.baseline("assumed").blobs == set()
    assert lading("mirror", "lost", "plant-7_0002").code == 3
    assert lading("mirror", "lost", "plant-7").code == 2


def test_a_set_that_a_receipt_names_is_not_lost(
    lading: Lading, gap: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = gap.medium("back")
    assert lading("mirror", "receive", str(gap.send(ALL)), "--receipt-to", str(back)).code == 0
    monkeypatch.setenv("LADING_HOME", str(gap.folder / "connected"))
    assert lading("mirror", "receipt", str(back / "plant-7_0001.receipt.json")).code == 0
    ran = lading("mirror", "lost", "plant-7_0001")
    assert ran.code == 2
    assert ran.last.startswith("error: set plant-7_0001: has arrived, by the receipt of ")
    assert gap.sender.set(1).status == "sent"


def test_status_of_the_closed_side(lading: Lading, gap: Here) -> None:
    gap.send({"app:1": BASE})
    assert (
        lading("mirror", "receive", str(gap.send({"app:1": APP, "base:1": BASE}, baseline="full"))).code == 0
    )
    ran = lading("mirror", "status", "--images")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "plant-7, received here:"
    assert lines[2].split()[:2] == ["plant-7_0002", "2026-11-29"]
    assert "did not come: 1" in lines
    assert any(line.split()[:3] == ["app:1", APP.digest, "2"] for line in lines)
    facts = json.loads(lading("mirror", "status", "--site", "plant-7", "--json").out)
    [site] = facts["sites"]
    assert site["connected"] is None
    assert site["closed"]["missing"] == [1]
    assert [each["name"] for each in site["closed"]["images"]] == ["app:1", "base:1"]
    assert site["closed"]["receipt"].endswith("plant-7_0002.receipt.json")


def test_status_of_the_closed_side_says_what_is_not_in_the_store_any_more(lading: Lading, gap: Here) -> None:
    assert (
        lading("mirror", "receive", str(gap.send({"app:1": APP, "base:1": BASE, "base:2": BASE}))).code == 0
    )
    gap.store.folder.path(Digest.parse(APP.layers[1])).unlink()
    unname(gap.store, {"base:2": Digest.parse(BASE.digest)})
    lines = lading("mirror", "status", "--images").out.splitlines()
    there = {line.split()[0]: line.split()[-1] for line in lines if line.startswith(("app:", "base:"))}
    assert there == {"app:1": "no", "base:1": "yes", "base:2": "no"}


def test_status_of_the_closed_side_misses_what_a_set_stands_on_that_was_refused(
    lading: Lading, gap: Here
) -> None:
    """The log that travels beside the volumes tells of the sets before; one that was given up is not missed."""
    assert lading("mirror", "receive", str(gap.send({"app:1": BASE}))).code == 0
    for pictures in ({"app:1": BASE, "tool:1": TOOL}, {"app:1": APP}):
        gap.send(pictures)
    gap.sender.lost(3, gap.now)
    medium = gap.send({"app:1": APP, "tool:1": TOOL})
    (medium / "plant-7.trail.jsonl").write_bytes(gap.sender.trail.raw())
    assert lading("mirror", "receive", str(medium)).code == 3
    assert "did not come: 2, 4" in lading("mirror", "status").out


def test_status_tells_of_very_many_sets_the_last_and_how_many_more(lading: Lading, gap: Here) -> None:
    for number in (*range(1, 22), 44):
        gap.side.take(Increment.of("plant-7", number, gap.now.date(), [], Baseline.full()), gap.now)
    lines = lading("mirror", "status").out.splitlines()
    assert lines[2].startswith("plant-7_0003 ")
    assert lines[22] == "and 2 before these: --json tells all"
    assert lines[-1] == f"did not come: {', '.join(map(str, range(24, 44)))} and 2 before these"


def test_status_of_the_connected_side(lading: Lading, gap: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    medium, back = gap.send({"app:1": BASE}), gap.medium("back")
    assert lading("mirror", "receive", str(medium), "--receipt-to", str(back)).code == 0
    monkeypatch.setenv("LADING_HOME", str(gap.folder / "connected"))
    assert "last receipt: none has come back" in lading("mirror", "status").out
    assert lading("mirror", "receipt", str(back / "plant-7_0001.receipt.json")).code == 0
    gap.send({"app:1": APP})
    gap.sender.keep_gaps([Gap("dead:1", "the registry says 404", gap.now.date())], gap.now.date())
    ran = lading("mirror", "status")
    assert [line.split()[-1] for line in ran.out.splitlines()[2:4]] == ["yes", "no"]
    assert "gaps: 1 image could not be had the last time" in ran.out
    assert "dead:1" in ran.out
    facts = json.loads(lading("mirror", "status", "--json").out)["sites"][0]["connected"]
    assert facts["unconfirmed"] == [2]
    assert [(each["name"], each["set"], each["confirmed"]) for each in facts["images"]] == [
        ("app:1", 2, False)
    ]


def test_status_of_what_is_stale(lading: Lading, gap: Here) -> None:
    assert lading("mirror", "receive", str(gap.send(ALL))).code == 0
    age = (datetime.now(UTC).date() - gap.now.date()).days
    assert lading("mirror", "status", "--stale-after", str(max(0, age))).code == 0
    if age > 0:
        late = lading("mirror", "status", "--stale-after", str(age - 1))
        assert late.code == 8
        assert late.last == f"error: plant-7 is stale: the last set is of {age} days ago"


def test_status_of_nothing(lading: Lading, gap: Here) -> None:
    assert lading("mirror", "status").code == 3
    assert lading("mirror", "status", "--site", "plant-9").code == 3
    assert not gap.home.exists()


def test_the_log_of_the_other_side_is_taken_along(lading: Lading, gap: Here) -> None:
    medium = gap.send(ALL)
    (medium / "plant-7.trail.jsonl").write_bytes(gap.sender.trail.raw())
    assert lading("mirror", "receive", str(medium)).code == 0
    assert gap.side.carried.raw() == gap.sender.trail.raw()
    (medium / "plant-7.trail.jsonl").write_bytes(
        gap.sender.trail.raw().replace(b"plant-7_0001", b"plant-7_0009", 1)
    )
    ran = lading("mirror", "receive", str(medium))
    assert ran.code == 0
    assert "warning: " in ran.err
    assert gap.side.carried.raw() == Site(gap.folder / "connected", "plant-7").trail.raw()
