from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, index, tar
from tests.mirrors import FIRST, ConnectedSide, carried, increment_of, volumes
from tests.webregistry import MemoryRegistry, refusal
from tests.webs import Asked, Reply
from toolkit.checksums import ChecksumList
from toolkit.errors import Mismatch, NotFound, StoreError, TryAgain, UsageError
from toolkit.event import BlobDone
from toolkit.mirror.media.volumes import Written, write_set
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.setrecord import LOST, SENT
from toolkit.mirror.status import Status
from toolkit.secretkey import SigningKey
from toolkit.signature import Signature

THREE = tar({"etc/three": b"333"})
APP, TOOL, NEWER = image(ONE, TWO), image(TWO), image(ONE, TWO, THREE)


@pytest.fixture
def side(tmp_path: Path) -> Iterator[ConnectedSide]:
    with MemoryRegistry() as web:
        web.push("app:1", APP).push("tool:1.0", TOOL)
        yield ConnectedSide(web, tmp_path / "home")


def test_a_first_night_carries_everything_in_a_bundle_that_is_whole(side: ConnectedSide) -> None:
    ran = side.run(side.job("app:1", {"repo": "tool", "tags": [">=1"]}))
    assert carried(ran) == {side.name("app:1"): APP.digest, side.name("tool:1.0"): TOOL.digest}
    outcome = ran.outcome
    assert (outcome.state, outcome.number, outcome.images, outcome.images_new) == ("done", 1, 2, 2)
    assert outcome.bytes_new == sum(len(blob) for blob in {**APP.blobs, **TOOL.blobs}.values())
    assert outcome.bytes_shared == len(TWO)
    assert side.told() == ["mirror.begun", "mirror.ended"]
    [volume] = ran.finished.record.volumes
    listed = ChecksumList.parse((ran.folder / "plant-7_0001.sha256").read_bytes(), "list").sums
    assert listed == {volume.name: hashlib.sha256((ran.folder / volume.name).read_bytes()).hexdigest()}


def test_an_unchanged_night_asks_for_each_tag_once_and_reads_nothing(side: ConnectedSide) -> None:
    job = side.job("app:1", {"repo": "tool", "tags": [">=1"]})
    side.run(job)
    side.asked()
    side.sleep()
    ran = side.run(job)
    assert side.asked() == {"HEAD manifests": 2, "GET tags": 1}
    assert (ran.outcome.images_new, ran.outcome.images_there, ran.outcome.bytes_new) == (0, 2, 0)
    assert ran.outcome.number == 2
    assert not increment_of(ran).contains


def test_a_tag_that_moved_brings_what_is_new_alone(side: ConnectedSide) -> None:
    job = side.job("app:1", "tool:1.0")
    side.run(job)
    side.web.push("app:1", NEWER)
    side.sleep()
    increment = increment_of(side.run(job))
    assert {str(blob.digest) for blob in increment.contains} == NEWER.blobs.keys() - APP.blobs.keys()
    assert {str(blob.digest) for blob in increment.requires} == NEWER.blobs.keys() & APP.blobs.keys()
    assert [image.name for image in increment.new] == [side.name("app:1")]


def test_a_new_tag_that_its_rules_take_comes_by_itself(side: ConnectedSide) -> None:
    job = side.job({"repo": "tool", "tags": [">=1"]})
    side.run(job)
    side.web.push("tool:1.1", NEWER)
    side.sleep()
    assert [image.name for image in increment_of(side.run(job)).new] == [side.name("tool:1.1")]


def test_an_image_that_fails_is_left_out_whole_and_comes_when_it_can(side: ConnectedSide) -> None:
    job = side.job("app:1", "tool:1.0", "dead:1")
    missing = side.web.blobs.pop(("app", APP.layers[0]))
    ran = side.run(job)
    assert carried(ran) == {side.name("tool:1.0"): TOOL.digest}
    assert ran.outcome.state == "gaps"
    assert {gap.name for gap in ran.outcome.gaps} == {side.name("app:1"), side.name("dead:1")}
    assert all("404" in gap.problem or "is not in" in gap.problem for gap in ran.outcome.gaps)
    assert side.told().count("image.missed") == 2
    side.sleep()
    [app, dead] = side.run(job).outcome.gaps
    assert (app.since, dead.since) == (FIRST.date(), FIRST.date())
    side.web.blobs["app", APP.layers[0]] = missing
    side.sleep()
    ran = side.run(job)
    assert [image.name for image in increment_of(ran).new] == [side.name("app:1")]
    assert [gap.name for gap in ran.outcome.gaps] == [side.name("dead:1")]


def test_what_failed_is_tried_again_on_the_same_day(side: ConnectedSide) -> None:
    job = side.job("app:1", "tool:1.0", "late:1")
    assert side.run(job).outcome.state == "gaps"
    side.web.push("late:1", NEWER)
    side.asked()
    ran = side.run(job)
    assert (ran.outcome.state, ran.outcome.number) == ("done", 2)
    assert [image.name for image in increment_of(ran).new] == [side.name("late:1")]
    assert not any("app" in one.path or "tool" in one.path for one in side.web.asked)


def test_tags_are_listed_once_a_date_though_something_failed(side: ConnectedSide) -> None:
    side.web.push("tool:1.1", APP).push("tool:0.9", APP)
    lost = side.web.manifests.pop(("app", "1"))
    rules = {"repo": "tool", "tags": [">=1", "latest 2"], "rename": "vendor/tool"}
    job = side.job("app:1", rules, {"repo": "late", "tags": ["*"]})
    side.web.odd = lambda asked: (
        Reply(404) if asked.method == "HEAD" and "tool/manifests/1.1" in asked.path else None
    )
    names = [f"vendor/tool:{tag}" for tag in ("1.0", "1.1")]
    ran = side.run(job)
    assert {gap.name for gap in ran.outcome.gaps} == {side.name("app:1"), side.name("late"), names[1]}
    side.web.push("tool:2.0", NEWER)
    side.web.odd = lambda _: None
    side.web.push("late:1", TOOL)
    side.web.manifests["app", "1"] = lost
    side.asked()
    ran = side.run(job)
    assert ran.outcome.state == "done"
    assert [image.name for image in increment_of(ran).images if "vendor" in image.name] == names
    assert [one.path for one in side.web.asked if "/tags/" in one.path] == ["/v2/late/tags/list"]
    side.sleep()
    assert "vendor/tool:2.0" in {image.name for image in increment_of(side.run(job)).images}


def test_a_job_that_was_changed_is_looked_at_anew_on_the_same_day(side: ConnectedSide) -> None:
    side.run(side.job("app:1"))
    side.web.push("app:1", NEWER)
    side.asked()
    ran = side.run(side.job("app:1", "tool:1.0"))
    assert [image.name for image in increment_of(ran).new] == [side.name("tool:1.0")]
    assert not any("app" in one.path for one in side.web.asked)


def test_where_it_is_all_or_nothing_a_failure_leaves_no_set(side: ConnectedSide) -> None:
    job = side.job("app:1", "dead:1")
    with pytest.raises(StoreError, match=r"all or nothing; .*dead:1") as raised:
        side.run(job, strict=True)
    assert raised.value.exit_code == 7
    with pytest.raises(StoreError, match="all or nothing"):
        side.run(side.job("app:1", "dead:1", policy={"on_error": "strict"}))
    assert side.site.numbers() == []
    assert not (side.home / "mirror/plant-7/volumes").exists()
    assert [gap.name for gap in side.site.gaps()] == [side.name("dead:1")]
    side.web.push("dead:1", NEWER)
    assert side.run(job, strict=True).outcome.state == "done"


def test_a_registry_that_answers_nothing_at_all_is_a_failure(side: ConnectedSide) -> None:
    side.web.odd = lambda _: refusal(403, "DENIED")
    with pytest.raises(StoreError, match="403"):
        side.run(side.job("app:1", "tool:1.0"))
    assert side.site.lock(side.today) is None
    assert side.told() == ["mirror.ended"]


def test_a_night_that_can_fetch_no_image_at_all_is_a_failure_and_makes_no_set(side: ConnectedSide) -> None:
    missing = side.web.blobs.pop(("app", APP.layers[0]))
    with pytest.raises(
        StoreError, match=r"not one image can be had; .*app:1: blob sha256:.*404.*nothing was made"
    ):
        side.run(side.job("app:1"))
    assert side.site.numbers() == []
    assert [gap.name for gap in side.site.gaps()] == [side.name("app:1")]
    side.web.blobs["app", APP.layers[0]] = missing
    assert side.run(side.job("app:1")).outcome.state == "done"


def test_a_rerun_of_a_date_takes_its_names_as_they_were(side: ConnectedSide) -> None:
    job = side.job("app:1")
    first = side.run(job)
    before = volumes(first.folder)
    side.web.push("app:1", NEWER)
    side.asked()
    again = side.run(job)
    assert not again.finished.is_new
    assert again.finished.record == first.finished.record
    assert volumes(first.folder) == before
    side.sleep()
    again = side.run(job, date=FIRST.date())
    assert again.finished.record == first.finished.record
    assert not side.asked()


def test_a_date_that_is_done_needs_no_room(side: ConnectedSide) -> None:
    side.run(side.job("app:1"))
    again = side.run(side.job("app:1", policy={"min_free": "900000TB"}))
    assert not again.finished.is_new


def test_every_layer_is_told_on_its_way_in_and_into_the_set(side: ConnectedSide) -> None:
    side.run(side.job("app:1"))
    done = [event.layer.key for event in side.events if isinstance(event, BlobDone)]
    ways = [[layer, f"{layer} in plant-7_0001"] for layer in APP.layers]
    assert sorted(done) == sorted(key for way in ways for key in way)


def test_a_past_night_never_gets_the_content_of_today(side: ConnectedSide) -> None:
    job = side.job("app:1")
    with pytest.raises(NotFound, match="the night of 2026-11-25 of site plant-7: was missed"):
        side.run(job, date=dt.date(2026, 11, 25))
    with pytest.raises(UsageError, match="is still to come; tonight is 2026-11-27, in UTC"):
        side.run(job, date=dt.date(2026, 11, 28))
    assert not side.asked()
    assert side.events == []  # a slip of whoever asks, and nothing of the last night


def test_a_night_that_failed_makes_no_set_once_a_later_one_has(side: ConnectedSide) -> None:
    job = side.job("app:1")
    lost = side.web.blobs.pop(("app", APP.layers[0]))
    with pytest.raises(StoreError, match="not one image can be had"):
        side.run(job)
    side.web.blobs["app", APP.layers[0]] = lost
    side.web.push("app:1", NEWER)
    side.sleep()
    sent = side.run(job).finished.record
    over = r"the night of 2026-11-27 of site plant-7: is over: set plant-7_0001 is of 2026-11-28; run without"
    with pytest.raises(UsageError, match=over):
        side.run(job, date=FIRST.date())
    with pytest.raises(UsageError, match=over):
        side.run(job, date=FIRST.date(), since="full")
    assert list(side.site.sets()) == [sent]


def test_sets_are_reckoned_from_what_was_sent_or_from_the_receipt_as_asked(side: ConnectedSide) -> None:
    job = side.job("app:1", "tool:1.0")
    side.run(job)
    names = {side.name("app:1"): APP.digest}
    side.sleep()
    assert increment_of(side.run(job)).baseline == "assumed"
    images = {each.name: each.digest for each in side.resolved(job).images if each.name in names}
    side.site.take(Receipt("plant-7", side.now, "j", (1,), images, Tip()), "receipt", side.now)
    again = increment_of(side.run(job, since="receipt"))
    assert (again.baseline, [image.name for image in again.new]) == ("confirmed", [side.name("tool:1.0")])
    whole = increment_of(side.run(job, since="full"))
    assert (whole.baseline, len(whole.new), whole.is_whole) == ("full", 2, True)
    side.sleep()
    assert not increment_of(side.run(job)).new


def test_a_set_that_was_lost_is_sent_again(side: ConnectedSide) -> None:
    job = side.job("app:1")
    side.run(job)
    side.site.lost(1, side.now)
    assert side.site.set(1).status == LOST
    side.sleep()
    assert [image.name for image in increment_of(side.run(job)).new] == [side.name("app:1")]


def test_a_set_that_stands_on_a_lost_one_is_made_anew_on_the_same_day(side: ConnectedSide) -> None:
    job = side.job("app:1", "tool:1.0")
    side.run(job)
    side.web.push("app:1", NEWER)
    side.sleep()
    side.run(job)
    side.sleep()
    assert increment_of(side.run(job)).requires_images
    side.site.lost(2, side.now)
    ran = side.run(job)
    assert (ran.finished.is_new, ran.outcome.number) == (True, 4)
    assert [image.name for image in increment_of(ran).new] == [side.name("app:1")]
    assert not side.run(job).finished.is_new


def test_a_set_that_is_there_is_written_again_into_another_folder(
    side: ConnectedSide, tmp_path: Path
) -> None:
    job, key = side.job("app:1"), SigningKey.generate()
    first = side.run(job, key=key)
    side.web.push("app:1", NEWER)
    side.asked()
    again = side.run(job, key=key, into=str(tmp_path / "medium"))
    assert (again.finished.is_new, again.finished.is_written) == (False, True)
    assert volumes(again.folder) == volumes(first.folder)
    assert again.finished.record == first.finished.record
    assert len(side.site.trail.lines()) == 1
    assert not side.asked()
    assert not side.run(job, key=key, into=str(tmp_path / "medium")).finished.is_written


@pytest.mark.parametrize("gone", ["plant-7_0001.1of1.tar", "plant-7_0001.sha256"])
def test_what_of_a_set_was_deleted_is_written_again(side: ConnectedSide, gone: str) -> None:
    first = side.run(side.job("app:1"))
    before = volumes(first.folder)
    (first.folder / gone).unlink()
    again = side.run(side.job("app:1"))
    assert (again.finished.is_new, again.finished.is_written) == (False, True)
    assert volumes(first.folder) == before


def test_a_volume_that_was_cut_short_is_told_and_written_once_more_without_it(side: ConnectedSide) -> None:
    first = side.run(side.job("app:1"))
    before, volume = volumes(first.folder), first.folder / "plant-7_0001.1of1.tar"
    os.truncate(volume, 3)
    with pytest.raises(
        Mismatch, match=rf"size is 3, expected {len(before[volume.name])}; remove it, and run"
    ):
        side.run(side.job("app:1"))
    volume.unlink()
    assert side.run(side.job("app:1")).finished.is_written
    assert volumes(first.folder) == before


def test_a_set_that_is_cut_otherwise_by_now_is_recorded_so(side: ConnectedSide, tmp_path: Path) -> None:
    side.web.push("large:1", image(tar({"large": bytes(range(256)) * 10_000})))
    first = side.run(side.job("large:1"))
    job = side.job("large:1", bundle={"volume": "1MiB"})
    again = side.run(job, into=str(tmp_path / "medium"))
    names = [f"plant-7_0001.{n}of3.tar" for n in (1, 2, 3)]
    assert [volume.name for volume in again.finished.record.volumes] == names
    assert side.site.set(1) == again.finished.record != first.finished.record
    for volume in again.finished.record.volumes:
        assert hashlib.sha256((again.folder / volume.name).read_bytes()).hexdigest() == volume.sha256


def test_a_set_that_does_not_become_what_it_was_is_refused(side: ConnectedSide, tmp_path: Path) -> None:
    record = side.run(side.job("app:1")).finished.record
    other = record.volumes[0]._replace(sha256="0" * 64)
    side.site.sent(1, [other], side.now)
    with pytest.raises(Mismatch, match=r"sha256 is .*, expected 0{64}; .*--since receipt"):
        side.run(side.job("app:1"), into=str(tmp_path / "medium"))
    assert not (tmp_path / "medium/plant-7_0001.sha256").exists()


def test_what_has_no_room_is_refused_with_figures_before_any_download(side: ConnectedSide) -> None:
    job = side.job("app:1", policy={"max_bundle": "1KB"})
    with pytest.raises(StoreError, match=r"would be \d+ bytes, expected at most 1000, .*max_bundle"):
        side.run(job)
    with pytest.raises(
        StoreError, match=r"needs \d+ bytes \(.* to fetch, .* for the set\) .* has \d+ free, of which"
    ):
        side.run(side.job("app:1", policy={"min_free": "900000TB"}))
    assert side.asked()["GET blobs"] <= 2  # the config, of which each plan reads the documents
    assert not side.store.path.exists()
    assert side.site.numbers() == []


def test_volumes_are_cut_made_good_by_parity_and_signed(side: ConnectedSide, tmp_path: Path) -> None:
    large = image(tar({"large": bytes(range(256)) * 10_000}))
    side.web.push("large:1", large)
    key = SigningKey.generate()
    job = side.job("large:1", bundle={"volume": "1MiB", "parity": 1})
    ran = side.run(job, key=key, into=str(tmp_path / "medium"))
    names = [volume.name for volume in ran.finished.record.volumes]
    assert names == [f"plant-7_0001.{n}of3.tar" for n in (1, 2, 3)] + ["plant-7_0001.parity.tar"]
    assert ran.folder == tmp_path / "medium"
    sums = (ran.folder / "plant-7_0001.sha256").read_bytes()
    raw = (ran.folder / "plant-7_0001.sha256.minisig").read_bytes()
    assert key.public.has_signed(sums, Signature.parse(raw, "signature"))
    assert list(ChecksumList.parse(sums, "list").sums) == sorted(names)


def test_a_medium_that_does_not_keep_what_is_written_is_found_out(
    side: ConnectedSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worn(*words: object, **more: object) -> list[Written]:
        written = write_set(*words, **more)  # type: ignore[arg-type]
        content = bytearray(written[0].path.read_bytes())
        content[len(content) // 2] ^= 1
        written[0].path.write_bytes(content)
        return written

    monkeypatch.setattr("toolkit.mirror.connected.finishing.write_set", worn)
    with pytest.raises(Mismatch, match="the medium does not keep"):
        side.run(side.job("app:1"))
    assert side.site.set(1).status != SENT
    assert not (side.home / "mirror/plant-7/volumes/plant-7_0001.sha256").exists()
    monkeypatch.undo()
    assert side.run(side.job("app:1")).outcome.number == 1


def test_one_run_at_a_time_works_for_a_site(side: ConnectedSide) -> None:
    with side.site.held("another run", side.now), pytest.raises(TryAgain, match="held by another run"):
        side.run(side.job("app:1"))
    assert not side.asked()
    assert side.told() == []


def test_outside_of_its_window_a_run_asks_nobody(side: ConnectedSide) -> None:
    hour = dt.datetime.fromtimestamp(side.clock()).hour  # noqa: DTZ006 - the window is by this machine's clock
    window = f"{(hour + 2) % 24:02}:00-{(hour + 3) % 24:02}:00"
    with pytest.raises(TryAgain, match="may ask registries from") as raised:
        side.run(side.job("app:1", policy={"window": window}))
    assert raised.value.exit_code == 75
    assert not side.asked()
    assert side.told() == []


def test_a_window_that_closes_ends_a_run_that_goes_on_in_the_next_one(side: ConnectedSide) -> None:
    local = dt.datetime.fromtimestamp(side.clock())  # noqa: DTZ006 - as above
    job = side.job(
        "app:1", "tool:1.0", policy={"window": f"{local.hour:02}:00-{(local.hour + 1) % 24:02}:00"}
    )

    def late(asked: Asked) -> Reply | None:
        if asked.path.endswith(APP.digest) or asked.path.endswith(TOOL.digest):
            side.now = FIRST + dt.timedelta(hours=1, minutes=30)
        return None

    side.web.odd = late
    with pytest.raises(TryAgain, match="outside of its window"):
        side.run(job)
    lock = side.site.lock(FIRST.date())
    assert lock
    side.web.odd = lambda _: None
    side.now = FIRST
    assert side.run(job).outcome.state == "done"
    assert side.site.lock(FIRST.date()) == lock


def test_whoever_waits_for_word_from_the_site_hears_that_there_is_none(
    side: ConnectedSide, tmp_path: Path
) -> None:
    textfile = tmp_path / "lading.prom"
    job = side.job("app:1", policy={"stale": 3}, notify={"textfile": str(textfile)})
    side.run(job)
    assert side.told() == ["mirror.begun", "mirror.ended"]
    side.sleep(4)
    ran = side.run(job)
    assert side.told() == ["mirror.begun", "mirror.ended", "mirror.ended"]
    assert ran.outcome.state == "done"
    assert 'lading_mirror_state{site="plant-7",state="done"} 1' in textfile.read_text()
    assert 'lading_mirror_state{site="plant-7",state="stale"} 1' in textfile.read_text()


def test_a_run_and_status_agree_on_what_is_stale(side: ConnectedSide, tmp_path: Path) -> None:
    textfile = tmp_path / "lading.prom"
    job = side.job("app:1", policy={"stale": 3}, notify={"textfile": str(textfile)})
    for days, stale in ((0, 0), (3, 0), (1, 1)):
        side.sleep(days)
        side.run(job)
        assert f'lading_mirror_state{{site="plant-7",state="stale"}} {stale}' in textfile.read_text()
        why = Status.of(side.home, "plant-7", side.now).why_stale(dt.timedelta(days=3))
        assert bool(why) == bool(stale), days


def test_a_night_that_a_later_one_has_overtaken_is_told_to_nobody(
    side: ConnectedSide, tmp_path: Path
) -> None:
    textfile = tmp_path / "lading.prom"
    job = side.job("app:1", notify={"textfile": str(textfile)})
    past = side.today
    side.site.keep_lock(side.resolved(job))
    side.sleep()
    side.run(job)
    good = textfile.read_text()
    with pytest.raises(UsageError, match=f"the night of {past} of site plant-7: is over"):
        side.run(job, date=past)
    assert textfile.read_text() == good
    side.now -= dt.timedelta(days=1)  # a clock that was put back fails each night, until somebody hears of it
    with pytest.raises(UsageError, match="is over"):
        side.run(job)
    assert 'lading_mirror_state{site="plant-7",state="failed"} 1' in textfile.read_text()


def test_a_night_that_was_begun_and_not_overtaken_is_told_failed(side: ConnectedSide, tmp_path: Path) -> None:
    textfile = tmp_path / "lading.prom"
    job = side.job("app:1", notify={"textfile": str(textfile)})
    past = side.today
    side.site.keep_lock(side.resolved(job))
    side.sleep()
    side.web.blobs.pop(("app", APP.layers[0]))
    with pytest.raises(StoreError, match="all or nothing"):
        side.run(job, date=past, strict=True)
    assert 'lading_mirror_state{site="plant-7",state="failed"} 1' in textfile.read_text()


def test_a_failure_is_told_to_whoever_wants_to_hear_of_it(side: ConnectedSide) -> None:
    hook = {"url": f"http://{side.web.host}/hook"}
    job = side.job("dead:1", notify={"webhook": hook})
    with pytest.raises(NotFound):
        side.run(job)
    [posted] = [json.loads(one.body) for one in side.web.asked if one.method == "POST"]
    assert (posted["state"], posted["site"], posted["set"]) == ("failed", "plant-7", None)
    assert "dead:1" in posted["problem"]
    assert side.told() == ["mirror.ended", "notice.failed"]  # our registry answers 404


def test_a_platform_of_an_index_goes_alone_and_stays_unchanged_with_its_index(side: ConnectedSide) -> None:
    arm = image(ONE, architecture="arm64")
    side.web.push("multi:1", index(APP, arm))
    job = side.job({"reference": "multi:1", "platforms": ["linux/arm64"]})
    ran = side.run(job)
    assert carried(ran) == {side.name("multi:1"): arm.digest}
    side.asked()
    side.sleep()
    assert not increment_of(side.run(job)).new
    assert side.asked() == {"HEAD manifests": 1}
