"""Lists of a layer's tar that were made to crash a reader, to fill its memory or to keep it busy."""

from __future__ import annotations

import base64
import gzip
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastcrc import crc64

from toolkit.errors import InvalidDocument, UnsafeArchive
from toolkit.limits import Limits, hold
from toolkit.plumbing.assembly import NAME_LIMIT, assemble
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.tarsplit import TarSplit, segment_line
from toolkit.plumbing.tree import Tree

CONTENT = b"content"
CRC = base64.b64encode(crc64.go_iso(CONTENT).to_bytes(8, "big"))
Of = Callable[..., TarSplit]


@pytest.fixture
def split(tmp_path: Path) -> Iterator[Of]:
    """`split(line, …)` is a list of these lines; with `packed`, of these bytes."""
    handles = []

    def make(*lines: bytes, packed: bytes = b"") -> TarSplit:
        path = tmp_path / "tar-split.json.gz"
        path.write_bytes(packed or gzip.compress(b"".join(lines), 1))
        handles.append(handle := os.open(path, os.O_RDONLY))
        return TarSplit(lambda: Extent(handle, 0, os.fstat(handle).st_size, "split"), "split")

    yield make
    for handle in handles:
        os.close(handle)


def file_line(name: bytes, position: int, size: int = 0) -> bytes:
    told = b'"size":%d,"payload":"%b"' % (size, CRC) if size else b'"payload":null'
    return b'{"type":1,"name":"%b",%b,"position":%d}\n' % (name, told, position)


def test_a_segment_before_an_empty_file_that_is_no_base64_is_told_as_such(split: Of) -> None:
    damaged = split(b'{"type":2,"payload":"A","position":0}\n', file_line(b"file", 1))
    with pytest.raises(InvalidDocument, match="split: has a line that is not base64"):
        damaged.measure()


def test_padding_that_is_too_much_is_no_base64_for_measuring_and_for_reading(
    split: Of, tmp_path: Path
) -> None:
    """Found by fuzzing: Python takes it for nothing, and the tar was measured a byte shorter than it was made."""
    damaged = split(b'{"type":2,"payload":"YWUw+7uLYEAA=","position":0}\n')
    with pytest.raises(InvalidDocument, match="split: has a line that is not base64"):
        damaged.measure()
    with Tree(tmp_path) as tree, pytest.raises(InvalidDocument, match="split: has a line that is not base64"):
        list(assemble(damaged, tree))


def test_a_line_that_comes_a_byte_at_a_time_is_put_together_once(split: Of) -> None:
    """Each gzip member is a piece; to copy and search what is there again for each took minutes."""
    packed = gzip.compress(b'{"type":2,"payload":"' + b"A" * (7 << 20)) + gzip.compress(b"A") * 20_000
    before = os.times().user
    with pytest.raises(InvalidDocument, match="line 0: is not valid JSON"):
        split(packed=packed).measure()
    assert os.times().user - before < 5


def test_segments_of_megabytes_behind_the_last_body_are_not_held_to_find_the_end(split: Of) -> None:
    segment = bytes(6 << 20)
    found = split(*(segment_line(segment[:-1000], number) for number in range(5)))
    tracemalloc.start()
    try:
        assert found.measure().has_end
        assert tracemalloc.get_traced_memory()[1] < 70 << 20
    finally:
        tracemalloc.stop()


def test_the_link_in_front_of_an_empty_file_is_the_one_right_before_it(split: Of) -> None:
    link = bytearray(512)
    link[156:157], link[157:161] = b"2", b"abcd"
    lines = [segment_line(b"x", number) for number in range(6)]
    assert split(*lines, segment_line(bytes(link), 6), file_line(b"link", 7)).measure().tree_sizes == 4


def test_more_lines_than_any_layer_has_are_not_read(split: Of) -> None:
    hold(Limits(entry=5_000))
    lines = [segment_line(b"", number) for number in range(60_000)]
    with pytest.raises(UnsafeArchive, match="split: has more than 5000 entries"):
        split(*lines).measure()


@pytest.mark.parametrize("size", [0, len(CONTENT)])
def test_a_name_of_millions_of_folders_is_not_taken_apart(split: Of, tmp_path: Path, size: int) -> None:
    (tmp_path / "tree").mkdir()
    name = b"a/" * (1 << 20) + b"file"
    with (
        Tree(tmp_path / "tree") as tree,
        pytest.raises(UnsafeArchive, match=f"name of {len(name)} bytes, expected at most {NAME_LIMIT}"),
    ):
        list(assemble(split(segment_line(b"", 0), file_line(name, 1, size)), tree))


def test_a_name_written_out_with_dots_is_a_name(split: Of, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_bytes(CONTENT)
    name = b"./" * 4096 + b"file"
    with Tree(tmp_path / "tree") as tree:
        found = assemble(split(segment_line(b"", 0), file_line(name, 1, len(CONTENT))), tree)
        assert b"".join(map(bytes, found)) == CONTENT
