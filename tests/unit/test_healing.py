"""Pieces that are made of the others, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sets import Made, flip, made_set
from toolkit.errors import CorruptContent
from toolkit.limits import MIB
from toolkit.mirror.media.healing import Healer
from toolkit.mirror.media.setmap import SetMap
from toolkit.mirror.media.volumefile import read_header


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return made_set(tmp_path / "set", 3 * MIB, [8 * MIB], parity=True)


def healer_of(made: Made) -> Healer:
    volumes = made.found()
    parity = volumes.claimed_parity()
    assert parity is not None
    return Healer(SetMap.of_parity(parity, volumes.subject), parity, volumes.sources(parity))


def slice_of(made: Made, number: int) -> bytes:
    header = read_header(str(made.path(number)))
    return made.stream[header.offset : header.end]


def test_any_part_of_a_slice_is_read(made: Made) -> None:
    healer, expected = healer_of(made), slice_of(made, 2)
    for start, size in ((0, 1), (MIB - 1, 2), (5, 2 * MIB), (MIB, MIB), (len(expected) - 1, 1), (7, 0)):
        found = b"".join(map(bytes, healer.blocks(2, start, size)))
        assert found == expected[start : start + size]
    assert healer.healed() == []


def test_what_was_healed_is_told_for_each_volume_with_its_extent(made: Made) -> None:
    flip(made.path(1), 5000)
    flip(made.path(1), 5001)
    flip(made.path(3), 2 * MIB)
    healer = healer_of(made)
    for number in (1, 2, 3, 1):
        expected = slice_of(made, number)
        assert b"".join(map(bytes, healer.blocks(number, 0, len(expected)))) == expected
    assert [finding.problem for finding in healer.healed()] == [
        "is damaged: 1 of its 3 MiB were healed by the parity volume",
        "is damaged: 1 of its 3 MiB were healed by the parity volume",
    ]


def test_a_medium_that_is_taken_out_meanwhile_is_healed_too(made: Made) -> None:
    healer, expected = healer_of(made), slice_of(made, 2)
    made.path(2).rename(made.folder / "elsewhere")
    assert healer.piece(2, 1) == expected[MIB : 2 * MIB]


def test_a_shorter_slice_is_healed_to_its_own_length(made: Made) -> None:
    last, expected = len(made.files) - 1, slice_of(made, len(made.files) - 1)
    made.path(last).unlink()
    healer = healer_of(made)
    assert b"".join(map(bytes, healer.blocks(last, 0, len(expected)))) == expected


def test_parity_that_is_damaged_at_the_same_place_heals_nothing_there(made: Made) -> None:
    flip(made.path(2), 5000)
    flip(made.path(0), 5000)
    healer = healer_of(made)
    with pytest.raises(
        CorruptContent, match=r"volume 2 of 3 .*, as is the parity volume: it cannot be healed"
    ):
        healer.piece(2, 0)
    assert healer.piece(2, 1) == slice_of(made, 2)[MIB : 2 * MIB]
