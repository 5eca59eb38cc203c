"""A mirror on real file systems that are small, full or read-only: what is refused, and what is left there."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.archives import Picture, image, tar
from tests.crossings import Crossing
from tests.mirrors import ConnectedSide
from tests.webregistry import MemoryRegistry
from toolkit.errors import StoreError
from toolkit.event import BlobBegun, BlobsExpected, Event
from toolkit.limits import GIB, MIB
from toolkit.mirror.connected.finishing import Finished
from toolkit.mirror.connected.running import Orders, run
from toolkit.mirror.jobs.amount import read_volume
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.media.cut import Cargo, cut
from toolkit.mirror.media.searching import find_sets
from toolkit.mirror.media.setcheck import verify_set
from toolkit.mirror.media.volumes import write_set
from toolkit.mirror.records.reception import RECEIVED
from toolkit.mirror.records.setrecord import SENT
from toolkit.operations.verify import verify

from .workplace import EngineMissing, demand, environment

pytestmark = [pytest.mark.engine, pytest.mark.root]

SIZE = 40 * MIB
KINDS = {
    "fat32": (SIZE, "vfat", ("mkfs.vfat", "-F", "32", "-s", "1")),  # small clusters: there have to be 65,525
    "ext4": (SIZE, "ext4", ("mkfs.ext4", "-m", "0")),
}
WIDE = {"fat32-wide": (5 * GIB, "vfat", ("mkfs.vfat", "-F", "32"))}  # nearly all of it a hole


def picture(word: str, size: int) -> Picture:
    """An image of a base that others have too, and of a layer of its own."""
    base, own = (
        tar({name: random.Random(name).randbytes(many)}) for name, many in (("base", MIB), (word, size))
    )
    return image(base, own)


IMAGES = {"app": picture("app", 6 * MIB), "tool": picture("tool", 5 * MIB)}


@dataclass
class Disk:
    """A file system of its own, in a file."""

    image: Path
    folder: Path
    mounted: bool = field(default=False)

    def make(self, size: int, driver: str, words: Sequence[str]) -> None:
        """Make and mount it; skips where that cannot be."""
        try:
            demand(words[0], root=True)
        except EngineMissing as missing:
            pytest.skip(str(missing))
        with self.image.open("wb") as file:
            file.truncate(size)
        subprocess.run([*words, self.image], check=True, capture_output=True, env=environment(self.folder))
        if not self.mount():
            known = driver in Path("/proc/filesystems").read_text().split()
            pytest.skip(
                "needs the right to mount a file by a loop device" if known else f"no {driver} in this kernel"
            )

    def mount(self, how: str = "rw") -> bool:
        self.folder.mkdir(exist_ok=True)
        words: list[str | Path] = ["mount", "-o", f"loop,{how}", self.image, self.folder]
        self.mounted = subprocess.run(words, check=False, capture_output=True).returncode == 0
        return self.mounted

    def umount(self) -> None:
        if self.mounted:
            subprocess.run(["umount", self.folder], check=True)
            self.mounted = False

    @property
    def free(self) -> int:
        facts = os.statvfs(self.folder)
        return facts.f_bavail * facts.f_frsize

    def eat(self, leave: int) -> None:
        """Let another process take the room, but for `leave` bytes."""
        size = max(0, self.free - leave)
        words = [
            "dd",
            "if=/dev/zero",
            f"of={self.folder}/eaten",
            "bs=64K",
            f"count={size // 65536}",
            "conv=fsync",
        ]
        subprocess.run(words, check=False, capture_output=True)  # it is as full as can be where that fails

    def make_room(self) -> None:
        (self.folder / "eaten").unlink()


@pytest.fixture(params=KINDS)
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    with ExitStack() as stack:
        found = Disk(tmp_path / "disk.img", tmp_path / "disk")
        stack.callback(found.umount)
        found.make(*{**KINDS, **WIDE}[request.param])
        yield found


@pytest.fixture
def side(tmp_path: Path) -> Iterator[ConnectedSide]:
    with MemoryRegistry() as web:
        for name, one in IMAGES.items():
            web.push(f"{name}:1", one)
        yield ConnectedSide(web, tmp_path / "home")


def job(side: ConnectedSide) -> Job:
    return side.job("app:1", "tool:1", bundle={"volume": "4MiB", "parity": 1})


def night(side: ConnectedSide, into: Path, tell: Callable[[Event], None]) -> Finished:
    return run(job(side), side.settings, Orders(into=str(into)), tell, clock=side.clock).finished


def must_be_whole(side: ConnectedSide, folder: Path) -> None:
    """The set is there, once, and nothing else but its page."""
    [found] = find_sets([folder])
    assert verify_set(found).findings == []
    assert [(record.number, record.status) for record in side.site.sets()] == [(1, SENT)]
    assert {path.name for path in folder.iterdir()} - {"lost+found"} == {
        *(f"plant-7_0001.{n}of4.tar" for n in range(1, 5)),
        "plant-7_0001.parity.tar",
        "plant-7_0001.sha256",
        "plant-7_0001.html",
        "plant-7.trail.jsonl",
    }


def test_a_medium_that_is_too_small_is_refused_with_figures_before_a_layer_is_fetched(
    side: ConnectedSide, disk: Disk
) -> None:
    disk.eat(8 * MIB)
    with pytest.raises(
        StoreError, match=r"needs \d{8} bytes \(.*\) and its file system has \d{7} free.*--into"
    ):
        side.run(job(side), into=str(disk.folder / "out"))
    assert side.asked()["GET blobs"] == 2  # configs
    assert not (side.home / "store").exists()
    assert not (disk.folder / "out").exists()
    disk.make_room()
    side.run(job(side), into=str(disk.folder / "out"))
    must_be_whole(side, disk.folder / "out")


def test_a_medium_that_fills_while_a_set_is_written_has_nothing_of_it_and_the_next_run_all(
    side: ConnectedSide, disk: Disk
) -> None:
    def tell(event: Event) -> None:
        if isinstance(event, BlobsExpected) and any(" in plant-7_0001" in one.key for one in event.layers):
            disk.eat(5 * MIB)

    with pytest.raises(StoreError, match="no space left on device; free some space and run again") as raised:
        night(side, disk.folder / "out", tell)
    assert (raised.value.exit_code, "\n" in str(raised.value)) == (7, False)
    assert list((disk.folder / "out").iterdir()) == []
    side.asked()
    disk.make_room()
    night(side, disk.folder / "out", lambda _: None)
    assert side.asked() == {}  # what was fetched is there
    must_be_whole(side, disk.folder / "out")


def test_a_store_that_fills_while_images_are_fetched_says_so_and_the_next_run_is_whole(
    side: ConnectedSide, disk: Disk, tmp_path: Path
) -> None:
    side.home = disk.folder / "home"

    def tell(event: Event) -> None:
        if isinstance(event, BlobBegun) and not (disk.folder / "eaten").exists():
            disk.eat(3 * MIB)

    with pytest.raises(StoreError, match=r"no space left on device; free|needs .* free; make room") as raised:
        night(side, tmp_path / "out", tell)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()
    disk.make_room()
    night(side, tmp_path / "out", lambda _: None)
    must_be_whole(side, tmp_path / "out")
    assert verify(side.store).ok


def test_a_set_that_was_written_to_a_disk_is_received_from_it_in_place(
    side: ConnectedSide, disk: Disk, tmp_path: Path
) -> None:
    night(side, disk.folder, lambda _: None)
    must_be_whole(side, disk.folder)
    disk.umount()
    assert disk.mount("ro")
    gap = Crossing(tmp_path / "gap")
    [received] = gap.receive(disk.folder)
    assert (received.state, received.error) == (RECEIVED, None)
    assert gap.names() == {side.name(f"{name}:1"): one.digest for name, one in IMAGES.items()}
    assert all(map(gap.is_whole, IMAGES.values()))
    assert verify(gap.store).ok


@pytest.mark.parametrize("disk", WIDE, indirect=True)
def test_a_volume_that_fat32_cannot_take_is_refused_before_a_byte_of_it_is_written(disk: Disk) -> None:
    """Its files have up to 4 GiB - 1; the set is larger, and there is room for it."""
    pieces = map(pytest.fail, ["a piece was asked for"])
    cargo = Cargo("plant-7", "plant-7_0001", 4 * GIB, (), {})
    with pytest.raises(
        StoreError, match=r"takes no file of 4\d{9} bytes; set bundle.volume .*fat32"
    ) as raised:
        write_set(disk.folder, cargo, pieces)
    assert (raised.value.exit_code, "\n" in str(raised.value)) == (7, False)
    assert list(disk.folder.iterdir()) == []
    assert max(each.file_size for each in cut(cargo, read_volume("fat32"))) < 4 * GIB


def test_a_set_is_received_from_a_medium_that_cannot_be_written(tmp_path: Path, disk: Disk) -> None:
    gap = Crossing(tmp_path)
    sent = {"app:1": IMAGES["app"]}
    medium = gap.send(sent, volume=4 * MIB, parity=True)
    for path in medium.iterdir():
        shutil.copy(path, disk.folder)
    disk.umount()
    assert disk.mount("ro")
    before = disk.image.read_bytes()
    [received] = gap.receive(disk.folder)
    assert (received.state, received.error) == (RECEIVED, None)
    assert gap.is_whole(sent["app:1"])
    assert disk.image.read_bytes() == before


def test_a_closed_side_without_room_takes_nothing_in_and_the_next_receive_all(
    tmp_path: Path, disk: Disk
) -> None:
    gap = Crossing(tmp_path)
    sent = {f"{name}:1": one for name, one in IMAGES.items()}
    medium = gap.send(sent, volume=4 * MIB)
    gap.home.symlink_to(disk.folder)
    disk.eat(6 * MIB)
    with pytest.raises(StoreError, match=r"needs \d{8} bytes and its file system has \d{7} free"):
        gap.receive(medium)
    assert gap.side.received() == []
    assert [path for path in (disk.folder / "store").rglob("*") if path.is_file()] == []
    disk.make_room()
    [received] = gap.receive(medium)
    assert received.state == RECEIVED
    assert all(map(gap.is_whole, sent.values()))
