"""One byte of a bundle is another: it is refused, or it is one of the few that nobody can or need notice."""

from __future__ import annotations

import re
import tarfile
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.archives import A, B, Body, encode, sha256, tar, v1_folder, written
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import ToolkitError
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.ports import Closes
from toolkit.report import Report

FIELDS = {  # of a header block, by their ends: POSIX ustar
    100: "name", 108: "mode", 116: "uid", 124: "gid", 136: "size", 148: "mtime", 154: "checksum",
    156: "end of checksum", 157: "type", 257: "linkname", 263: "magic", 265: "version", 297: "uname",
    329: "gname", 337: "major", 345: "minor", 500: "prefix", 512: "tail",
}  # fmt: skip
ENDS = list(FIELDS)
STEP = 61  # bytes; every so many one is changed, besides those that stand for something

HARMLESS = {  # no reader looks at these
    "padding",
    "header: end of checksum",
    "VERSION",
}
UNIVERSAL = HARMLESS | {
    'index.json: "mediaType"',  # may be missing; the key is then one that nobody knows
    # Each of two annotations, and manifest.json, tells the name. One of them lost is not missed, and one
    # changed is a second name; the image that they name stays what it is.
    'index.json: "io.containerd.image.name"',
    'index.json: "docker.io/library/app:1"',
    'index.json: "org.opencontainers.image.ref.name"',
    'index.json: "app:1"',
    'manifest.json: "RepoTags"',
}
DOCKER_V1 = HARMLESS | {"layer.tar", "json", 'repositories: "app"', 'repositories: "1"'}  # has no digest


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


def short(name: str) -> bytes:
    """Return a layer of one file, without the zeros that Python puts behind it."""
    return tar({name: name.encode()})[:2048]


LAYERS = {A: short("one"), B: short("two")}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A docker-v1 bundle of two layers, as a legacy engine might have saved it."""
    files: dict[str, Body] = {**v1_folder(A, "", LAYERS[A]), **v1_folder(B, A, LAYERS[B])}
    folder = tmp_path_factory.mktemp("corruption")
    return written(folder / "v1.tar", {**files, "repositories": encode({"app": {"1": B}})})


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


@pytest.mark.parametrize(("format_name", "expected"), [("universal", UNIVERSAL), ("docker-v1", DOCKER_V1)])
def test_every_changed_byte_is_noticed_but_those_named_here(
    source: Path, tmp_path: Path, format_name: str, expected: set[str]
) -> None:
    copy(open_bundle(source), create_bundle(tmp_path / "b.tar", format_name), ["app:1"])
    raw = (tmp_path / "b.tar").read_bytes()
    members = members_of(tmp_path / "b.tar")
    starts = [member.header for member in members]
    told = {position for member in members for position in member.telling()}
    damaged, unnoticed, odd = tmp_path / "damaged.tar", set(), set()
    for position in sorted(told | set(range(0, len(raw), STEP))):
        changed = bytearray(raw)
        changed[position] ^= 1
        damaged.write_bytes(changed)
        codes = exit_codes(damaged)
        if not codes:
            unnoticed.add(members[bisect(starts, position) - 1].what(position))
        elif not codes <= {5, 6}:
            odd.add((position, *codes))
    assert unnoticed == expected
    assert {(position < 544, code) for position, code in odd} <= {(True, 4)}  # no bundle at all, it seems


def test_where_nothing_can_be_noticed_the_report_says_so(source: Path, tmp_path: Path) -> None:
    copy(open_bundle(source), create_bundle(tmp_path / "b.tar", "docker-v1"), ["app:1"])
    (finding,) = verified(tmp_path / "b.tar").findings
    assert "records no digest of its layers" in finding.problem


@pytest.mark.parametrize("text", [b"mediaType", b"io.containerd.image.name", b"library/app:1", b"RepoTags"])
def test_what_is_not_noticed_in_a_universal_bundle_leaves_the_image_as_it_is(
    source: Path, tmp_path: Path, text: bytes
) -> None:
    copy(open_bundle(source), create_bundle(tmp_path / "b.tar"), ["app:1"])
    before = verified(tmp_path / "b.tar")
    raw = bytearray((tmp_path / "b.tar").read_bytes())
    raw[raw.index(b'"' + text if text != b"library/app:1" else text) + 1] ^= 1
    (tmp_path / "b.tar").write_bytes(raw)
    after = verified(tmp_path / "b.tar")
    assert {image.top.digest for image in after.images} == {image.top.digest for image in before.images}
    assert {str(blob.digest) for image in after.images for blob in image.blobs} == set(
        map(sha256, LAYERS.values())
    )


@pytest.mark.parametrize("format_name", ["universal", "docker-v1"])
def test_a_bundle_cut_anywhere_is_refused_or_said_to_be_cut(
    source: Path, tmp_path: Path, format_name: str
) -> None:
    copy(open_bundle(source), create_bundle(tmp_path / "b.tar", format_name), ["app:1"])
    raw = (tmp_path / "b.tar").read_bytes()
    damaged = tmp_path / "damaged.tar"
    for length in (*range(0, len(raw) - 1024, 255), *range(0, len(raw) - 1023, 512)):
        damaged.write_bytes(raw[:length])
        codes = exit_codes(damaged)
        assert codes <= {4, 5, 6}, length
        if not codes:  # between two members: what stands before is whole
            said = [finding.problem for finding in verified(damaged).findings]
            assert any("may have been cut short" in problem for problem in said), length
