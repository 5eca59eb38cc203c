"""MirrorImages: a night under luigi is the night of `lading mirror run`, once, and again where it was ended."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import luigi
import pytest

from pipelines import MirrorImage, MirrorImages
from tests.archives import ONE, TWO, image, tar
from tests.midnight import this_day
from tests.mirrors import ConnectedSide, volumes
from tests.pipelines.conftest import begin_a_run, build
from tests.webregistry import MemoryRegistry
from toolkit.cli import main
from toolkit.digest import Digest
from toolkit.errors import Gaps
from toolkit.plumbing.filelock import locked

APP, TOOL, NEWER = image(ONE, TWO), image(TWO), image(ONE, TWO, tar({"etc/three": b"333"}))
TODAY = dt.date.min  # as it is when a test begins
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TODAY", this_day())


@pytest.fixture
def side(home: Path) -> Iterator[ConnectedSide]:
    """A registry with two images; the connected side's home is luigi's."""
    with MemoryRegistry() as web:
        web.push("app:1", APP).push("tool:1.0", TOOL)
        yield ConnectedSide(web, home, dt.datetime.now(dt.UTC))


def job(side: ConnectedSide, *names: str, more: str = "") -> str:
    """Write a job, and return its path."""
    path = side.home.parent / "mirror.toml"
    images = json.dumps([side.name(name) for name in names])
    path.write_text(f'site = "plant-7"\nimages = {images}\n[policy]\nmin_free = "1"\n{more}')
    return str(path)


def night(path: str, date: dt.date | None = None, **more: Any) -> MirrorImages:
    return MirrorImages(date=date or TODAY, job=path, **more)


def receipt(side: ConnectedSide, date: dt.date | None = None) -> Any:
    return json.loads((side.home / f"mirror/plant-7/nights/{date or TODAY}.json").read_text())


def files(side: ConnectedSide) -> dict[str, bytes]:
    return volumes(side.home / "mirror/plant-7/volumes")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_night_leaves_what_the_command_would_and_a_rerun_does_nothing(
    side: ConnectedSide, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = job(side, "app:1", "tool:1.0")
    assert build(night(path), workers=workers) == "SUCCESS"
    told = receipt(side)
    assert (told["state"], told["set"], told["images"]["new"]) == ("done", "plant-7_0001", 2)
    by_luigi = files(side)
    assert {each["name"] for each in told["files"]} == {"plant-7_0001.1of1.tar"}
    side.asked()
    assert build(night(path), workers=workers) == "SUCCESS"
    assert not side.asked()
    assert receipt(side) == told
    monkeypatch.setenv("LADING_HOME", str(tmp_path / "other"))
    assert main(["mirror", "run", path, "--date", str(TODAY), "--quiet"]) == 0
    assert volumes(tmp_path / "other/mirror/plant-7/volumes") == by_luigi


def test_each_missing_image_is_a_task_that_is_done_while_the_store_has_it(side: ConnectedSide) -> None:
    path = job(side, "app:1", "tool:1.0")
    assert build(night(path)) == "SUCCESS"
    task = MirrorImage(date=TODAY, job=path, site="plant-7", image=side.name("app:1"), digest=APP.digest)
    begin_a_run()
    assert task.complete()
    blob = side.home / "store/blobs/sha256" / APP.layers[0].partition(":")[2]
    raw = blob.read_bytes()
    blob.write_bytes(bytes(len(raw)))
    assert not task.complete()
    side.asked()
    assert build(task) == "SUCCESS"
    assert blob.read_bytes() == raw
    assert side.asked()["GET blobs"] == 1 + 1  # the config, which is a document, and the layer
    assert task.complete()


def test_an_image_that_is_not_locked_is_no_task(side: ConnectedSide) -> None:
    path = job(side, "app:1")
    assert build(night(path)) == "SUCCESS"
    odd = MirrorImage(date=TODAY, job=path, site="plant-7", image=side.name("app:1"), digest=TOOL.digest)
    assert build(odd) == "SCHEDULING_FAILED"


def test_an_image_that_fails_is_a_gap_and_fails_the_task_when_the_rest_is_sent(
    side: ConnectedSide, caplog: pytest.LogCaptureFixture
) -> None:
    path = job(side, "app:1", "tool:1.0")
    lost = side.web.blobs.pop(("app", APP.layers[0]))
    assert build(night(path)) == "FAILED"
    told = receipt(side)
    assert (told["state"], told["set"]) == ("gaps", "plant-7_0001")
    assert [gap["name"] for gap in told["gaps"]] == [side.name("app:1")]
    last = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"][-1]
    assert "set plant-7_0001 of site plant-7: is made without an image that could not be had" in last
    with pytest.raises(Gaps) as raised:
        night(path).run()
    assert raised.value.exit_code == 8
    assert list(files(side)) == ["plant-7_0001.1of1.tar", "plant-7_0001.sha256"]
    side.web.blobs["app", APP.layers[0]] = lost
    assert build(night(path)) == "SUCCESS"
    assert (receipt(side)["state"], receipt(side)["set"]) == ("done", "plant-7_0002")


def test_a_set_that_was_lost_or_changed_where_it_lies_is_not_done(side: ConnectedSide) -> None:
    path = job(side, "app:1")
    assert build(night(path)) == "SUCCESS"
    volume = side.home / "mirror/plant-7/volumes/plant-7_0001.1of1.tar"
    volume.rename(volume.with_name("carried"))  # away, on a medium
    assert night(path).complete()
    volume.write_bytes(b"cut")
    assert not night(path).complete()
    assert build(night(path)) == "FAILED"  # and says what to do, which is for a person to decide
    side.site.lost(1, side.now)
    assert build(night(path)) == "SUCCESS"
    assert receipt(side)["set"] == "plant-7_0002"
    (side.home / f"mirror/plant-7/nights/{TODAY}.json").write_text("{")
    assert build(night(path)) == "SUCCESS"
    assert receipt(side)["set"] == "plant-7_0002"


def test_a_night_that_was_missed_is_recorded_and_gets_nothing(side: ConnectedSide) -> None:
    path, past = job(side, "app:1"), TODAY - 3 * DAY
    assert build(night(path, past)) == "SUCCESS"
    assert receipt(side, past) == {
        "site": "plant-7",
        "date": str(past),
        "state": "missed",
        "set": None,
        "problem": "was missed: nobody resolved its names on that day",
    }
    assert side.web.asked == []
    assert side.site.numbers() == []
    assert build(night(path, TODAY + 2 * DAY)) == "FAILED"


def test_catching_up_makes_tonights_set_alone(side: ConnectedSide) -> None:
    path = job(side, "app:1")
    words = ["RangeDaily", "--of", "MirrorImages", "--start", str(TODAY - 4 * DAY)]
    words += ["--of-params", json.dumps({"job": path})]
    for states in (["done", *["missed"] * 4], ["done", *["missed"] * 4]):
        with command(side, *words) as process:
            _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert [receipt(side, TODAY - back * DAY)["state"] for back in range(5)] == states
        assert [record.increment.date for record in side.site.sets()] == [TODAY]
    assert side.asked()["HEAD manifests"] <= 1
    assert MirrorImages.bulk_complete(iter([])) == []


def test_a_night_that_was_begun_is_finished_later_unless_one_has_overtaken_it(side: ConnectedSide) -> None:
    path, past = job(side, "app:1"), TODAY - DAY
    side.sleep(-1)
    lock = side.resolved(side.job("app:1"))
    side.site.keep_lock(lock)
    side.web.push("app:1", NEWER)
    assert build(night(path, past)) == "SUCCESS"
    [made] = side.site.sets()
    assert (made.increment.date, made.increment.images[0].digest) == (past, Digest.parse(APP.digest))
    (side.home / f"mirror/plant-7/nights/{past}.json").unlink()
    assert build(night(path)) == "SUCCESS"
    assert build(night(path, past)) == "SUCCESS"
    assert (receipt(side, past)["state"], receipt(side, past)["set"]) == ("done", "plant-7_0001")
    (side.home / f"mirror/plant-7/nights/{past}.json").unlink()
    side.site.lost(1, side.now)
    assert build(night(path, past)) == "SUCCESS"
    assert receipt(side, past)["state"] == "missed"
    assert f"plant-7_0002 of {TODAY} has overtaken it" in receipt(side, past)["problem"]


def test_gaps_of_a_night_behind_us_are_tried_by_the_next_ones_alone(side: ConnectedSide) -> None:
    path, past = job(side, "app:1", "tool:1.0"), TODAY - DAY
    side.sleep(-1)
    side.site.keep_lock(side.resolved(side.job("app:1", "tool:1.0")))
    side.web.blobs.pop(("app", APP.layers[0]))
    assert build(night(path, past)) == "FAILED"
    assert receipt(side, past)["state"] == "gaps"
    assert build(night(path, past)) == "SUCCESS"


def test_a_night_whose_key_is_gone_is_told_failed(side: ConnectedSide) -> None:
    textfile = side.home.parent / "a.prom"
    more = f'[bundle]\nkey = "gone.key"\n[notify]\ntextfile = "{textfile}"\n'
    assert build(night(job(side, "app:1", more=more))) == "FAILED"
    assert 'lading_mirror_state{site="plant-7",state="failed"} 1' in textfile.read_text()
    assert side.web.asked == []


def test_while_another_run_holds_the_site_it_is_to_be_tried_again(
    side: ConnectedSide, caplog: pytest.LogCaptureFixture
) -> None:
    path = job(side, "app:1")
    with side.site.held("the test", side.now):
        assert build(night(path)) == "FAILED"
    assert "site plant-7: is held by the test, process" in caplog.text
    assert side.web.asked == []
    assert build(night(path)) == "SUCCESS"


def test_shares_are_fetched_by_each_and_the_set_is_made_once(side: ConnectedSide) -> None:
    names = [f"app:{number}" for number in range(8)]
    for number, name in enumerate(names):
        side.web.push(name, image(ONE, tar({"own": str(number).encode()})))
    path = job(side, *names)
    assert build(night(path, shard="2/2")) == "SUCCESS"
    assert receipt(side)["images"]["new"] == 8
    side.asked()
    assert build(night(path, shard="1/2")) == "SUCCESS"
    assert build(night(path)) == "SUCCESS"
    assert not side.asked()
    assert side.site.numbers() == [1]


def test_a_host_waits_for_another_one_that_makes_the_set_however_long(
    side: ConnectedSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = SimpleNamespace(monotonic=itertools.count(0, 3600).__next__, sleep=time.sleep)
    monkeypatch.setattr("toolkit.plumbing.filelock.time", hours)
    turns = side.home / "mirror/plant-7/shards"
    turns.mkdir(parents=True)
    with ExitStack() as other:
        other.enter_context(locked(turns / "set"))
        let_go = threading.Timer(2, other.close)
        let_go.start()
        assert build(night(job(side, "app:1"), shard="1/2")) == "SUCCESS"
        let_go.join()
    assert receipt(side)["images"]["new"] == 1


def test_hosts_that_end_with_gaps_say_so_alike(side: ConnectedSide) -> None:
    path = job(side, "app:1", "tool:1.0")
    side.web.blobs.pop(("app", APP.layers[0]))
    for shard in ("1/2", "2/2"):
        assert build(night(path, shard=shard)) == "FAILED"
        assert receipt(side)["state"] == "gaps"
    assert side.site.numbers() == [1]


def environ(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **more}


def started(side: ConnectedSide, path: str, *words: str) -> subprocess.Popen[str]:
    return command(side, "MirrorImages", "--job", path, "--date", str(TODAY), *words)


def command(side: ConnectedSide, *words: str) -> subprocess.Popen[str]:
    """Start the command as people write it."""
    return subprocess.Popen(
        [sys.executable, "-m", "luigi", "--module", "pipelines", *words],
        stderr=subprocess.PIPE, text=True, cwd=side.home.parent, env=environ(), start_new_session=True,
    )  # fmt: skip


def test_a_date_that_is_none_is_told_in_one_sentence(side: ConnectedSide) -> None:
    with started(side, job(side, "app:1"), "--date", "2026-13-01") as process:
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 40
    assert said.splitlines()[-1] == "error: --date 2026-13-01: is no date; write it as 2026-11-27"
    assert "Traceback" not in said


def test_a_job_that_cannot_be_read_ends_with_40(side: ConnectedSide) -> None:
    with started(side, str(side.home / "none.toml")) as process:
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 40
    assert said.splitlines()[-1].startswith("error: ")


def test_a_share_that_is_none_is_refused(side: ConnectedSide) -> None:
    with started(side, job(side, "app:1"), "--shard", "3/2") as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 40
    assert said.splitlines()[-1].startswith("error: shard '3/2': is none; write 2/5")


def test_the_command_exits_30_with_gaps_and_says_so_last(side: ConnectedSide) -> None:
    with started(side, job(side, "app:1", "dead:1")) as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 30
    assert said.splitlines()[-1].startswith(
        "error: set plant-7_0001 of site plant-7: is made without an image that could not be had; "
        f"{side.name('dead:1')}: "
    )
    assert "Traceback" not in said


def test_of_the_same_command_twice_one_runs(side: ConnectedSide) -> None:
    path = job(side, "app:1", "tool:1.0")
    with started(side, path) as one, started(side, path) as other, started(side, path, "--no-lock") as third:
        for process in (one, other, third):
            process.communicate(timeout=120)
    codes = sorted([one.returncode, other.returncode, third.returncode])
    assert codes[0] == 0
    assert set(codes) <= {0, 10, 30}
    assert side.site.numbers() == [1]
    assert receipt(side)["state"] == "done"


LARGE = image(tar({"large": bytes(range(251)) * 20_000}))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_night_that_was_killed_goes_on_where_it_was(side: ConnectedSide, workers: str) -> None:
    side.web.push("large:1", LARGE)
    path = job(side, "app:1", "large:1", more='limit_rate = "1M"\n')
    parts = side.home / "store/.lading/parts"
    with started(side, path, "--workers", workers) as process:
        while not any(part.stat().st_size > 100_000 for part in parts.glob(".*") if part.exists()):
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert side.site.lock(TODAY)
    assert side.site.numbers() == []
    job(side, "app:1", "large:1")
    assert build(night(path)) == "SUCCESS"
    assert receipt(side)["images"]["new"] == 2
    assert list(parts.iterdir()) == []


def test_what_is_not_asked_for_in_the_window_waits_for_it(side: ConnectedSide) -> None:
    hour = time.localtime().tm_hour
    closed = f'window = "{(hour + 3) % 24:02}:00-{(hour + 4) % 24:02}:00"\n'
    for shard in ("1/1", "1/2"):
        assert build(night(job(side, "app:1", more=closed), shard=shard)) == "FAILED"
    assert side.web.asked == []
    assert build(night(job(side, "app:1"))) == "SUCCESS"


def test_every_image_is_in_one_batch_and_no_batch_is_large(
    side: ConnectedSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"many:{number}" for number in range(130)]
    for number, name in enumerate(names):
        side.web.push(name, image(tar({"own": str(number).encode()})))
    sizes: list[int] = []
    build_ = luigi.build

    def counted(tasks: list[luigi.Task], *words: Any, **more: Any) -> Any:
        sizes.append(len(tasks))
        return build_(tasks, *words, **more)

    task = night(job(side, *names))
    monkeypatch.setattr(luigi, "build", counted)
    task.run()
    assert sizes == [100, 30]
    assert receipt(side)["images"]["new"] == 130


def test_an_image_that_is_packed_anew_is_a_task_that_is_done_once_it_is_made(
    side: ConnectedSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = job(side, "app:1", "tool:1.0", more='[bundle]\ncompression = "zstd"\n')
    task = MirrorImage(date=TODAY, job=path, site="plant-7", image=side.name("app:1"), digest=APP.digest)
    assert build(night(path)) == "SUCCESS"
    begin_a_run()
    assert task.complete()
    by_luigi = files(side)
    [record] = (side.home / "mirror/plant-7/made").glob(f"{APP.digest.partition(':')[2]}*")
    record.unlink()
    begin_a_run()
    assert not task.complete()
    assert build(task) == "SUCCESS"
    assert record.exists()
    monkeypatch.setenv("LADING_HOME", str(tmp_path / "other"))
    assert main(["mirror", "run", path, "--date", str(TODAY), "--quiet"]) == 0
    assert volumes(tmp_path / "other/mirror/plant-7/volumes") == by_luigi


def test_an_image_without_a_manifest_is_a_task_too(side: ConnectedSide) -> None:
    path = job(side, "app:1")
    text = (
        Path(path)
        .read_text()
        .replace("images = [", 'images = [{reference = "ubuntu:14.04", source = "sample:"}, ')
    )
    Path(path).write_text(text)
    assert build(night(path)) == "SUCCESS"
    assert receipt(side)["images"]["new"] == 2
    top = "bfdf47abe467bbf67e46842388dbb27d7cc8b07cb87249dabd73e98abbd0bd71"
    task = MirrorImage(date=TODAY, job=path, site="plant-7", image="ubuntu:14.04", digest=f"sha256:{top}")
    begin_a_run()
    assert task.complete()
