"""Lines are compared with those that Docker wrote, or with formats F.2."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastcrc import crc64

from toolkit.plumbing.tarball import Entries, StreamReader
from toolkit.plumbing.tarsplit_writer import CHUNK, TarSplitWriter
from toolkit.ports import Block

VECTORS = Path(__file__).parent.parent / "data" / "vectors"
Record = Callable[[TarSplitWriter], object]


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[[Record], bytes]:
    """Give the whole file that a recording leaves."""

    def record(use: Record) -> bytes:
        path = tmp_path / "tar-data.json.gz"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        use(writer := TarSplitWriter(handle))
        writer.finish()
        os.close(handle)
        return path.read_bytes()

    return record


def lines(packed: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()]


def record_tar(writer: TarSplitWriter, tar: bytes) -> None:
    def take(block: Block) -> None:
        (writer.tail if entries.end else writer.raw)(block)

    entries = Entries(StreamReader(iter([tar])), "tar", raw=take)
    for entry in entries:
        body = b"".join(map(bytes, entries.body()))
        writer.file(entry.name, entry.size, crc64.go_iso(body) if body else None)


def test_a_tar_gives_the_lines_of_docker(recorded: Callable[[Record], bytes]) -> None:
    tar = (VECTORS / "layer-31629fae.tar").read_bytes()
    docker = gzip.decompress((VECTORS / "tar-split-31629fae.json.gz").read_bytes())
    assert gzip.decompress(recorded(lambda writer: record_tar(writer, tar))) == docker


def test_the_same_lines_give_the_same_file_whatever_the_time(recorded: Callable[[Record], bytes]) -> None:
    one = recorded(lambda writer: writer.raw(b"x"))
    assert one == recorded(lambda writer: writer.raw(b"x"))
    assert one[:10] == bytes.fromhex("1f8b08000000000000ff")


def test_names_are_escaped_as_go_escapes_them(recorded: Callable[[Record], bytes]) -> None:
    packed = recorded(lambda writer: writer.file('a<b>&\u2028\tü"\\'.encode(), 0, None))
    escaped = r"a\u003cb\u003e\u0026\u2028\tü\"\\"
    line = f'{{"type":1,"name":"{escaped}","payload":null,"position":0}}'
    assert gzip.decompress(packed).splitlines()[0] == line.encode()


def test_a_name_that_is_not_utf_8_goes_raw(recorded: Callable[[Record], bytes]) -> None:
    (file, _) = lines(recorded(lambda writer: writer.file(b"\xff\xfe", 2, 0x3998100000000000)))
    assert file == {"type": 1, "name_raw": "//4=", "size": 2, "payload": "OZgQAAAAAAA=", "position": 0}


def test_segments_behind_the_end_are_chunks_and_an_empty_one(recorded: Callable[[Record], bytes]) -> None:
    def record(writer: TarSplitWriter) -> None:
        writer.raw(bytes(1346))
        writer.tail(bytes(CHUNK + 5000))
        writer.tail(bytes(2680))

    found = lines(recorded(record))
    assert [line["position"] for line in found] == [0, 1, 2, 3]
    assert [len(base64.b64decode(line["payload"])) for line in found] == [1346, CHUNK, 7680, 0]
