from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.archives import Picture, artifact, image, layout, signature, tar, unpacked
from tests.neighbours import made, neighbour
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, NotFound, ToolkitError, TryAgain, UsageError
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.connected.site import Site
from toolkit.mirror.jobs.job import BundleWishes, Job, Policy
from toolkit.mirror.jobs.wanted import Wanted
from toolkit.mirror.keeping import needs_in, prunable, prunable_there, prune, sites
from toolkit.mirror.records.baseline import FULL, Baseline
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.increment import Carried, Increment
from toolkit.mirror.records.lock import Gap, Lock, Locked
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.setrecord import VolumeSum
from toolkit.mirror.review import IMAGE, SET, Review
from toolkit.operations.verify import verify
from toolkit.stores.layout import LayoutStore
from toolkit.stores.layout_unname import named

NOW = dt.datetime(2026, 11, 27, 2, tzinfo=dt.UTC)
BASE = tar({"base": b"b"})
APPS = {f"app:{number}": image(BASE, tar({f"app{number}": b"x"})) for number in range(1, 5)}
TAG, SIGNED = signature(APPS["app:1"])
STORE = {**APPS, f"app:{TAG}": SIGNED, "own:1": image(BASE, tar({"own": b"o"})), "own:2": image(BASE)}
JOB = Job("plant-7", (Wanted.parse("app:4"),), policy=Policy(keep_images=2, keep_bundles=1))


def digest(picture: Picture) -> Digest:
    return Digest.parse(picture.digest)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return Path(
        unpacked(tmp_path / "home/store", layout(*STORE.items(), ("", artifact(APPS["app:1"], b"s")))).parent
    )


@pytest.fixture
def site(home: Path) -> Site:
    site = Site(home, "plant-7")
    site.keep_lock(Lock("plant-7", NOW.date(), (locked("app:4"),)))
    return site


def locked(name: str, there: str = "") -> Locked:
    return Locked(there or name, name, "docker://x", digest(APPS[name]))


def names(home: Path) -> list[str]:
    return sorted(name for name, _ in named(LayoutStore(home / "store")))


def proposed(home: Path, job: Job = JOB) -> list[str]:
    return [line.name for line in prunable(home, job).review.lines]


def done(home: Path, review: Review) -> tuple[str, ...]:
    return prune(home, review, NOW, b"raw").images


@pytest.mark.usefixtures("site")
def test_what_is_beyond_the_policy_is_listed_with_its_signatures_and_nothing_is_removed(home: Path) -> None:
    found = prunable(home, JOB)
    assert [line.name for line in found.review.lines] == ["app:1", "app:2", f"app:{TAG}"]
    assert names(home) == sorted(STORE)
    assert found.collectable.blobs > 0


def test_what_is_left_of_the_list_is_removed_and_what_it_said_is_freed(site: Site, home: Path) -> None:
    found = prunable(home, JOB)
    report = prune(home, found.review, NOW, b"raw")
    assert set(report.images) == {"app:1", "app:2", f"app:{TAG}"}
    assert report.collected == found.collectable
    assert names(home) == ["app:3", "app:4", "own:1", "own:2"]
    assert verify(LayoutStore(home / "store")).ok
    assert [line.event for line in site.trail.lines()] == ["pruned"]
    assert site.trail.lines()[0].facts["images"] == "3"


@pytest.mark.usefixtures("site")
def test_a_line_that_was_taken_out_stays(home: Path) -> None:
    review = prunable(home, JOB).review
    done(home, replace(review, lines=review.lines[1:2]))
    assert names(home) == sorted(STORE.keys() - {"app:2"})


@pytest.mark.usefixtures("site")
def test_the_same_list_once_more_is_harmless(home: Path) -> None:
    review = prunable(home, JOB).review
    done(home, review)
    assert done(home, review) == ()


def test_a_name_that_was_given_anew_meanwhile_stops_it_before_anything_is_removed(
    site: Site, home: Path
) -> None:
    review = prunable(home, JOB).review
    moved = {**STORE, "app:2": image(tar({"new": b"n"}))}
    unpacked(home / "store", layout(*moved.items()))
    with pytest.raises(Mismatch, match="app:2: digest is"):
        done(home, review)
    assert names(home) == sorted(STORE)
    assert site.trail.lines() == []


def test_what_the_newest_lock_names_is_kept_here_or_there_and_so_are_gaps(site: Site, home: Path) -> None:
    later = NOW.date() + dt.timedelta(1)
    gap = Gap("docker.io/library/app:2", "is gone", later)
    site.keep_lock(Lock("plant-7", later, (locked("app:4"), locked("app:1", "vendor/app:1")), (gap,)))
    assert proposed(home) == []
    assert site.last_lock() == site.lock(later)


@pytest.mark.usefixtures("site")
def test_what_another_site_needs_is_kept(home: Path) -> None:
    Site(home, "other").keep_lock(Lock("other", NOW.date(), (locked("app:1"),)))
    assert proposed(home) == ["app:2"]
    assert sites(home) == ["other", "plant-7"]


def test_what_is_needed_again_when_it_is_confirmed_is_not_removed(site: Site, home: Path) -> None:
    review = prunable(home, JOB).review
    site.keep_lock(Lock("plant-7", NOW.date() + dt.timedelta(1), (locked("app:2", "vendor/x:1"),)))
    with pytest.raises(UsageError, match="image app:2: is needed by now: nothing was removed"):
        done(home, review)
    assert names(home) == sorted(STORE)


def test_without_a_lock_nobody_knows_what_is_needed(home: Path) -> None:
    with pytest.raises(NotFound, match="has no lock"):
        prunable(home, JOB)
    assert proposed(home, replace(JOB, policy=Policy())) == []


def test_a_job_on_the_closed_side_is_told_what_is_meant_there(home: Path) -> None:
    ClosedSide(home, "plant-7").take(Increment.of("plant-7", 1, NOW.date(), [], Baseline.full()), NOW)
    advice = "a job is for the connected side; lading mirror prune --site plant-7"
    with pytest.raises(NotFound, match=advice):
        prunable(home, JOB)


def test_a_damaged_lock_stops_it(site: Site, home: Path) -> None:
    review = prunable(home, JOB).review
    (site.folder / f"locks/{NOW.date()}.json").write_bytes(b"{")
    for ask in (lambda: prunable(home, JOB), lambda: done(home, review), lambda: needs_in(home)):
        with pytest.raises(CorruptContent):
            ask()
    assert names(home) == sorted(STORE)


def test_a_run_of_the_site_is_not_disturbed(site: Site, home: Path) -> None:
    review = prunable(home, JOB).review
    with site.held("lading mirror run", NOW), pytest.raises(TryAgain, match="lading mirror run"):
        done(home, review)
    assert names(home) == sorted(STORE)


@pytest.mark.usefixtures("site")
def test_while_the_store_is_written_to_names_go_and_blobs_the_next_time(home: Path) -> None:
    review, before = prunable(home, JOB).review, len(list((home / "store/blobs/sha256").iterdir()))
    lock = made(home / "store/.lading/writers.lock")
    with neighbour("copy", holds=lock, lock="shared"), pytest.raises(TryAgain, match=r"by process \d+; wait"):
        done(home, review)
    assert len(list((home / "store/blobs/sha256").iterdir())) == before
    done(home, review)
    assert len(list((home / "store/blobs/sha256").iterdir())) < before


@pytest.mark.usefixtures("site")
def test_a_list_of_an_unknown_site_is_refused(home: Path) -> None:
    with pytest.raises(NotFound, match="site plant-8: is not known"):
        done(home, Review("plant-8", "", ()))
    assert sites(home) == ["plant-7"]


@pytest.mark.usefixtures("site")
def test_downloads_of_what_is_there_go_with_it(home: Path) -> None:
    there, wanted = (home / "partial" / f"sha256-{hex_}" for hex_ in (digest(APPS["app:4"]).hex, "a" * 64))
    for path in (there, wanted):
        made(path).write_bytes(b"12345")
    assert prune(home, Review("plant-7", "", ()), NOW, b"").partials == 5
    assert (there.exists(), wanted.exists()) == (False, True)
    os.utime(wanted, (0, 0))
    assert prune(home, Review("plant-7", "", ()), NOW, b"").partials == 5


# ── sets ──


def sent(site: Site, count: int, folder: Path) -> None:
    for number in range(1, count + 1):
        # Each carries another image, so that none of them is the one before, taken up again.
        carried = Carried(f"app:{number}", digest(APPS[f"app:{number}"]), is_new=False)
        draft = Increment("plant-7", 0, NOW.date(), FULL, (carried,), (), ())
        increment = site.begin(draft, [])
        volume = VolumeSum(f"{increment.name}.1of1.tar", 3, "a" * 64)
        made(folder / volume.name).write_bytes(b"xxx")
        made(folder / f"{increment.name}.sha256").write_bytes(b"y")
        site.sent(increment.number, [volume], NOW)


def test_sets_that_arrived_go_beyond_the_newest_ones_and_others_are_told(
    site: Site, home: Path, tmp_path: Path
) -> None:
    media = tmp_path / "media"
    sent(site, 4, media)
    site.take(Receipt("plant-7", NOW, "", (1, 3), {}, Tip()), "receipt", NOW)
    job = replace(JOB, policy=Policy(keep_bundles=1), bundle=BundleWishes(folder=str(media)))
    found = prunable(home, job)
    assert list(found.review.of(SET)) == ["plant-7_0001", "plant-7_0003"]
    assert (found.files, found.review.volumes) == (8, str(media))
    assert [note.subject for note in found.notes] == ["set plant-7_0002"]
    assert prune(home, found.review, NOW, b"raw").sets == ("plant-7_0001", "plant-7_0003")
    assert prune(home, found.review, NOW, b"raw").sets == ()
    assert sorted(path.name[8:12] for path in media.glob("*.tar")) == ["0002", "0004"]
    assert prunable(home, job).review.lines == ()


def test_a_set_of_another_list_is_not_removed(site: Site, home: Path, tmp_path: Path) -> None:
    media = tmp_path / "media"
    sent(site, 2, media)
    site.take(Receipt("plant-7", NOW, "", (1, 2), {}, Tip()), "receipt", NOW)
    job = replace(JOB, bundle=BundleWishes(folder=str(media)))
    review = prunable(home, job).review
    for line in review.lines:
        if line.kind == SET:
            other = replace(line, digest=Digest("sha256", "b" * 64))
            with pytest.raises(Mismatch, match="set plant-7_0001: list is"):
                done(home, replace(review, lines=(other,)))
    (media / "plant-7_0001.1of1.tar").write_bytes(b"another")
    with pytest.raises(ToolkitError):
        done(home, review)
    assert names(home) == sorted(STORE)
    with pytest.raises(UsageError, match="names no folder"):
        done(home, replace(review, volumes="media"))


# ── the closed side ──


def take(side: ClosedSide, number: int, *images: str, gaps: Sequence[str] = ()) -> None:
    carried = tuple(Carried(name, digest(STORE[name]), is_new=True) for name in images)
    side.take(Increment("plant-7", number, NOW.date(), FULL, carried, (), (), gaps=tuple(gaps)), NOW)


@pytest.mark.parametrize(
    ("gaps", "old"),
    [(["app:1"], ["app:2"]), (["app"], []), (["docker.io/library/app"], []), (["tool"], ["app:1", "app:2"])],
)
def test_over_there_what_merely_failed_tonight_stays(home: Path, gaps: list[str], old: list[str]) -> None:
    """A name by itself, or all of a repository that could not be listed."""
    side = ClosedSide(home, "plant-7")
    take(side, 1, "app:1", "app:2")
    take(side, 2, "app:3", gaps=gaps)
    listed = prunable_there(home, "plant-7").review
    assert [name for name in listed.of(IMAGE) if name.startswith("app:") and "sha256" not in name] == old
    take(side, 3, "app:3")
    later = prunable_there(home, "plant-7").review
    assert {"app:1", "app:2"} <= set(later.of(IMAGE))
    take(side, 4, "app:3", gaps=["app"])
    with pytest.raises(UsageError, match="is needed by now"):
        done(home, later)


def test_over_there_what_the_newest_set_has_no_more_goes(home: Path) -> None:
    side = ClosedSide(home, "plant-7")
    take(side, 1, "app:1", "app:2")
    take(side, 3, "app:3", "app:4")
    take(side, 2, "app:2", "app:3")
    review = prunable_there(home, "plant-7").review
    assert list(review.of(IMAGE)) == ["app:1", "app:2", f"app:{TAG}"]
    done(home, review)
    assert names(home) == ["app:3", "app:4", "own:1", "own:2"]
    assert verify(LayoutStore(home / "store")).ok
    assert [line.event for line in side.trail.lines()][-1] == "pruned"


def test_over_there_what_a_set_brings_back_before_it_is_confirmed_stays(home: Path) -> None:
    side = ClosedSide(home, "plant-7")
    take(side, 1, "app:1", "app:2")
    take(side, 2, "app:2")
    review = prunable_there(home, "plant-7").review
    take(side, 3, "app:1", "app:2")
    with pytest.raises(UsageError, match="app:1: is needed by now"):
        done(home, review)
    assert names(home) == sorted(STORE)


def test_a_site_that_received_nothing_is_told_where_to_look(home: Path) -> None:
    with pytest.raises(NotFound, match="has received no set here"):
        prunable_there(home, "plant-7")
