"""tar-split, against vectors of Docker 20.10.24 and formats F.2, and every damage of formats H, case 29."""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastcrc import crc64
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import (
    CorruptContent,
    InvalidDocument,
    Mismatch,
    MissingMember,
    ToolkitError,
    UnsafeArchive,
)
from toolkit.plumbing.assembly import SMALL, assemble
from toolkit.plumbing.streams import Extent, Stream
from toolkit.plumbing.tarsplit import Line, Measure, TarSplit, segment_line
from toolkit.plumbing.tree import Tree

LINE_LIMIT = 8 << 20
VECTORS = Path(__file__).parent.parent / "data" / "vectors"
TAR = (VECTORS / "layer-31629fae.tar").read_bytes()
LINES = gzip.decompress((VECTORS / "tar-split-31629fae.json.gz").read_bytes()).splitlines()
DIGEST = "31629fae8a9a3d0b35bfad1c821c14e177f35ba144d42ff67fb852d4522a2037"
ONLY_FILE = "etc/va1795457507.214360"
CRCS = {  # formats F.2, measured on Docker
    b"hi": "OZgQAAAAAAA=",
    b"1": "QyAAAAAAAAA=",
    b"hello\n": "YUw+7uLYEAA=",
    bytes(3000): "hl+fBNXRMps=",
}


def crc_of(content: bytes) -> str:
    return base64.b64encode(crc64.go_iso(content).to_bytes(8, "big")).decode()


def line(**members: Any) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def file_line(name: str, content: bytes, position: int = 0, **members: Any) -> bytes:
    return line(type=1, name=name, size=len(content), payload=crc_of(content), position=position, **members)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The one file of the layer, as Python's own tarfile finds it."""
    with tarfile.open(fileobj=io.BytesIO(TAR)) as tar:
        file = tar.extractfile(ONLY_FILE)
        assert file
        (tmp_path / "tree/etc").mkdir(parents=True)
        (tmp_path / "tree" / ONLY_FILE).write_bytes(file.read())
    return tmp_path / "tree"


@pytest.fixture
def split(tmp_path: Path) -> Iterator[Callable[[list[bytes]], TarSplit]]:
    handles = []

    def of(lines: list[bytes]) -> TarSplit:
        return of_raw(gzip.compress(b"".join(each + b"\n" for each in lines)))

    def of_raw(packed: bytes) -> TarSplit:
        path = tmp_path / "tar-data.json.gz"
        path.write_bytes(packed)
        handle = os.open(path, os.O_RDONLY)
        handles.append(handle)
        return TarSplit(lambda: Extent(handle, 0, len(packed), "x"), "x")

    yield of
    for handle in handles:
        os.close(handle)


Of = Callable[[list[bytes]], TarSplit]


def assembled(split: TarSplit, folder: Path, size: int | None = None) -> bytes:
    with Tree(folder, "tree") as tree:
        blocks = assemble(split, tree)
        content = blocks if size is None else Stream(size, blocks, "layer").blocks()
        return b"".join(map(bytes, content))


# ── the exact tar ──


def test_the_layer_that_docker_was_given_comes_back(split: Of, folder: Path) -> None:
    tar = assembled(split(LINES), folder)
    assert hashlib.sha256(tar).hexdigest() == DIGEST
    assert split(LINES).measure() == Measure(len(TAR), 190, 190, has_end=True)


def test_it_can_be_read_again_and_again(split: Of, folder: Path) -> None:
    once = split(LINES)
    assert assembled(once, folder) == assembled(once, folder) == TAR


@pytest.mark.parametrize("content", CRCS, ids=len)
def test_each_content_is_proven_by_its_crc(split: Of, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)
    good = line(type=1, name="f", size=len(content), payload=CRCS[content], position=0)
    assert assembled(split([good]), tmp_path) == content
    (tmp_path / "f").write_bytes(content[:-1] + b"x")
    with pytest.raises(Mismatch, match="x: file f: CRC-64 is"):
        assembled(split([good]), tmp_path)


@pytest.mark.parametrize("size", [SMALL, SMALL + 1, (1 << 20) + 5])
def test_files_of_any_size_stand_where_they_belong(split: Of, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "f").write_bytes(content)
    lines = [segment_line(b"<", 0).strip(), file_line("f", content, 1), segment_line(b">", 2).strip()]
    assert assembled(split(lines), tmp_path) == b"<" + content + b">"
    with open(tmp_path / "f", "r+b") as file:
        file.seek(size - 1)
        file.write(bytes([content[-1] ^ 1]))
    with pytest.raises(Mismatch, match="CRC-64"):
        assembled(split(lines), tmp_path)


def test_a_name_that_is_not_utf_8_is_read_from_name_raw(split: Of, tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))).write_bytes(b"hi")
    raw = line(type=1, name_raw="//4=", size=2, payload=CRCS[b"hi"], position=0)
    assert assembled(split([raw]), tmp_path) == b"hi"


# ── damage: formats H, case 29 ──


def edited(number: int, **members: Any) -> list[bytes]:
    lines = list(LINES)
    lines[number] = line(**{**json.loads(lines[number]), **members})
    return lines


def swapped(path: Path, put: Callable[[Path], object]) -> None:
    path.rename(path.with_name("was"))
    put(path)


DAMAGE: dict[str, tuple[Callable[[Path], object], type[ToolkitError], str]] = {
    "one-byte": (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\0"), Mismatch, f"file {ONLY_FILE}: CRC-64 is"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"x"), Mismatch, "size is 191, expected 190"),
    "shorter": (lambda path: os.truncate(path, 100), Mismatch, "size is 100, expected 190"),
    "gone": (lambda path: path.unlink(), MissingMember, f"{ONLY_FILE}: is not there"),
    "link": (lambda path: swapped(path, lambda link: link.symlink_to("was")), MissingMember, "is a link where a file was"),
    "fifo": (lambda path: swapped(path, os.mkfifo), CorruptContent, "is not a regular file any more"),
    "folder": (lambda path: swapped(path, os.mkdir), CorruptContent, "is not a regular file any more"),
    "folder-above": (lambda path: swapped(path.parent, lambda link: link.symlink_to("was")), MissingMember, "is no folder"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_a_tree_that_changed_is_refused_by_name(split: Of, folder: Path, what: str) -> None:
    damage, error, sentence = DAMAGE[what]
    damage(folder / ONLY_FILE)
    with pytest.raises(error, match=sentence):
        assembled(split(LINES), folder)


@pytest.mark.parametrize("left_out", [2, 3, 4])
def test_a_list_that_was_cut_gives_another_size(split: Of, folder: Path, left_out: int) -> None:
    """The last line of this one is an empty segment, and belongs to nothing."""
    cut = split(LINES[:-left_out])
    assert cut.measure().size < len(TAR)
    with pytest.raises(Mismatch, match=f"layer: size is .*, expected {len(TAR)}"):
        assembled(cut, folder, len(TAR))


@pytest.mark.parametrize("name", ["etc", "etc/", "./etc", "etc/.", "/etc"])
def test_a_name_that_stands_twice_is_refused(split: Of, folder: Path, name: str) -> None:
    again = line(type=1, name=name, payload=None, position=len(LINES))
    with pytest.raises(UnsafeArchive, match="two entries of the same name"):
        assembled(split([*LINES, again]), folder)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "etc/..", "a\0b"])
def test_a_name_that_leads_out_is_refused(split: Of, folder: Path, name: str) -> None:
    with pytest.raises(UnsafeArchive, match="leads out of its folder"):
        assembled(split(edited(3, name=name)), folder)


def test_content_without_a_crc_is_refused(split: Of, folder: Path) -> None:
    with pytest.raises(InvalidDocument, match=f"file {ONLY_FILE}: has content and no CRC-64"):
        assembled(split(edited(3, payload=None)), folder)


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-3], lambda raw: raw[:40] + b"\xff" + raw[41:], lambda raw: raw + b"x"]
)
def test_a_damaged_gzip_is_corrupt(tmp_path: Path, folder: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(damage((VECTORS / "tar-split-31629fae.json.gz").read_bytes()))
    with open(path, "rb") as file, pytest.raises(CorruptContent, match="x"):
        assembled(TarSplit(lambda: Extent(file.fileno(), 0, path.stat().st_size, "x"), "x"), folder)


# ── lines ──


CRC = b"OZgQAAAAAAA="  # of "hi"
SPELLINGS: dict[bytes, Line] = {
    b'{"type":2,"payload":"aGk=","position":0}': Line(b"aGk="),
    b'{"type":2,"payload":"","position":0}': Line(b""),
    b'{"type":2,"payload":null,"position":0}': Line(b""),
    b'{"type":2,"position":0}': Line(b""),
    b'{"type":2}': Line(b""),
    b' { "position" : 0, "payload" : "aGk=", "type" : 2 } ': Line(b"aGk="),
    b'{"type":1,"name":"f","payload":null,"position":0}': Line(None, b"f", 0, None),
    b'{"type":1,"name":"f","size":2,"payload":"OZgQAAAAAAA=","position":0}': Line(None, b"f", 2, CRC),
    b'{"type":1,"size":2,"name":"f","payload":"OZgQAAAAAAA=","position":0}': Line(None, b"f", 2, CRC),
    b'{"type":1,"name":"f","size":0,"payload":null,"position":0}': Line(None, b"f", 0, None),
    rb'{"type":1,"name":"a\u003cb\"\\","payload":null,"position":0}': Line(None, b'a<b"\\', 0, None),
    '{"type":1,"name":"ü","payload":null,"position":0}'.encode(): Line(None, "ü".encode(), 0, None),
    b'{"type":1,"name_raw":"//4=","payload":null,"position":0}': Line(None, b"\xff\xfe", 0, None),
    b'{"type":1,"name":"f","payload":null,"position":0,"new":[1]}': Line(None, b"f", 0, None),
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_line_means_what_its_json_means(split: Of, spelling: bytes) -> None:
    entry = SPELLINGS[spelling]
    assert list(split([spelling]).lines()) == [entry]
    size = len(base64.b64decode(entry.payload or b"")) + entry.size
    assert split([spelling]).measure().size == size


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"null", b"[]", b"{", b'{"type":1,"name":"f","size":02,"payload":"OZgQAAAAAAA=","position":0}',
        b'{"type":1,"name":"f","payload":null,"position":00}', b'{"type":1,"name":"f","payload":"x","position":0}',
        b'{"type":2,"payload":"a","position":0}', b'{"type":2,"payload":"aGk=","position":7,"position":0}',
        b'{"type":2,"payload":"aG k=","position":0}', b'{"type":2,"payload":"aGk=\\n","position":0}',
        b'{"type":3,"position":0}', b'{"type":"2","position":0}', b'{"type":true,"position":0}', b'{"position":0}',
        b'{"type":1,"name":"f","size":-1,"payload":null,"position":0}', b'{"type":1,"name":5,"position":0}',
        b'{"type":1,"name":"f","size":1e3,"position":0}', b'{"type":1,"name":"f","size":99999999999999999999}',
        b'{"type":1,"name":"f","Name":"g","payload":null,"position":0}', b'{"type":1,"name":"\xff","position":0}',
        b'{"type":1,"name":"\\ud800","payload":null,"position":0}', b'{"type":1,"type":2,"position":0}',
    ],
)  # fmt: skip
def test_a_line_that_readers_could_take_otherwise_is_refused(split: Of, bad: bytes) -> None:
    with pytest.raises(CorruptContent, match="x"):
        list(split([bad]).lines())


@pytest.mark.parametrize("positions", [(1,), (0, 0), (0, 2), (0, 1, 1), (0, 1, 3)])
@pytest.mark.parametrize("plain", [True, False])
def test_a_position_out_of_order_is_refused(split: Of, positions: tuple[int, ...], *, plain: bool) -> None:
    form = (
        '{{"type":1,"name":"f{0}","payload":null,"position":{0}}}' if plain else '{{"position":{0},"type":2}}'
    )
    with pytest.raises(InvalidDocument, match=f"line {len(positions) - 1} has position {positions[-1]}"):
        list(split([form.format(number).encode() for number in positions]).lines())


def test_an_endless_line_is_refused_early(split: Of) -> None:
    with pytest.raises(UnsafeArchive, match=rf"a line of more than {LINE_LIMIT} bytes|decompresses"):
        list(split([bytes(2 * LINE_LIMIT)]).lines())


def test_a_long_line_is_read(split: Of) -> None:
    payload = os.urandom(LINE_LIMIT // 2)
    assert list(split([segment_line(payload, 0).strip()]).lines()) == [Line(base64.b64encode(payload))]


def test_a_last_line_may_lack_its_newline(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b'{"type":2,"payload":"aGk=","position":0}'))
    with open(path, "rb") as file:
        size = path.stat().st_size
        found = list(TarSplit(lambda: Extent(file.fileno(), 0, size, "x"), "x").lines())
    assert found == [Line(b"aGk=")]


@pytest.mark.property
@given(st.binary(max_size=50), st.integers(0, 10**6))
def test_a_segment_line_is_json(payload: bytes, position: int) -> None:
    read = json.loads(segment_line(payload, position))
    assert (read["type"], read["position"]) == (2, position)
    assert binascii.a2b_base64(read["payload"]) == payload
