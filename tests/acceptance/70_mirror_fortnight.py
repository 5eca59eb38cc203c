"""A fortnight of the offline mirror: 14 nights, 40 images, two registries, and all that goes wrong on the way.

Tags move, come and go, an image is dead, media are lost, volumes damaged and left at home; receipts travel
back every few days. Every night the closed side's store and registry are compared, name by name, with what was
pushed; each refusal has to say how to go on, and what it says is done.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.archives import Picture
from tests.fortnights import SITE, Fortnight, Said, Upstream, expect, head, layer, picture, prove, tag_of
from tests.integration.engines import Dockerd, Registry
from tests.sets import flip
from toolkit.figures import size_text
from toolkit.mirror.connected.running import Ran

REPOSITORIES = 12
FIRST_TAGS = (4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3)  # of each repository: 40
NAMED = 6  # repositories whose images the job names one by one; of the others it takes every tag
LARGE = 1_500_000
SHARED_WITH_LOST = "only the lost medium had this"
EMPTY = 1_000_000  # bytes that a set without news may have


def made(repository: int, tag: str, version: int = 1, *more: bytes) -> Picture:
    """An image of three layers: one of three bases, one of its repository's, one of its own; and `more`."""
    base, own = layer(f"base{repository % 3}", 150_000), f"r{repository:02}-{tag}-{version}"
    return picture(base, layer(f"group{repository:02}", 40_000), layer(own, 50_000), *more)


class Story:
    """What happens each night; `rows` is the table of it."""

    def __init__(self, world: Fortnight) -> None:
        self.world, self.upstream = world, world.upstream
        self.rows: list[tuple[str, ...]] = []
        self.runs: list[Ran] = []
        self.missed: dict[str, dt.date] = {}  # since when an image is a gap

    def push(self, repository: int, tag: str, version: int = 1, *more: bytes) -> None:
        """Push an image; the job is told of a new one where it names them one by one."""
        name = f"r{repository:02}:{tag}"
        if repository < NAMED and name not in self.world.named:
            self.world.named.append(name)
        self.upstream.push(name, made(repository, tag, version, *more))

    def run(self, since: str = "") -> Ran:
        """Run, and check what it says of gaps."""
        ran = self.world.run(since)
        self.runs.append(ran)
        gaps = {gap.name.removeprefix("plant/"): gap.since for gap in ran.outcome.gaps}
        expect("gaps, and since when", gaps, self.missed)
        expect("the state", ran.outcome.state, "gaps" if gaps else "done")
        return ran

    def row(self, happened: str, ran: Ran | None = None) -> None:
        found = (ran or self.runs[-1]).outcome
        day = (self.world.now.date() - FIRST.date()).days + 1
        size = sum(volume.size for volume in (ran or self.runs[-1]).finished.record.volumes)
        facts = (day, found.date, found.number, found.images_new, found.images_there, len(found.gaps))
        row = (*map(str, facts), size_text(size), str(found.volumes), happened)
        self.rows.append(row)
        print("  ".join(row), flush=True)

    def refused(self, said: Said, code: int, *words: str) -> None:
        """Show a refusal, which has to name the cure."""
        print(f"    exit {code}: {said.must_say(code, *words)}", flush=True)

    def arrives(self, happened: str) -> None:
        """Run, carry, receive."""
        ran = self.run()
        self.world.takes(self.world.medium(ran))
        self.row(happened, ran)

    # Week one

    def night_1(self) -> None:
        for repository, tags in enumerate(FIRST_TAGS):
            for number in range(tags):
                self.push(repository, f"1.{number}")
        expect("images", len(self.upstream.tags), 40)
        self.arrives("everything is new")
        expect("images that are new", self.runs[-1].outcome.images_new, 40)

    def night_2(self) -> None:
        self.arrives("nothing is new")
        size = sum(volume.size for volume in self.runs[-1].finished.record.volumes)
        expect("images that are new", self.runs[-1].outcome.images_new, 0)
        expect("an empty increment is small", size <= EMPTY, expected=True)

    def night_3(self) -> None:
        for repository in (0, 4, 8):
            self.push(repository, "1.0", 2)
        self.push(11, "1.3")
        self.arrives("three tags moved, one is new; receipt carried back")
        print(f"    {self.world.carry_back()}")

    def night_4(self) -> None:
        self.push(1, "1.1", 2, layer(SHARED_WITH_LOST, 70_000))
        self.push(9, "1.2", 2)
        self.run()
        self.row("two tags moved; the medium is lost on its way")

    def night_5(self) -> None:
        self.push(1, "1.1", 3)
        self.push(10, "1.3", 1, layer(SHARED_WITH_LOST, 70_000))
        late = self.world.medium(self.run())
        said = self.world.receive(late)
        lost = f"{SITE}_0004"
        self.refused(said, 3, "requires", "has not come", lost, "lading mirror run JOB --since receipt")
        self.world.compare()
        self.row(f"refused: it stands on {lost}")
        print(f"    {self.world.carry_back()}")
        cure = self.run("receipt")
        self.world.takes(self.world.medium(cure))
        self.row("the cure: receipt carried back, --since receipt", cure)
        said = self.world.takes(late)
        expect("a set that came late is taken in", "received" in said.out, expected=True)
        print(f"    {late.name}, received late: nothing is put back")

    def night_6(self) -> None:
        self.push(7, "1.3")
        self.upstream.spoil("r07:1.3")
        self.push(6, "1.3", 1, layer("r01-1.1-2", 50_000))  # as the lost medium had it, and no other one
        self.missed["r07:1.3"] = self.world.now.date()
        self.arrives("two new tags, one of them dead: left out whole")
        print(f"    {self.runs[-1].outcome.gaps[0].problem}")

    def night_7(self) -> None:
        self.upstream.delete("r08:1.1")
        self.upstream.delete("r02:1.1")
        self.missed["r02:1.1"] = self.world.now.date()
        self.arrives("two tags deleted, one of which the job names: a gap; receipt")
        print(f"    {self.world.carry_back()}")

    # Week two

    def night_8(self) -> None:
        self.push(3, "1.3", 2, layer("large8", LARGE))
        ran = self.run()
        medium = self.world.medium(ran)
        flip(medium / ran.finished.record.volumes[1].name, 300_000, 5_000)
        said = self.world.takes(medium)
        expect("healing is told", "parity" in said.problem, expected=True)
        self.row("a volume is damaged: parity heals it", ran)
        print("    " + said.problem.strip().replace("\n", "\n    "))

    def night_9(self) -> None:
        self.push(3, "1.3", 3, layer("large9", LARGE))
        ran = self.run()
        medium = self.world.medium(ran)
        names = [volume.name for volume in ran.finished.record.volumes[:2]]
        for name in names:
            flip(medium / name, 300_000, 5_000)
        self.refused(
            self.world.receive(medium), 5, *names, "bring other copies of the volumes that are named"
        )
        self.world.compare()
        self.world.takes(self.world.medium(ran))
        self.row("two volumes are damaged: refused, copied once more", ran)

    def night_10(self) -> None:
        self.upstream.mend("r07:1.3")
        del self.missed["r07:1.3"]
        self.push(5, "1.0", 2)
        self.run()
        self.row("the dead image is back; but the medium is lost")

    def night_11(self) -> None:
        lost = self.runs[-1].finished.record.increment.name
        print(f"    {self.world.lading('lost', lost, home=self.world.connected).out.strip()}")
        self.push(0, "1.1", 2)
        self.arrives(f"lading mirror lost {lost}: sent again, before anybody missed it")
        expect("images that are new", self.runs[-1].outcome.images_new, 3)

    def night_12(self) -> None:
        self.push(2, "1.0", 2, layer("large12", 2 * LARGE))
        ran = self.run()
        count = len(ran.finished.record.volumes) - 1
        one = self.world.medium(ran, *(f".{n}of{count}.tar" for n in range(1, count - 1)), label="-first")
        rest = [f".{n}of{count}.tar" for n in (count - 1, count)]
        other = self.world.medium(ran, *rest, "parity.tar", ".sha256", ".minisig", ".jsonl", label="-second")
        self.refused(self.world.receive(one), 75, "missing", "receive again with all folders")
        self.world.takes(other, one)
        self.row("volumes on two media, one of which comes first; receipt", ran)
        print(f"    {self.world.carry_back()}")

    def night_13(self) -> None:
        self.push(4, "1.2", 2)
        self.push(10, "1.0", 2)
        ran = self.run()
        medium = self.world.medium(ran)
        (medium / ran.finished.record.volumes[0].name).unlink()
        self.world.takes(medium)
        media = sorted((self.world.folder / "media").iterdir())
        said = self.world.takes(*media[:3], *media[-1:])
        expect("received before", said.out.count("there"), 4)
        self.row("a volume stayed at home: parity has it; four sets received once more", ran)

    def night_14(self) -> None:
        for repository in range(REPOSITORIES):
            self.push(repository, "2.0")
        self.upstream.delete("r09:1.0")
        self.arrives("a new tag everywhere; receipt")
        print(f"    {self.world.carry_back()}")


FIRST = dt.datetime.now(dt.UTC).replace(hour=2, minute=0) - dt.timedelta(days=13)  # the last is today's
HEAD = ("NIGHT", "DATE", "SET", "NEW", "AS BEFORE", "GAPS", "SIZE", "FILES", "WHAT HAPPENED")


def compared(world: Fortnight) -> None:
    """Compare both registries by their own APIs, and every blob of the closed side with what was pushed."""
    source, there = world.upstream, world.due()
    asked = {
        name: head(source.registry.host, f"team/{name.partition(':')[0]}", tag_of(name))
        for name in source.tags
    }
    carried = {name for name in there if name in source.tags}
    print(f"\n{len(carried)} names that both sides have:")
    for name in sorted(carried):
        print(f"  {name:<9} {asked[name]}")
        expect(name, there[name], asked[name])
    print(
        f"gone from the source, kept on the closed side: {', '.join(sorted(there.keys() - source.tags.keys()))}"
    )
    expect("left behind", sorted(source.tags.keys() - there.keys()), [])
    count = prove(world.closed / "store", [source.tags[name] for name in carried])
    print(f"{count} blobs compared byte for byte")


def statuses(world: Fortnight) -> None:
    """Show what each side says of itself, and check it."""
    for home in (world.connected, world.closed):
        print(world.lading("status", home=home).out)
    told = json.loads(world.lading("status", "--json", home=world.connected).out)["sites"][0]["connected"]
    lacking = [each["set"] for each in told["sets"] if not each["received"]]
    never = sorted(world.meant.keys() - world.there)
    expect("sets that never came", lacking, [f"{SITE}_{number:04}" for number in never])


def in_docker(world: Fortnight, docker: Dockerd, last: Ran) -> None:
    """Hand the last set on into a real Docker, under a name of the site's own."""
    os.environ["DOCKER_HOST"] = docker.host
    medium = world.folder / "media" / last.finished.record.increment.name
    world.receive(medium, into="docker-daemon:", rename="docker.io/plant/=closed.example/").must_say(0)
    tags = world.upstream.tags
    ids = {name: json.loads(each.raw)["config"]["digest"] for name, each in tags.items()}
    images = {name.removeprefix("closed.example/"): id_ for name, id_ in docker.images().items()}
    expect("dockerd's images", images, {name: ids[name] for name in world.meant[max(world.meant)]})
    print(f"dockerd has {len(images)} images of the last set, by the IDs that their configs have")


def main() -> None:
    """All nights."""
    if os.geteuid() != 0:
        sys.exit("needs root")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="accept-")))
        source, target = stack.enter_context(Registry()), stack.enter_context(Registry())
        world = Fortnight(folder, Upstream(source), target, FIRST)
        story, started = Story(world), time.monotonic()
        nights: list[Callable[[], None]] = [getattr(story, f"night_{number}") for number in range(1, 15)]
        for night in nights:
            night()
            world.now += dt.timedelta(days=1)
        print()
        widths = [max(map(len, column)) for column in zip(HEAD, *story.rows, strict=True)]
        for row in (HEAD, *story.rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        compared(world)
        statuses(world)
        in_docker(world, stack.enter_context(Dockerd()), story.runs[-1])
        print(f"a fortnight in {time.monotonic() - started:.0f} s")


main()
