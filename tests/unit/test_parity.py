"""XOR of pieces of different lengths, and the sums that tell which of them are right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import CorruptContent
from toolkit.mirror.media.parity import ParityWriter, piece_sum, read_exactly, xor
from toolkit.plumbing.streams import opened


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_xor_is_that_of_each_byte_short_pieces_padded_with_zeros(pieces: list[bytes]) -> None:
    expected = bytearray(50)
    for piece in pieces:
        for index, byte in enumerate(piece):
            expected[index] ^= byte
    assert xor(pieces, 50) == expected


def test_the_sum_is_crc_64_of_xz() -> None:
    assert piece_sum(b"123456789").hex() == "995dc9bbdf1939fa"  # the check value of CRC-64/XZ


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 11])
def test_the_parity_of_any_number_of_slices_is_their_xor(tmp_path: Path, count: int) -> None:
    slices = [os.urandom(100_000 - 7000 * number) for number in range(count)]
    taken = bytearray()
    handle = os.open(tmp_path / "parity", os.O_RDWR | os.O_CREAT)
    writer = ParityWriter(handle, 3, 100_000, count, taken.extend)
    for number, slice_ in enumerate(slices):
        path = tmp_path / str(number)
        path.write_bytes(b"head" + slice_ + b"tail")
        writer.take((str(path), 4, len(slice_)))
    os.close(handle)
    assert (tmp_path / "parity").read_bytes() == bytes(3) + xor(slices, 100_000)
    assert taken == xor(slices, 100_000)


def test_a_file_that_ends_within_its_slice_is_told(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"12345")
    with opened(str(tmp_path / "short"), "it", 9) as part:
        assert read_exactly(part, 1, 4) == b"2345"
        with pytest.raises(CorruptContent, match="ends within its slice, at byte 5"):
            read_exactly(part, 1, 100)
