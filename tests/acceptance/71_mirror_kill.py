"""`kill -9` at 100 random points of a mirror's runs and receives; then the same bytes as if nothing had happened.

Two nights are run against a real registry, and their sets received, in processes that die before, amid or after
a call that changes the disk. What is there then is whole; the same work once more ends with the volumes, and
with the closed store's index and blobs, that undisturbed work makes.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fortnights import SITE, Upstream, layer, picture
from tests.integration.engines import Registry
from tests.kill.faults import Ended, Fault, faults, in_child
from tests.mirrors import volumes
from toolkit.mirror.closed.acknowledging import acknowledge
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.closed.receiving import Receiving, Terms, sets_in
from toolkit.mirror.connected.running import Orders, run
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.media.searching import find_sets
from toolkit.mirror.media.setcheck import verify_set
from toolkit.mirror.records.reception import REFUSED
from toolkit.operations.verify import verify
from toolkit.settings import Settings
from toolkit.stores.layout import LayoutStore

SEED, EACH = 20261127, int(os.environ.get("MIRROR_KILLS", "50"))  # kills of each of the two; CI takes fewer
FIRST = dt.datetime(2026, 11, 26, 2, tzinfo=dt.UTC)
IMAGES = (("app:1", "tool:1", "moves:1"), ("app:1", "tool:1", "moves:2", "new:1"))  # of each night
Bytes = Mapping[str, bytes]


@dataclass(frozen=True)
class Sides:
    """Both sides of a small mirror, below one folder."""

    folder: Path
    host: str

    @property
    def sent(self) -> Path:
        return self.folder / "connected/mirror" / SITE / "volumes"

    @property
    def received(self) -> LayoutStore:
        return LayoutStore(self.folder / "closed/store")

    @property
    def media(self) -> Path:
        """What is received: what was sent undisturbed."""
        return self.folder / "media"

    def run(self) -> None:
        """Do both nights."""
        for night, names in enumerate(IMAGES):
            images = ", ".join(f'"{self.host}/team/{name}"' for name in names)
            text = f'site = "{SITE}"\nimages = [{images}]\n[bundle]\nvolume = "1MiB"\nparity = 1\n'
            job = Job.parse(f'{text}[policy]\nmin_free = "1"\n'.encode(), "job.toml", self.folder)
            clock = (FIRST + dt.timedelta(days=night)).timestamp
            ran = run(job, Settings(home=self.folder / "connected"), Orders(), clock=clock)
            assert not ran.outcome.gaps, ran.outcome.gaps

    def receive(self) -> None:
        """Receive one set after the other, and write a receipt each time."""
        for night in range(len(IMAGES)):
            now, side = FIRST + dt.timedelta(days=night), ClosedSide(self.folder / "closed", SITE)
            medium = self.media / str(night)
            with side.held("receive", now):
                inventory = Inventory(self.received)
                told = Receiving(sets_in([medium]), side, inventory, Terms((medium,), now, jobs=1)).receive()
                assert REFUSED not in {each.state for each in told}, told
                acknowledge(side, inventory, now, "anna")

    def bytes_sent(self) -> Bytes:
        return volumes(self.sent)

    def bytes_received(self) -> Bytes:
        """All of the store but the stamps, which tell times."""
        store = self.received.path
        files = (path for path in sorted(store.rglob("*")) if path.is_file())
        return {
            name: path.read_bytes()
            for path in files
            if not (name := str(path.relative_to(store))).startswith(".lading/")
        }

    def sent_is_whole(self) -> None:
        """What has a list is whole; what stands in a store is."""
        for found in find_sets([self.sent]) if self.sent.exists() else ():
            if found.checksums is not None:
                assert verify_set(found).findings == [], found.name
        must_verify(LayoutStore(self.folder / "connected/store"))

    def received_is_whole(self) -> None:
        """What is named is whole, and what is recorded is there."""
        must_verify(self.received)
        side, inventory = ClosedSide(self.folder / "closed", SITE), Inventory(self.received)
        side.trail.proven()
        for each in side.received():
            assert all(inventory.is_whole(top) for top in each.images.values()), each.number


def must_verify(store: LayoutStore) -> None:
    if (store.path / "index.json").exists():
        assert (found := verify(store)).ok, found


@dataclass(frozen=True)
class Scene:
    """Work, the folder that it writes, what has to be so whenever it ends, and what it comes to."""

    name: str
    work: Callable[[], None]
    home: Path
    look: Callable[[], None]
    result: Callable[[], Bytes]

    def undisturbed(self) -> tuple[Ended, Bytes]:
        shutil.rmtree(self.home, ignore_errors=True)
        ended = in_child(self.work, Fault())
        assert ended.code == 0, ended.said
        return ended, self.result()

    def killed(self, fault: Fault) -> bool:
        shutil.rmtree(self.home, ignore_errors=True)
        ended = in_child(self.work, fault)
        assert ended.was_killed or ended.code == 0, f"{self.name}, {fault}: {ended.said}"
        return ended.was_killed

    def survives(self, fault: Fault, expected: Bytes) -> None:
        """Kill, look, do it again; threads change the order of calls: where there is no such call, kill before."""
        while not self.killed(fault):
            fault = Fault(fault.number - 1)
        self.look()
        again = in_child(self.work)
        assert again.code == 0, f"{self.name} after {fault}: {again.said}"
        found = self.result()
        wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        assert not wrong, f"{self.name} after {fault}: {wrong} differ"
        assert not (strays := [*self.home.rglob("*.part")]), f"{self.name} after {fault}: {strays} are left"


def scenes(sides: Sides) -> list[Scene]:
    return [
        Scene("run", sides.run, sides.folder / "connected", sides.sent_is_whole, sides.bytes_sent),
        Scene(
            "receive", sides.receive, sides.folder / "closed", sides.received_is_whole, sides.bytes_received
        ),
    ]


def prepared(sides: Sides) -> list[Scene]:
    """Bring undisturbed sets on media; return what may be killed."""
    found = scenes(sides)
    found[0].undisturbed()
    for night in range(len(IMAGES)):
        (sides.media / str(night)).mkdir(parents=True)
        for path in sides.sent.glob(f"{SITE}_{night + 1:04}.*"):
            shutil.copy(path, sides.media / str(night))
    return found


def part(folder: Path, host: str, number: int, parts: int) -> Counter[str]:
    """Play one part of the kills in a folder of its own; return what they were."""
    folder.mkdir()
    counts: Counter[str] = Counter()
    for scene in prepared(Sides(folder, host)):
        ended, expected = scene.undisturbed()
        moments = random.Random(SEED).sample(faults(ended.calls), EACH)
        if not number:
            files, size = len(expected), sum(map(len, expected.values()))
            print(
                f"{scene.name}: {len(ended.calls)} calls that change the disk, to {files} files, {size} bytes"
            )
        for fault in moments[number::parts]:
            scene.survives(fault, expected)
            counts[f"{scene.name}, killed {fault.how} a call"] += 1
    return counts


def main() -> None:
    """Kill, and say what came of it."""
    in_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a killed process loses nothing there
    started, parts = time.monotonic(), len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="kill-", dir=in_memory) as work, Registry() as registry:
        upstream = Upstream(registry)
        for name in {name for night in IMAGES for name in night}:
            shared, own = layer("base", 300_000), layer(name.replace(":", "-"), 500_000)
            upstream.push(name, picture(shared, layer("group", 50_000), own))
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(parts, context) as pool:
            jobs = [pool.submit(part, Path(work) / str(n), registry.host, n, parts) for n in range(parts)]
            counts = sum((job.result() for job in jobs), Counter[str]())
    for what, count in sorted(counts.items()):
        print(f"{count:3}  {what}")
    print(f"{counts.total()} kills, the same bytes after each, in {time.monotonic() - started:.0f} s")
    if counts.total() != 2 * EACH:
        sys.exit(f"expected {2 * EACH} kills")


main()
