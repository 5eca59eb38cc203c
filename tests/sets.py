"""Sets of volumes to be read, damaged and lost: a stream of blobs with documents, cut small."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from toolkit.digest import Digest
from toolkit.image import Finding
from toolkit.limits import MIB
from toolkit.mirror.media.cut import Cargo
from toolkit.mirror.media.searching import find_sets
from toolkit.mirror.media.setcheck import Checked, verify_set
from toolkit.mirror.media.setreading import SetReader
from toolkit.mirror.media.volume import BlobRange
from toolkit.mirror.media.volumes import Written, write_set
from toolkit.mirror.media.volumeset import VolumeSet

NAME, SITE = "plant-7_0007", "plant-7"
DOCUMENT = b'{"schemaVersion":2}'


@dataclass(frozen=True)
class Made:
    """A set in a folder, and what is in it."""

    folder: Path
    stream: bytes
    cargo: Cargo
    files: list[Written]

    def path(self, number: int) -> Path:
        """The file of a volume, 0 that of the parity volume."""
        return self.files[number - 1].path

    def blob(self, digest: Digest) -> bytes:
        blob = next(blob for blob in self.cargo.blobs if blob.digest == digest)
        return self.stream[blob.offset : blob.offset + blob.size]

    def found(self, *others: Path) -> VolumeSet:
        [volumes] = find_sets([self.folder, *others])
        return volumes

    def checked(self, *others: Path) -> Checked:
        return verify_set(self.found(*others))

    def opened(self, *others: Path) -> SetReader:
        """The set as it is read once it is proven."""
        checked = self.checked(*others)
        assert checked.reader, told(checked.findings)
        return checked.reader


def made_set(
    folder: Path,
    volume: int = 2 * MIB,
    blobs: Iterable[int] = (700_000, 3_000_000, 0, 900_000),
    *,
    parity: bool = False,
    name: str = NAME,
) -> Made:
    """Write a set of blobs of these sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    stream, ranges = bytearray(512), []
    files = {"index.json": (len(stream), len(DOCUMENT))}
    stream += DOCUMENT.ljust(1024, b"\0")
    for size in blobs:
        content = os.urandom(size)
        ranges.append(BlobRange(Digest.of(content), len(stream), size))
        stream += content + bytes(-size % 512 + 512)
    stream += bytes(1024)
    cargo = Cargo.of(SITE, name, len(stream), ranges, files)
    files_ = write_set(folder, cargo, iter([bytes(stream)]), volume, parity=parity)
    return Made(folder, bytes(stream), cargo, files_)


def flip(path: Path, offset: int, count: int = 1) -> None:
    """Damage bytes of a file; a negative offset counts from its end."""
    with path.open("r+b") as file:
        file.seek(offset, os.SEEK_SET if offset >= 0 else os.SEEK_END)
        old = file.read(count)
        file.seek(-len(old), os.SEEK_CUR)
        file.write(bytes(byte ^ 0x10 for byte in old))


def told(findings: Iterable[Finding], severity: str = "error") -> list[str]:
    return [f"{finding.subject}: {finding.problem}" for finding in findings if finding.severity == severity]


def content(reader: SetReader, offset: int, size: int) -> bytes:
    with reader.open(offset, size) as found:
        return b"".join(map(bytes, found.blocks()))
