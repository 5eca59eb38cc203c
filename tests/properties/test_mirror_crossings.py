"""Many nights with media that are lost, late and out of order: in the end both sides have the same images."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import Picture, image, index, tar
from tests.crossings import Crossing
from toolkit.mirror.closed.acknowledging import acknowledge
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.records.papers import set_name
from toolkit.mirror.records.receiptfile import read_receipt, write_receipt
from toolkit.operations.verify import verify
from toolkit.platform import Platform

pytestmark = pytest.mark.property

NIGHTS = 8
AMD64 = (Platform("linux", "amd64"),)
LAYERS = [tar({f"opt/{number}": bytes([65 + number]) * 3_000}) for number in range(8)]


def picture(chance: random.Random) -> Picture:
    """An image of a few layers that others have too; sometimes for two platforms."""
    layers = chance.sample(LAYERS, chance.randint(1, 4))
    one = image(*layers, config={"Env": [f"N={chance.randint(0, 3)}"]})
    return index(one, image(*layers[:1], architecture="arm64")) if chance.random() < 0.3 else one


def nights(chance: random.Random) -> Iterator[dict[str, Picture]]:
    """What the job means, night by night: names move, come and go."""
    names = [f"app{number}:1" for number in range(6)]
    job = {name: picture(chance) for name in names[:4]}
    for _ in range(NIGHTS):
        for name in chance.sample(names, 2):
            job[name] = picture(chance)
        if len(job) > 3 and chance.random() < 0.4:
            job.pop(chance.choice(sorted(job)))
        yield dict(job)


def carry_receipt_back(gap: Crossing, folder: Path) -> None:
    inventory = Inventory(gap.store)
    path = write_receipt(folder, acknowledge(gap.side, inventory, gap.now, "j.doe"))
    gap.sender.take(read_receipt(path), str(path), gap.now)


@pytest.mark.parametrize("seed", range(6))
def test_in_the_end_the_closed_side_has_what_the_job_means(tmp_path: Path, seed: int) -> None:
    chance, gap = random.Random(seed), Crossing(tmp_path)
    waiting: list[Path] = []
    last: dict[str, Picture] = {}
    whole: dict[str, dict[str, Picture]] = {}  # what sets with all platforms promise, by their names
    for last in nights(chance):
        baseline = chance.choice(["assumed", "assumed", "confirmed"])
        platforms = chance.choice([(), (), AMD64])  # the same index comes with other platforms than before
        volume = chance.choice([0, 40_000])
        medium = gap.send(last, baseline=baseline, volume=volume, platforms=platforms)
        if not platforms:
            whole[set_name(gap.site, gap.sender.numbers()[-1])] = last
        if chance.random() < 0.75:  # else it is lost on the way
            waiting.append(medium)
        if waiting and chance.random() < 0.6:
            chance.shuffle(waiting)
            told = gap.receive(*waiting)
            refused = {each.name for each in told if each.error}
            assert all(each.error.exit_code == 3 for each in told if each.error), told
            waiting = [
                each for each in waiting if any((each / f"{name}.sha256").exists() for name in refused)
            ]
            taken = [one for each in told if not each.error for one in whole.get(each.name, {}).values()]
            assert all(map(gap.is_whole, taken))
            assert not gap.store.path.is_dir() or verify(gap.store).ok
        if gap.side.received() and chance.random() < 0.3:
            carry_receipt_back(gap, tmp_path / "back")
    if gap.side.received():
        carry_receipt_back(gap, tmp_path / "back")
    [end] = gap.receive(gap.send(last, baseline="confirmed"))
    assert end.error is None, end.error
    meant = {name: each.digest for name, each in last.items()}
    assert meant.items() <= gap.names().items()
    assert all(gap.is_whole(each) for each in last.values())
    assert verify(gap.store).ok
