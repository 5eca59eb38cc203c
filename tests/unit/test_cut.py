"""Where a stream is cut: no file is larger than it may be, whatever stands in the headers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.digest import Digest
from toolkit.errors import UnsafeArchive, UsageError
from toolkit.limits import MIB
from toolkit.mirror.jobs.amount import PRESETS
from toolkit.mirror.media.cut import Cargo, cut
from toolkit.mirror.media.volume import BlobRange

GIB = 1 << 30


def cargo(
    total: int, blobs: list[tuple[int, int]] | None = None, files: dict[str, tuple[int, int]] | None = None
) -> Cargo:
    ranges = [BlobRange(Digest.of(b"%d" % number), *place) for number, place in enumerate(blobs or [])]
    return Cargo.of("plant-7", "plant-7_0007", total, ranges, files or {})


@st.composite
def cargoes(draw: st.DrawFn) -> Cargo:
    blobs, offset = [], draw(st.integers(0, 2000))
    for size in draw(st.lists(st.integers(0, 5000), max_size=30)):
        blobs.append((offset, size))
        offset += max(size, 1) + draw(st.integers(0, 600))
    return cargo(offset + draw(st.integers(1, 20_000)), blobs)


@settings(deadline=None)
@given(whole=cargoes(), bound=st.integers(9_000, 60_000), parity=st.booleans())
def test_slices_follow_each_other_and_no_file_is_over_its_bound(
    *, whole: Cargo, bound: int, parity: bool
) -> None:
    headers = cut(whole, bound, parity=parity)
    volumes = [header for header in headers if not header.is_parity]
    assert [header.number for header in volumes] == list(range(1, len(volumes) + 1))
    assert [header.offset for header in volumes] == [
        sum(v.size for v in volumes[:n]) for n in range(len(volumes))
    ]
    assert sum(header.size for header in volumes) == whole.total
    assert all(header.file_size <= bound for header in headers)
    for header in headers:
        header.check("a header")
    listed = {blob.digest for header in volumes for blob in header.blobs}
    assert listed == {blob.digest for blob in whole.blobs}
    if parity:
        assert [headers[-1].of_volume(header.number) for header in volumes] == volumes


def test_what_fits_is_one_volume_and_a_byte_less_makes_two() -> None:
    whole = cargo(100_000)
    [alone] = cut(whole)
    assert alone.file_size == 100_000 + 2 * 512  # the header of volume.json, and its one block
    assert len(cut(whole, alone.file_size)) == 1
    assert len(cut(whole, alone.file_size - 1)) == 2


def test_volumes_are_filled_but_for_their_headers() -> None:
    headers = cut(cargo(10 * GIB), PRESETS["fat32"], parity=True)
    assert [header.file_name for header in headers] == [
        "plant-7_0007.1of3.tar", "plant-7_0007.2of3.tar", "plant-7_0007.3of3.tar", "plant-7_0007.parity.tar",
    ]  # fmt: skip
    assert all(4 * GIB - MIB < header.file_size < 4 * GIB for header in (*headers[:2], headers[3]))


def test_the_presets_are_what_the_media_hold() -> None:
    assert PRESETS["fat32"] == 2**32 - 1  # Microsoft, FAT32 File System Specification: DIR_FileSize
    assert 4_690_000_000 - 16 * MIB < PRESETS["dvd"] < 4_700_372_992  # ECMA-349: DVD+R
    assert (
        24_200_000_000 - 16 * MIB < PRESETS["bd25"] < 24_220_008_448
    )  # with spare areas; 25,025,314,816 without


@pytest.mark.parametrize("parity", [False, True])
def test_a_volume_without_room_is_refused(*, parity: bool) -> None:
    with pytest.raises(UsageError, match="too small"):
        cut(cargo(100_000), 3000, parity=parity)


def test_a_set_of_too_many_volumes_is_refused() -> None:
    with pytest.raises(UsageError, match="too small"):
        cut(cargo(1 << 40), 10_000)


@pytest.mark.parametrize("blobs", [[(0, 10), (9, 10)], [(95, 10)], [(-1, 5)], [(100, 0)]])
def test_blobs_that_overlap_or_lie_outside_are_refused(blobs: list[tuple[int, int]]) -> None:
    with pytest.raises(UnsafeArchive):
        cargo(100, blobs)


def test_documents_that_lie_in_blobs_are_refused() -> None:
    with pytest.raises(UnsafeArchive, match=r"index.json at byte 5, within sha256:"):
        cargo(100, [(0, 10)], {"index.json": (5, 2)})
