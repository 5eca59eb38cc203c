from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.plumbing.tarreader import FileReader, Reader, StreamReader
from toolkit.ports import Block

CONTENT = os.urandom(300_000)
START = 5_000  # a range of the file, as a layer within an archive
Steps = list[tuple[str, int]]
STEPS = st.lists(
    st.tuples(st.sampled_from(["read", "take", "skip"]), st.integers(0, 20_000) | st.integers(0, 600)),
    max_size=30,
)


@pytest.fixture(scope="module")
def handle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    path = tmp_path_factory.mktemp("reader") / "file"
    path.write_bytes(os.urandom(START) + CONTENT + os.urandom(100))
    handle = os.open(path, os.O_RDONLY)
    yield handle
    os.close(handle)


def check(reader: Reader, steps: Steps) -> None:
    """Whatever the steps: the bytes at hand are those at the position, and `read` and `skip` go all the way."""
    start, at = reader.position, 0
    for what, count in steps:
        left = CONTENT[at : at + count]
        if what == "skip":
            assert reader.skip(count) == len(left)
            at += len(left)
        else:
            piece = bytes(reader.read(count) if what == "read" else reader.take(count))
            assert piece == left[: len(piece)]
            assert len(piece) == len(left) if what == "read" else bool(piece) == bool(left)
            at += len(piece)
        assert reader.position == start + at


@pytest.mark.property
@given(STEPS)
def test_a_range_of_a_file_is_read_in_any_steps(handle: int, steps: Steps) -> None:
    check(FileReader(handle, START, len(CONTENT)), steps)


@pytest.mark.property
@given(STEPS, st.lists(st.integers(0, 5_000), min_size=1, max_size=4))
def test_blocks_of_any_size_are_read_in_any_steps(steps: Steps, sizes: list[int]) -> None:
    def blocks() -> Iterator[Block]:
        at = 0
        while at < len(CONTENT):
            for size in (*sizes, 700):
                yield memoryview(CONTENT)[at : at + size]
                at += size

    check(StreamReader(blocks()), steps)


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_the_end_is_the_end(handle: int, kind: str) -> None:
    reader: Reader = (
        FileReader(handle, START, len(CONTENT)) if kind == "file" else StreamReader(iter([CONTENT]))
    )
    assert reader.skip(len(CONTENT) - 5) == len(CONTENT) - 5
    assert reader.read(100) == CONTENT[-5:]
    assert (reader.read(1), bytes(reader.take(1)), reader.skip(1)) == (b"", b"", 0)


def test_a_range_that_lies_about_its_file_shows_at_the_next_read(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"12345")
    with open(tmp_path / "short", "rb") as file:
        reader = FileReader(file.fileno(), 2, 1000)
        assert reader.read(100) == b"345"
        assert reader.read(1) == b""


def test_bodies_are_skipped_unread(tmp_path: Path) -> None:
    """A hole of a TiB would never end otherwise."""
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    with open(path, "rb") as file:
        reader = FileReader(file.fileno(), 0, 1 << 40)
        assert reader.skip((1 << 40) - 3) == (1 << 40) - 3
        assert reader.read(10) == bytes(3)
