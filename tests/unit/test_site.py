from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from toolkit.digest import Digest
from toolkit.errors import InvalidDocument, Mismatch, NotFound, TryAgain, UsageError
from toolkit.mirror.connected.site import Site
from toolkit.mirror.records.baseline import Baseline
from toolkit.mirror.records.blob import Blob, ImageBlobs
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.folder import numbers
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.lock import Gap, Lock, Locked
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.setrecord import VolumeSum

NIGHT = datetime(2026, 11, 27, 2, tzinfo=UTC)
A, B, C, D, E = (Digest.of(letter.encode()) for letter in "ABCDE")
APP = ImageBlobs("app:1", A, (Blob(A, 1), Blob(B, 20)))
TOOL = ImageBlobs("tool:1", C, (Blob(C, 4), Blob(B, 20), Blob(D, 5_000)))
VOLUMES = [VolumeSum("plant-7_0001.1of1.tar", 10_240, "0" * 64)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, "plant-7")


def begun(site: Site, kind: str, *images: ImageBlobs) -> Increment:
    return site.begin(Increment.of(site.name, 0, NIGHT.date(), images, site.baseline(kind)), images)


def sent(site: Site, kind: str, *images: ImageBlobs) -> Increment:
    increment = begun(site, kind, *images)
    site.sent(increment.number, VOLUMES, NIGHT)
    return increment


def receipt(lines: int, sets: Sequence[int], *images: ImageBlobs, site: str = "plant-7") -> Receipt:
    tops = {image.name: image.top for image in images}
    return Receipt(site, NIGHT, "j.doe", tuple(sets), tops, Tip(lines, Digest.of(b"%d" % lines)))


def digests(blobs: Sequence[Blob]) -> set[Digest]:
    return {blob.digest for blob in blobs}


def test_a_site_is_named_so_that_nothing_leads_out_of_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a name for a site"):
        Site(tmp_path, "../plant-7")


def test_sets_are_numbered_from_one_and_go_from_building_to_sent(site: Site) -> None:
    first = begun(site, "assumed", APP)
    assert (first.number, site.set(1).status) == (1, "building")
    site.sent(1, VOLUMES, NIGHT)
    assert site.set(1).status == "sent"
    assert site.set(1).volumes == tuple(VOLUMES)
    assert sent(site, "assumed", APP, TOOL).number == 2
    assert [found.number for found in site.sets()] == [1, 2]
    assert [line.event for line in site.trail.lines()] == ["sent", "sent"]


def test_a_set_that_was_only_begun_is_not_assumed_to_arrive(site: Site) -> None:
    begun(site, "assumed", APP)
    assert site.baseline("assumed").blobs == set()


def test_a_run_that_was_killed_is_taken_up_under_the_same_number(site: Site) -> None:
    assert begun(site, "assumed", APP, TOOL) == begun(site, "assumed", TOOL, APP)
    assert site.numbers() == [1]


def test_a_number_never_stands_for_two_contents(site: Site) -> None:
    begun(site, "assumed", APP)
    assert begun(site, "assumed", APP, TOOL).number == 2
    assert [found.status for found in site.sets()] == ["lost", "building"]
    with pytest.raises(UsageError, match="set plant-7_0001: was given up, and cannot be sent"):
        site.sent(1, VOLUMES, NIGHT)


def test_a_number_that_the_closed_side_knows_is_not_given_again(site: Site) -> None:
    """The connected side was set up anew: the sets of before are another's."""
    found = receipt(9, [1, 2, 40, 3])
    with pytest.raises(
        UsageError, match=r"^r\.json: names set plant-7_0040, and the last one made here is 0; no"
    ):
        site.take(found, "r.json", NIGHT)
    site.take(found, "r.json", NIGHT, anew=True)
    assert begun(site, "assumed", APP).number == 41


def test_full_assumed_and_confirmed_differ_in_what_they_believe(site: Site) -> None:
    sent(site, "assumed", APP)
    site.take(receipt(1, [1], APP), "r.json", NIGHT)
    sent(site, "assumed", APP, TOOL)
    assert digests(begun(site, "full", APP, TOOL).contains) == {A, B, C, D}
    assert digests(begun(site, "confirmed", APP, TOOL).contains) == {C, D}
    assert digests(begun(site, "assumed", APP, TOOL).contains) == set()
    with pytest.raises(UsageError, match="baseline 'guessed': is not known; one of full, assumed, confirmed"):
        site.baseline("guessed")


def test_what_a_lost_set_brought_is_sent_again(site: Site) -> None:
    sent(site, "assumed", APP)
    sent(site, "assumed", APP, TOOL)
    site.lost(2, NIGHT)
    assert digests(sent(site, "assumed", APP, TOOL).contains) == {C, D}
    site.lost(2, NIGHT)
    assert [line.event for line in site.trail.lines()] == ["sent", "sent", "lost", "sent"]


def test_a_set_that_was_never_made_is_not_found(site: Site) -> None:
    with pytest.raises(NotFound, match="set plant-7_0009: is not known"):
        site.lost(9, NIGHT)


def test_a_receipt_is_taken_once(site: Site) -> None:
    sent(site, "full", APP)
    sent(site, "full", APP, TOOL)
    first, second = receipt(1, [1], APP), receipt(2, [1, 2], APP, TOOL)
    assert site.receipt() is None
    assert site.take(first, "r.json", NIGHT)
    assert site.take(second, "r.json", NIGHT)
    assert not site.take(second, "r.json", NIGHT)
    assert site.receipt() == second
    assert [line.event for line in site.trail.lines()][2:] == ["receipt", "receipt"]


def test_a_receipt_of_another_site_or_an_older_one_changes_nothing(site: Site) -> None:
    sent(site, "full", APP)
    site.take(receipt(5, [1], APP), "r.json", NIGHT)
    with pytest.raises(Mismatch, match="site is plant-8, expected plant-7"):
        site.take(receipt(6, [1], APP, site="plant-8"), "r.json", NIGHT)
    with pytest.raises(UsageError, match="a newer one is known"):
        site.take(receipt(4, [1]), "r.json", NIGHT)
    assert site.receipt() == receipt(5, [1], APP)


def test_a_closed_side_that_was_set_up_anew_is_believed_when_an_operator_says_so(site: Site) -> None:
    sent(site, "assumed", APP)
    site.take(receipt(5, [1], APP), "r.json", NIGHT)
    assert site.take(receipt(1, []), "r.json", NIGHT, anew=True)
    assert site.baseline("confirmed").blobs == set()


def test_the_last_lock_of_a_date_or_before_it_is_found(site: Site) -> None:
    assert site.last_lock(NIGHT.date()) is None
    for day in (20, 25, 28):
        site.keep_lock(Lock(site.name, date(2026, 11, day), ()))
    for odd in ("2026-11-26.json.txt", "2026-11-31.json", "2026-02-30.json"):  # no dates
        (site.folder / "locks" / odd).touch()
    found = [site.last_lock(date(2026, 11, day)) for day in (19, 20, 27, 28, 30)]
    assert [lock and lock.date.day for lock in found] == [None, 20, 25, 28, 28]


def test_gaps_and_locks_come_back_as_they_were_kept(site: Site) -> None:
    gap = Gap("dead:1", "timed out", date(2026, 11, 25))
    lock = Lock(
        "plant-7", date(2026, 11, 27), (Locked("app:1", "docker.io/library/app:1", "docker://", A),), (gap,)
    )
    assert site.gaps() == ()
    assert site.lock(lock.date) is None
    site.keep_gaps([gap], lock.date)
    site.keep_lock(lock)
    assert site.gaps() == (gap,)
    assert site.lock(lock.date) == lock


def test_one_run_works_on_a_site_at_a_time(site: Site) -> None:
    with (
        site.held("lading mirror run", NIGHT),
        pytest.raises(TryAgain, match=r"^site plant-7: is held by lading mirror run, process \d+ on "),
        site.held("lading mirror run", NIGHT),
    ):
        pass
    with site.held("lading mirror run", NIGHT):
        pass


def test_a_damaged_or_renamed_record_is_refused_by_its_path(site: Site) -> None:
    sent(site, "assumed", APP)
    path = site.folder / "sets/0001.json"
    shutil.copy(path, path.with_name("0002.json"))
    with pytest.raises(Mismatch, match=r"0002\.json: set is plant-7_0001, expected plant-7_0002"):
        site.set(2)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InvalidDocument, match=r"sets/0001\.json: is not valid JSON"):
        site.set(1)
    image = site.folder / f"images/{A.hex}.json"
    os.rename(image, image.with_name(f"{B.hex}.json"))
    with pytest.raises(Mismatch, match=r"digest is .* it was renamed or copied here"):
        site.image(B)


def test_an_image_whose_record_is_gone_is_sent_whole_again(site: Site) -> None:
    sent(site, "assumed", APP)
    site.take(receipt(1, [1], APP), "r.json", NIGHT)
    (site.folder / f"images/{A.hex}.json").unlink()
    assert site.baseline("confirmed").unknown == ("app:1",)
    assert digests(begun(site, "confirmed", APP).contains) == {A, B}


def test_an_image_that_was_sent_with_a_signature_is_confirmed_with_it(site: Site) -> None:
    sent(site, "assumed", APP)
    signed = replace(APP, blobs=(*APP.blobs, Blob(E, 6)))
    second = sent(site, "assumed", signed)
    assert digests(second.contains) == {E}
    site.take(receipt(1, [1], APP), "r.json", NIGHT)
    assert digests(begun(site, "confirmed", signed).contains) == {E}
    site.take(receipt(2, [1, 2], APP), "r.json", NIGHT)
    assert digests(begun(site, "confirmed", signed).contains) == set()


def test_numbers_are_read_from_names_and_nothing_else(site: Site) -> None:
    sent(site, "assumed", APP)
    for name in (".0002.json.part", "0003.json.bak", "3.json", "notes.txt"):
        (site.folder / "sets" / name).write_bytes(b"")
    assert numbers(site.folder / "sets") == [1]
    assert numbers(site.folder / "none") == []


def test_the_records_of_a_thousand_images_make_a_baseline(site: Site) -> None:
    images = [ImageBlobs(f"app:{n}", top := Digest.of(b"%d" % n), (Blob(top, n),)) for n in range(1_000)]
    sent(site, "full", *images)
    site.take(receipt(1, [1], *images), "r.json", NIGHT)
    baseline = site.baseline("confirmed")
    tops = frozenset(image.top for image in images)
    assert baseline == Baseline("confirmed", tops, tops)
