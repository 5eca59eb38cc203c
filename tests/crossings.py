"""Both sides of a gap: sets made of literal images on one, media between, and what the other makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.archives import Picture, layout, written
from toolkit.bundles import open_bundle
from toolkit.digest import Digest
from toolkit.limits import MIB
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.closed.receiving import Receiving, Terms, sets_in
from toolkit.mirror.connected.building import Plan, Stored, stored
from toolkit.mirror.connected.site import Site
from toolkit.mirror.media.cut import Cargo
from toolkit.mirror.media.volume import BlobRange
from toolkit.mirror.media.volumes import write_set
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.lock import Locked
from toolkit.mirror.records.reception import Reception
from toolkit.mirror.records.setrecord import VolumeSum
from toolkit.operations.copy import copy
from toolkit.operations.signing import sign_file
from toolkit.platform import Platform
from toolkit.secretkey import SigningKey
from toolkit.signature import PublicKey
from toolkit.stores.layout import LayoutStore

NIGHT = datetime(2026, 11, 27, 2, tzinfo=UTC)
NAME = "plant-7"


@dataclass
class Crossing:
    """A connected side, media in a folder, and a closed side."""

    folder: Path
    site: str = NAME
    nights: int = field(default=0)

    @property
    def sender(self) -> Site:
        return Site(self.folder / "connected", self.site)

    @property
    def home(self) -> Path:
        return self.folder / "closed"

    @property
    def side(self) -> ClosedSide:
        return ClosedSide(self.home, self.site)

    @property
    def store(self) -> LayoutStore:
        return LayoutStore(self.home / "store")

    @property
    def now(self) -> datetime:
        return NIGHT + timedelta(days=self.nights)

    def medium(self, name: str) -> Path:
        path = self.folder / "media" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def send(
        self,
        pictures: Mapping[str, Picture],
        medium: str = "",
        baseline: str = "assumed",
        *,
        volume: int = 0,
        parity: bool = False,
        key: SigningKey | None = None,
        format_name: str = "universal",
        platforms: tuple[Platform, ...] = (),
    ) -> Path:
        """Make the next set of these images, all platforms of them or some; return the medium that it is on."""
        self.nights += 1
        images = self.fetched(pictures, platforms)
        draft = Increment.of(
            self.site, 0, self.now.date(), [each.blobs for each in images], self.sender.baseline(baseline)
        )
        increment = self.sender.begin(draft, [each.blobs for each in images])
        folder = self.medium(medium or f"m{increment.number}")
        plan = Plan.of(increment, [each.image for each in images], format_name)
        files = self.write(increment, plan, folder, volume, parity=parity, key=key)
        self.sender.sent(increment.number, files, self.now)
        return folder

    def write(
        self,
        increment: Increment,
        plan: Plan,
        folder: Path,
        volume: int = 0,
        *,
        parity: bool = False,
        key: SigningKey | None = None,
    ) -> list[VolumeSum]:
        """Write a set as it is planned."""
        blobs = [BlobRange(*each) for each in plan.blobs]
        cargo = Cargo.of(increment.site, increment.name, plan.total, blobs, plan.files)
        files = write_set(folder, cargo, plan.pieces(self.source.blobs), volume, parity=parity)
        if key:
            sums = folder / f"{increment.name}.sha256"
            sign_file(sums, sums.read_bytes(), key, int(NIGHT.timestamp()))
        return [VolumeSum(each.path.name, each.size, each.sha256) for each in files]

    @property
    def source(self) -> LayoutStore:
        return LayoutStore(self.folder / "connected" / "store")

    def fetched(self, pictures: Mapping[str, Picture], platforms: tuple[Platform, ...] = ()) -> list[Stored]:
        """Put images into the store of the connected side."""
        self.folder.mkdir(exist_ok=True)
        bundle = open_bundle(written(self.folder / "in.tar", layout(*pictures.items())))
        copy(bundle, self.source, list(pictures))
        wanted = [
            Locked(name, name, "docker://example.org", Digest.parse(picture.digest), platforms)
            for name, picture in pictures.items()
        ]
        return list(stored(self.source, wanted))

    def receive(self, *folders: Path, keys: tuple[PublicKey, ...] = ()) -> list[Reception]:
        """Take in what lies on media."""
        inventory = Inventory(self.store)
        with self.side.held("receive", self.now):
            terms = Terms(folders, self.now, keys)
            return Receiving(sets_in(folders), self.side, inventory, terms).receive()

    def names(self) -> dict[str, str]:
        """What every name on the closed side points at."""
        return {name: str(entry.top.digest) for entry in self.store.entries() for name in entry.names}

    def is_whole(self, picture: Picture) -> bool:
        """Tell whether every blob of an image is there, byte for byte."""
        blobs = self.home / "store/blobs/sha256"
        paths = {blobs / digest.partition(":")[2]: raw for digest, raw in picture.blobs.items()}
        return all(path.is_file() and path.read_bytes() == raw for path, raw in paths.items())


def big(letter: str, size: int = MIB) -> bytes:
    """A layer of about this size that does not look like another letter's."""
    from tests.archives import tar

    return tar({f"opt/{letter}": (letter.encode() + bytes(range(256)) * 4)[:1000] * (size // 1000)})
