"""Where what stands in a bundle, and bundles with one byte of it changed.

`changes` damages real bundles of every format at random places, always the same ones: half of them anywhere,
half of them so that each class of places gets its share. What `verify` does not notice must have a reason.
"""

from __future__ import annotations

import gzip
import random
import re
import tarfile
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.archives import LAYER, ONE, TWO, image, layout, sha256, written
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import ToolkitError
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.ports import Closes
from toolkit.report import Report
from toolkit.stores.layout import LayoutStore
from toolkit.stores.sample import sample_store

FIELDS = {  # of a header block, by their ends: POSIX ustar
    100: "name", 108: "mode", 116: "uid", 124: "gid", 136: "size", 148: "mtime", 154: "checksum",
    156: "end of checksum", 157: "type", 257: "linkname", 263: "magic", 265: "version", 297: "uname",
    329: "gname", 337: "major", 345: "minor", 500: "prefix", 512: "tail",
}  # fmt: skip
ENDS = list(FIELDS)
CONFIG = re.compile(r"[0-9a-f]{64}\.json")  # as docker-v1.2 calls it
FORMATS = ("universal", "docker", "docker-v1.2", "docker-v1", "oci")
DOCUMENTS = ("index.json", "manifest.json", "repositories", "oci-layout", "VERSION")
SEED = 20140417
BEHIND = 512  # bytes that may be appended
WHITE, CHECKSUM = b" \t\r\n", slice(148, 156)

UNKNOWN = {  # format, what stands there → why no reader can know that it was changed
    ("docker-v1", "layer"): "the format has no digest of a layer; the report says so",
    ("docker-v1", "v1 json"): "the format has no digest of a v1 json",
    ("docker-v1", "repositories"): "a name stands nowhere else",
    (
        "docker-v1.2",
        "v1 json",
    ): "the format has no digest of a v1 json; no Docker that reads manifest.json reads it",
    (
        "docker-v1.2",
        "layer",
    ): "of a compressed layer the format has the digest of what it unpacks to, and that is right",
}
SPELT = "the same number, spelt otherwise"
SPACE = "white space for white space"
UNSUPPORTED = {"oci-layout"}  # a layout of another version is refused with 4, as formats H case 7 has it


@dataclass(frozen=True)
class Member:
    """Where a member's header, body and padding begin, and its bytes."""

    header: int
    body: int
    name: str
    content: bytes

    def what(self, position: int) -> str:
        """Return what stands at a byte of the file."""
        if position < self.body:
            return "header: " + FIELDS[ENDS[bisect(ENDS, (position - self.header) % 512)]]
        if position >= self.body + len(self.content):
            return "padding"
        if CONFIG.fullmatch(self.name):
            return "config"
        if self.name.endswith((".json", "repositories")):
            return f"{self.name}: {self.token(position - self.body)}"
        return "blob" if "sha256" in self.name else self.name.rpartition("/")[2]

    def token(self, offset: int) -> str:
        """Return the JSON text that the byte is in."""
        words = (found for found in tokens(self.content) if found.start() < offset < found.end() - 1)
        return next((found.group().decode() for found in words), "outside of text")

    def telling(self) -> Iterator[int]:
        """Yield bytes that stand for something: of each field, of each JSON text, of the content."""
        yield from (self.header + (0 if end == 100 else end - 1) for end in ENDS)
        if self.content:
            yield from (self.body + len(self.content) * part // 4 for part in range(4))
            yield self.body + len(self.content) - 1
            yield self.body + len(self.content) + -len(self.content) % 512 - 1
        if self.name.endswith((".json", "repositories")):
            yield from (self.body + (found.start() + found.end()) // 2 for found in tokens(self.content))


def tokens(content: bytes) -> Iterator[re.Match[bytes]]:
    return re.finditer(rb'"[^"]*"', content)


def members_of(bundle: Path) -> list[Member]:
    with tarfile.open(bundle) as archive:
        found = []
        for info in archive:
            body = archive.extractfile(info) if info.isfile() else None
            found.append(Member(info.offset, info.offset_data, info.name, body.read() if body else b""))
    return found


def verified(path: Path) -> Report:
    bundle = open_bundle(path)
    try:
        return verify(bundle)
    finally:
        assert isinstance(bundle, Closes)
        bundle.close()


def exit_codes(path: Path) -> set[int]:
    """Return the exit codes that say what is wrong; none where nothing is."""
    try:
        return {finding.exit_code for finding in verified(path).errors}
    except ToolkitError as error:
        return {error.exit_code}


@dataclass(frozen=True)
class Bundle:
    """A bundle, whole, and where what stands in it."""

    format: str
    path: Path
    raw: bytes
    members: tuple[Member, ...]

    @classmethod
    def at(cls, path: Path, format_name: str) -> Bundle:
        """Look a bundle over."""
        return cls(format_name, path, path.read_bytes(), tuple(members_of(path)))

    def what(self, position: int) -> str:
        """Return the class of a place."""
        last = self.members[-1]
        end = last.body + len(last.content) + -len(last.content) % 512
        if position >= len(self.raw):
            return "behind the end"
        if position >= end:
            return "end blocks"
        member = self.members[bisect([each.header for each in self.members], position) - 1]
        what = member.what(position)
        if what.startswith("header: ") or what == "padding":
            return what
        return _kind(member)

    def places(self) -> Mapping[str, list[int]]:
        """Return all places by their classes."""
        found: dict[str, list[int]] = {}
        for position in range(len(self.raw) + BEHIND):
            found.setdefault(self.what(position), []).append(position)
        return found

    def harmless(self, position: int, byte: int) -> str:
        """Say why another byte would mean the very same; empty where it would not."""
        if position >= len(self.raw):
            return ""
        member = self.members[bisect([each.header for each in self.members], position) - 1]
        if position < member.body:
            block = bytearray(self.raw[member.header : member.body])
            before = _number(block[CHECKSUM])
            block[position - member.header] = byte
            is_there = CHECKSUM.start <= position - member.header < CHECKSUM.stop
            return SPELT if is_there and before is not None and _number(block[CHECKSUM]) == before else ""
        is_text = _kind(member) in DOCUMENTS
        return SPACE if is_text and byte in WHITE and self.raw[position] in WHITE else ""


def _kind(member: Member) -> str:
    """Return what a member is."""
    name = member.name.rpartition("/")[2]
    if name in DOCUMENTS or CONFIG.fullmatch(member.name):
        return "config" if CONFIG.fullmatch(member.name) else name
    if name == "json":
        return "v1 json"
    return "document" if member.content.startswith(b"{") else "layer"


def _number(field: bytes | bytearray) -> int | None:
    digits = bytes(field).strip(b" \0")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else None


@dataclass(frozen=True)
class Change:
    """One byte of one bundle that becomes another; what stands there, and why that may be."""

    bundle: Bundle
    position: int
    byte: int
    what: str

    def codes(self) -> set[int]:
        """Return the exit codes that the changed bundle is refused with; none where nothing is noticed."""
        raw = bytearray(self.bundle.raw.ljust(self.position + 1, b"\0"))
        raw[self.position] = self.byte
        damaged = self.bundle.path.with_name("damaged.tar")
        damaged.write_bytes(raw)
        return exit_codes(damaged)

    @property
    def reason(self) -> str:
        """Say why it need not, or cannot, be noticed; empty where it must be."""
        harmless = self.bundle.harmless(self.position, self.byte)
        return harmless or UNKNOWN.get((self.bundle.format, self.what), "")


def bundles(folder: Path) -> list[Bundle]:
    """Return a bundle of each format: of the sample, a legacy image, and of one with a compressed layer."""
    packed = gzip.compress(TWO, mtime=0)
    types, ids = [LAYER, f"{LAYER}+gzip"], [sha256(ONE), sha256(TWO)]
    modern = written(
        folder / "modern.tar", layout(("app:1", image(ONE, packed, diff_ids=ids, media_types=types)))
    )
    store = LayoutStore(folder / "store")
    copy(sample_store(folder / "home"), store, ["ubuntu:14.04"])
    copy(open_bundle(modern), store, ["app:1"])
    found = []
    for format_name in FORMATS:
        path = folder / f"{format_name}.tar"
        copy(store, create_bundle(path, format_name), ["ubuntu:14.04", "app:1"])
        found.append(Bundle.at(path, format_name))
    return found


def changes(found: list[Bundle], count: int) -> Iterator[Change]:
    """Yield `count` changes in all, always the same: of one bit, or of a whole byte."""
    rng = random.Random(SEED)
    places = [bundle.places() for bundle in found]
    for number in range(count):
        which = number % len(found)
        bundle, classes = found[which], places[which]
        if number // len(found) % 2:
            position = rng.randrange(len(bundle.raw) + BEHIND)
        else:
            position = rng.choice(classes[rng.choice(sorted(classes))])
        before = bundle.raw[position] if position < len(bundle.raw) else 0
        byte = before ^ (1 << rng.randrange(8)) if rng.randrange(2) else before ^ rng.randrange(1, 256)
        yield Change(bundle, position, byte, bundle.what(position))
