"""`kill -9` around every call that changes the disk, while a set is received, named and acknowledged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, index
from tests.crossings import Crossing
from tests.kill.faults import Fault, faults, in_child
from toolkit.mirror.closed.acknowledging import acknowledge
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.closed.receiving import Receiving, Terms, sets_in
from toolkit.mirror.records.receiptfile import read_receipt
from toolkit.mirror.records.reception import REFUSED
from toolkit.operations.verify import verify

pytestmark = pytest.mark.kill

BASE, APP, TOOL = image(ONE), image(ONE, TWO), image(TWO)
MULTI = index(APP, TOOL)
OLD, NEW = {"base:1": BASE, "app:1": BASE}, {"base:1": BASE, "app:1": APP, "multi:1": MULTI}


def take(gap: Crossing, *media: Path) -> None:
    """Receive, and write the receipt: what the command does, by a clock that stands still."""
    inventory = Inventory(gap.store)
    with gap.side.held("receive", gap.now):
        told = Receiving(sets_in(media), gap.side, inventory, Terms(media, gap.now, jobs=1)).receive()
        assert REFUSED not in [each.state for each in told], told
        acknowledge(gap.side, inventory, gap.now, "j.doe")


def look(gap: Crossing) -> None:
    """What is named is whole, and what is recorded is there, whenever the run ended."""
    gap.side.trail.proven()
    inventory = Inventory(gap.store)
    if (gap.home / "store/index.json").exists():
        assert verify(gap.store).ok
        assert gap.names() in (
            {},
            {name: it.digest for name, it in OLD.items()},
            {n: p.digest for n, p in NEW.items()},
        )
    for each in gap.side.received():
        assert all(inventory.is_whole(top) for top in each.images.values())


def state(gap: Crossing) -> dict[str, object]:
    """What has to be the same in the end: all bytes of the store, the records, what the receipt says."""
    store = gap.home / "store"
    found: dict[str, object] = {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and path.relative_to(store).parts[:2] != (".lading", "stamps")
    }
    receipt = read_receipt(max(gap.side.folder.glob("*.receipt.json")))
    return found | {"received": gap.side.received(), "images": receipt.images, "sets": receipt.sets}


def test_a_receive_that_was_killed_is_done_by_the_next_one_to_the_same_bytes(tmp_path: Path) -> None:
    gap = Crossing(tmp_path)
    first, second = gap.send(OLD), gap.send(NEW)
    take(gap, first)
    shutil.move(gap.home, tmp_path / "before")
    shutil.copytree(tmp_path / "before", gap.home)  # whose stamps do not hold, as in each round
    ended = in_child(lambda: take(gap, second), Fault())
    assert ended.code == 0, ended.said
    look(gap)
    expected = state(gap)
    assert gap.names() == {name: picture.digest for name, picture in NEW.items()}
    for fault in faults(ended.calls):
        shutil.rmtree(gap.home)
        shutil.copytree(tmp_path / "before", gap.home)
        assert in_child(lambda: take(gap, second), fault).was_killed, fault
        look(gap)
        take(gap, second)
        look(gap)
        assert state(gap) == expected, fault
        assert not list(gap.home.rglob("*.part")), fault
