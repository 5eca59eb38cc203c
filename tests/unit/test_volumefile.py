"""One file that is a volume: its header stands there to the byte, or it is none."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests.sets import flip, made_set
from toolkit.errors import CorruptContent, StoreError, ToolkitError, UnsafeArchive
from toolkit.mirror.media.volumefile import HeaderReader, is_volume, opened_file, read_header


def test_a_changed_byte_before_the_slice_is_refused_or_makes_another_header(tmp_path: Path) -> None:
    made = made_set(tmp_path)
    path, header = made.path(1), read_header(str(made.path(1)))
    assert header.set == made.cargo.name
    for offset in range(0, len(header.prefix), 7):
        flip(path, offset)
        with suppress(ToolkitError):
            assert read_header(str(path)) != header
        flip(path, offset)
    assert read_header(str(path)) == header


@pytest.mark.parametrize("size", [0, 100, 512, 600, 1024, 1500])
def test_a_file_that_ends_within_its_header_is_refused(tmp_path: Path, size: int) -> None:
    made = made_set(tmp_path)
    os.truncate(made.path(1), size)
    with pytest.raises(CorruptContent):
        read_header(str(made.path(1)))


def test_links_pipes_and_folders_are_refused(tmp_path: Path) -> None:
    made = made_set(tmp_path)
    (tmp_path / "link").symlink_to(made.path(1))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError), opened_file(str(tmp_path / "link")):
        pass
    for name in ("pipe", "."):
        with pytest.raises(UnsafeArchive), opened_file(str(tmp_path / name)):
            pass


def test_what_was_found_tells_how_long_the_file_should_be(tmp_path: Path) -> None:
    made = made_set(tmp_path)
    file = HeaderReader().read(str(made.path(2)))
    assert file.expected == file.size == made.files[1].size
    assert is_volume(file.path)
    with file.slice() as part:
        offset = file.header.offset
        assert b"".join(map(bytes, part.blocks())) == made.stream[offset : offset + file.header.size]
