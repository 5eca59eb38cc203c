"""Volumes are found wherever they lie, and nothing else is taken for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sets import NAME, flip, made_set
from toolkit.errors import CorruptContent, NotFound
from toolkit.limits import MIB
from toolkit.mirror.media.searching import find_sets


def test_sets_are_found_beside_anything_else_and_no_link_is_followed(tmp_path: Path) -> None:
    made = made_set(tmp_path / "set")
    (made.folder / "holiday.jpg").write_bytes(os.urandom(5000))
    (made.folder / "folder.tar").mkdir()
    os.mkfifo(made.folder / "pipe.tar")
    (made.folder / "loop.tar").symlink_to("loop.tar")
    hidden = tmp_path / "elsewhere"
    hidden.mkdir()
    made.path(1).rename(hidden / "moved.tar")
    made.path(1).symlink_to(hidden / "moved.tar")
    [volumes] = find_sets([made.folder])
    assert volumes.missing() == [1]
    assert (volumes.name, volumes.site, volumes.of, volumes.total) == (NAME, "plant-7", 3, len(made.stream))


def test_renamed_volumes_are_known_by_their_headers(tmp_path: Path) -> None:
    made = made_set(tmp_path)
    for number, file in enumerate(made.files):
        file.path.rename(tmp_path / f"PLANT_~{number}.TAR")
    [volumes] = find_sets([tmp_path])
    assert volumes.missing() == []


def test_files_are_taken_as_well_as_folders(tmp_path: Path) -> None:
    made = made_set(tmp_path)
    [volumes] = find_sets([file.path for file in made.files])
    assert volumes.problems() == []
    assert volumes.list_path == tmp_path / f"{NAME}.sha256"


def test_a_folder_without_volumes_has_no_sets(tmp_path: Path) -> None:
    (tmp_path / "backup.tar").write_bytes(b"not a volume")
    assert find_sets([tmp_path]) == []


def test_volumes_of_which_no_header_is_left_are_told(tmp_path: Path) -> None:
    made = made_set(tmp_path)
    for file in made.files:
        flip(file.path, 2)
    with pytest.raises(CorruptContent, match=r"1of3.tar: cannot be read as a volume, nor can 2 others"):
        find_sets([tmp_path])


def test_a_place_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        find_sets([tmp_path / "nowhere"])


def test_several_sets_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    for number in (8, 7):
        made_set(tmp_path, number * MIB // 7, name=f"plant-7_000{number}")
    sets = find_sets([tmp_path])
    assert [volumes.name for volumes in sets] == ["plant-7_0007", "plant-7_0008"]
    assert [volumes.problems() for volumes in sets] == [[], []]
