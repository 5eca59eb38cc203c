"""`kill -9` around every call that changes the disk, while a site's records are written."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.kill.faults import Fault, faults, in_child
from toolkit.digest import Digest
from toolkit.mirror.connected.site import Site
from toolkit.mirror.records.blob import Blob, ImageBlobs
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.setrecord import LOST, SENT, VolumeSum

pytestmark = pytest.mark.kill

NIGHT = datetime(2026, 11, 27, 2, tzinfo=UTC)
A, B, C = (Digest.of(letter.encode()) for letter in "ABC")
APP = ImageBlobs("app:1", A, (Blob(A, 1), Blob(B, 20)))
TOOL = ImageBlobs("tool:1", C, (Blob(C, 4), Blob(B, 20)))
BOTH = (APP, TOOL)


def night(home: Path) -> None:
    """Send both images whole, and take the receipt for them."""
    site = Site(home, "plant-7")
    with site.held("run", NIGHT):
        draft = Increment.of(site.name, 0, NIGHT.date(), BOTH, site.baseline("full"))
        number = site.begin(draft, BOTH).number
        site.sent(number, [VolumeSum(f"plant-7_{number:04}.1of1.tar", 1, "0" * 64)], NIGHT)
        tops = {image.name: image.top for image in BOTH}
        site.take(Receipt("plant-7", NIGHT, "j.doe", (number,), tops, Tip(number, A)), "r.json", NIGHT)


def look(home: Path) -> None:
    """Every record that is there can be read, and is true."""
    site = Site(home, "plant-7")
    site.trail.proven()
    for found in site.sets():
        assert found.increment.is_whole
        assert bool(found.volumes) is (found.status == SENT)
    if site.receipt():
        assert site.baseline("confirmed").blobs == {A, B, C}


def test_records_are_whole_or_not_there_and_the_next_run_goes_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ended = in_child(lambda: night(home), Fault())
    assert ended.code == 0, ended.said
    look(home)
    for fault in faults(ended.calls):
        shutil.rmtree(home)
        assert in_child(lambda: night(home), fault).was_killed, fault
        if home.exists():
            look(home)
        night(home)
        look(home)
        site = Site(home, "plant-7")
        assert {found.status for found in site.sets()} <= {SENT, LOST}, fault
        assert [line.event for line in site.trail.lines()][-1] == "receipt", fault
        assert not list(home.rglob("*.part")), fault
