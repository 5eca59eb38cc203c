"""Made: which image of the store a locked one is carried as, where that is another than its place has.

    <home>/mirror/<site>/made/<hex>[-zstd][-<platforms>].json

    {"lading":"made","version":1,"digest":"sha256:…","compression":"zstd","platforms":["linux/arm64",…],
     "made":"sha256:…"}

An image whose layers are packed anew gets other manifests, and one whose place keeps none gets its first when
it is fetched. The record says for what the place tells, manifest or image ID, what went into the store. It is
written when that is there, whole; one that cannot be read is none: the image is fetched again. A layer that
is packed anew has one too, for the next image that has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from toolkit.digest import Digest
from toolkit.errors import ToolkitError
from toolkit.mirror.jobs.job import COMPRESSIONS, KEEP
from toolkit.mirror.records import papers
from toolkit.mirror.records.folder import keep, record
from toolkit.mirror.records.lock import Locked
from toolkit.plumbing.files import storing

ENDING = ".json"
MARK = 12  # hex digits that tell choices of platforms apart


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an image is made of: what its place tells, and all that makes another image of it."""

    digest: Digest  # of a manifest, an index or a layer; or an image ID, that of Docker before 1.10 too
    compression: str = KEEP
    platforms: tuple[str, ...] = ()  # sorted; all of them where none is named

    @classmethod
    def of(cls, locked: Locked, compression: str) -> Self:
        """Return what a locked image is to be made of."""
        return cls(locked.digest, compression, tuple(sorted(map(str, locked.narrowing))))

    @property
    def file_name(self) -> str:
        """Return what its record is called."""
        packed = () if self.compression == KEEP else (self.compression,)
        marks = (Digest.of(" ".join(self.platforms).encode()).hex[:MARK],) if self.platforms else ()
        return "-".join((self.digest.hex, *packed, *marks)) + ENDING


@dataclass(frozen=True, slots=True)
class MadeImage:
    """One record: what was made of what."""

    wanted: Wanted
    top: Digest  # of the manifest, index or layer in the store

    @classmethod
    def parse(cls, raw: bytes, subject: str) -> Self:
        """Read the document; raises InvalidDocument."""
        node = papers.opened(raw, subject, "made")
        if (compression := node.get("compression", str)) not in COMPRESSIONS:
            node.fail("compression", f"is {compression[:50]!r}, expected one of {', '.join(COMPRESSIONS)}")
        wanted = Wanted(node.parsed("digest", Digest.parse), compression, tuple(node.texts("platforms")))
        return cls(wanted, node.parsed("made", Digest.parse))

    def __bytes__(self) -> bytes:
        wanted = self.wanted
        body = {"digest": str(wanted.digest), "compression": wanted.compression}
        return papers.written("made", {**body, "platforms": list(wanted.platforms), "made": str(self.top)})


@dataclass(frozen=True, slots=True)
class Made:
    """The images that were made for a site, as its job packs them. Several processes may record at once."""

    folder: Path | None = None  # of the records; None where each image is carried as it is
    compression: str = KEEP

    @property
    def keeps(self) -> bool:
        """Tell whether layers, and with them all digests, stay as they are."""
        return self.compression == KEEP

    def top(self, locked: Locked) -> Digest | None:
        """Return what a locked image is in the store; None where that is known only once it was fetched."""
        found = self.of(Wanted.of(locked, self.compression))
        return locked.digest if found is None and self.keeps else found

    def keep(self, locked: Locked, top: Digest) -> None:
        """Record what a locked image became, unless that is known; durable when this returns."""
        if self.top(locked) != top:
            self.keep_of(Wanted.of(locked, self.compression), top)

    def of(self, wanted: Wanted) -> Digest | None:
        """Return what was made of something, as far as that is recorded."""
        found = _read(self.folder / wanted.file_name) if self.folder else None
        return found.top if found and found.wanted == wanted else None

    def keep_of(self, wanted: Wanted, top: Digest) -> None:
        """Record what was made of something; durable when this returns."""
        if self.folder:
            keep(self.folder / wanted.file_name, MadeImage(wanted, top))

    def records(self) -> Iterator[MadeImage]:
        """Yield the records that can be read, in the order of their names."""
        return (found for path in self._paths() if (found := _read(path)))

    def forget(self, is_there: Callable[[Digest], bool]) -> None:
        """Remove the records of images that are not there any more, and those that say nothing."""
        for path in self._paths():
            found = _read(path)
            if found is None or not is_there(found.top):
                with storing(path):
                    path.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        if self.folder is None or not self.folder.is_dir():
            return []
        with storing(self.folder):
            return sorted(path for path in self.folder.iterdir() if path.name.endswith(ENDING))


AS_THEY_ARE = Made()


def _read(path: Path) -> MadeImage | None:
    try:
        return record(path, MadeImage.parse)
    except ToolkitError:
        return None
