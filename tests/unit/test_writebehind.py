"""Bytes that are handed to the disk early are the bytes that were given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolkit.plumbing.writebehind import WINDOW, WriteBehind, start_writing


@pytest.mark.parametrize("cut", [1 << 20, WINDOW, WINDOW + 1, 3 * WINDOW])
@pytest.mark.parametrize("offset", [0, 513])
def test_blocks_of_any_size_stand_one_behind_the_other(tmp_path: Path, cut: int, offset: int) -> None:
    content = os.urandom(2 * WINDOW + 777)
    with open(tmp_path / "f", "w+b") as file:
        write = WriteBehind(file.fileno(), offset)
        for at in range(0, len(content), cut):
            write(content[at : at + cut])
    assert (tmp_path / "f").read_bytes() == bytes(offset) + content


def test_what_is_being_written_stays_readable(tmp_path: Path) -> None:
    with open(tmp_path / "f", "w+b") as file:
        os.pwrite(file.fileno(), b"content", 0)
        start_writing(file.fileno(), 0, 7)
        assert os.pread(file.fileno(), 7, 0) == b"content"
