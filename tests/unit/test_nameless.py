from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.descriptors import open_descriptors
from toolkit.errors import NotFound
from toolkit.plumbing.files import sweep
from toolkit.plumbing.nameless import Piece, Spool, nameless_file, temporary_folder


def test_it_has_no_name_and_is_gone_afterwards(tmp_path: Path) -> None:
    before = open_descriptors()
    with nameless_file(tmp_path) as handle:
        os.write(handle, b"content")
        assert os.pread(handle, 10, 0) == b"content"
        assert os.fstat(handle).st_nlink == 0
        assert os.fstat(handle).st_dev == tmp_path.stat().st_dev
        assert list(tmp_path.iterdir()) == []
    assert open_descriptors() == before


def test_without_a_folder_it_lies_where_tmpdir_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert temporary_folder() == tmp_path
    with nameless_file() as handle:
        assert os.readlink(f"/proc/self/fd/{handle}").startswith(str(tmp_path))


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="/no"), nameless_file(tmp_path / "no"):
        pass


def test_one_that_a_killed_run_left_where_files_need_names_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "_O_TMPFILE_WORKS", False)
    with nameless_file(tmp_path) as handle:
        name, gone = os.readlink(f"/proc/self/fd/{handle}").split()
        assert gone == "(deleted)"
        Path(name).touch()  # as if it had been killed just before
        assert sorted(tmp_path.iterdir()) == [Path(name)]
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_spool_keeps_contents_apart_however_they_are_added(tmp_path: Path) -> None:
    wanted = [bytes([number]) * (number * 1000) for number in range(8)]
    with nameless_file(tmp_path) as handle, ThreadPoolExecutor(8) as pool:
        spool = Spool(handle)

        def add(content: bytes) -> list[Piece]:
            return [spool.add(content[at : at + 300]) for at in range(0, len(content), 300)]

        found = [spool.content(pieces, "layer") for pieces in pool.map(add, wanted)]
        assert [content.size for content in found] == list(map(len, wanted))
        for _ in range(2):
            assert [b"".join(map(bytes, content.blocks())) for content in found] == wanted
