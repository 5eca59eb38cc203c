"""Sets that are read in place, whole or healed on the way."""

from __future__ import annotations

import os
import random
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sets import Made, content, flip, made_set, told
from toolkit.limits import MIB
from toolkit.mirror.media.searching import find_sets
from toolkit.mirror.media.setcheck import verify_set
from toolkit.plumbing.streams import Extent


@pytest.fixture(scope="module")
def healing(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Four volumes and their parity; copy them before damaging them."""
    return made_set(
        tmp_path_factory.mktemp("set"), blobs=[700_000, 3_000_000, 0, 900_000, 2_000_000], parity=True
    )


def copied(made: Made, folder: Path) -> Made:
    shutil.copytree(made.folder, folder)
    files = [type(file)(folder / file.path.name, file.size, file.sha256) for file in made.files]
    return Made(folder, made.stream, made.cargo, files)


def test_every_blob_is_read_across_volumes(tmp_path: Path) -> None:
    made = made_set(tmp_path)
    reader = made.opened()
    for blob in made.cargo.blobs:
        assert content(reader, blob.offset, blob.size) == made.blob(blob.digest)
    assert content(reader, 0, len(made.stream)) == made.stream
    assert reader.healed == []


def test_a_blob_in_one_volume_is_an_extent_of_its_file(tmp_path: Path) -> None:
    made = made_set(tmp_path)
    first = made.cargo.blobs[0]
    with made.opened().open(first.offset, first.size) as found:
        assert isinstance(found, Extent)
        assert os.path.samestat(os.fstat(found.handle), os.stat(made.path(1)))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.data())
def test_any_range_is_what_the_stream_has_there(healing: Made, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(healing.stream)))
    size = data.draw(st.integers(0, len(healing.stream) - start))
    assert content(healing.opened(), start, size) == healing.stream[start : start + size]


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_parity_heals_any_one_lost_volume(healing: Made, tmp_path: Path, lost: int) -> None:
    made = copied(healing, tmp_path / "set")
    assert len(made.files) == 5
    made.path(lost).unlink()
    reader = made.opened()
    assert content(reader, 0, len(made.stream)) == made.stream
    [told_] = told(reader.healed, "warning")
    assert told_.startswith(f"volume {lost} of 4 of set plant-7_0007: is missing")


def test_parity_that_is_lost_takes_nothing_with_it(healing: Made, tmp_path: Path) -> None:
    made = copied(healing, tmp_path / "set")
    made.path(0).unlink()
    assert content(made.opened(), 0, len(made.stream)) == made.stream


def test_parity_heals_a_damaged_piece_of_each_volume_at_another_place(tmp_path: Path) -> None:
    made = made_set(tmp_path, 5 * MIB, [17 * MIB], parity=True)
    volumes = len(made.files) - 1
    for number in range(1, volumes + 1):
        piece = random.Random(number).randrange(MIB // 2)
        flip(made.path(number), 4096 + (volumes - number) * MIB + piece, 3)
    reader = made.opened()
    assert content(reader, 0, len(made.stream)) == made.stream
    assert [text.split(":")[0] for text in told(reader.healed, "warning")] == [
        f"volume {number} of {volumes} of set plant-7_0007" for number in range(1, volumes + 1)
    ]


@pytest.mark.parametrize("lost", [0, 3])
def test_damaged_sums_keep_nothing_from_being_read(healing: Made, tmp_path: Path, lost: int) -> None:
    made = copied(healing, tmp_path / "set")
    flip(made.path(0), -1024 - 512, 64)  # among the sums, which stand before the end blocks
    if lost:
        made.path(lost).unlink()
    assert content(made.opened(), 0, len(made.stream)) == made.stream


def test_two_volumes_damaged_at_one_place_are_told_with_the_blobs(healing: Made, tmp_path: Path) -> None:
    made = copied(healing, tmp_path / "set")
    flip(made.path(2), 4096)
    flip(made.path(3), 4096)
    [error, *_] = [each for each in made.checked().errors if "cannot be healed" in each.problem]
    assert re.search(r"volume 2 of 4 .* as is volume 3 of 4 .* cannot be healed", str(error))
    assert str(made.cargo.blobs[1].digest) in error.advice


def test_a_truncated_volume_is_healed_too(healing: Made, tmp_path: Path) -> None:
    made = copied(healing, tmp_path / "set")
    os.truncate(made.path(3), 300_000)
    assert content(made.opened(), 0, len(made.stream)) == made.stream


def test_a_volume_with_a_damaged_header_still_heals_others(tmp_path: Path) -> None:
    made = made_set(tmp_path, 3 * MIB, [7 * MIB], parity=True)
    flip(made.path(1), 600)  # in volume.json
    flip(made.path(2), 2 * MIB)
    assert content(made.opened(), 0, len(made.stream)) == made.stream


def test_a_second_copy_is_read_where_the_first_is_damaged(tmp_path: Path) -> None:
    made = made_set(tmp_path / "a", 3 * MIB, [7 * MIB], parity=True)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for number in (1, 2, 3):
        flip(made.path(number), 5000)
    assert content(made.opened(tmp_path / "b"), 0, len(made.stream)) == made.stream


def test_a_set_that_lacks_a_volume_is_not_read(tmp_path: Path) -> None:
    made = made_set(tmp_path)
    made.path(2).unlink()
    checked = made.checked()
    assert told(checked.errors) == ["set plant-7_0007: lacks volume 2 of 3, plant-7_0007.2of3.tar"]
    assert checked.reader is None


def test_volumes_on_several_read_only_media_are_one_set(tmp_path: Path) -> None:
    made = made_set(tmp_path / "all")
    media = [tmp_path / str(number) for number in range(len(made.files))]
    for folder, file in zip(media, made.files, strict=True):
        folder.mkdir()
        shutil.move(file.path, folder)
        folder.chmod(0o555)
    [volumes] = find_sets([*reversed(media), made.folder])
    reader = verify_set(volumes).reader
    assert reader
    assert content(reader, 0, len(made.stream)) == made.stream
    assert volumes.problems() == []
    for folder in media:
        folder.chmod(0o755)
