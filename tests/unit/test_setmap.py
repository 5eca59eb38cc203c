"""What a set has where, put together from headers that may contradict each other."""

from __future__ import annotations

import pytest

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, MissingMember, UnsafeArchive
from toolkit.mirror.media.setmap import SetMap, Span, named
from toolkit.mirror.media.volume import BlobRange, VolumeHeader

A, B, C = (Digest.of(text) for text in (b"a", b"b", b"c"))


def volume(number: int, offset: int, size: int, *blobs: BlobRange, total: int = 300) -> VolumeHeader:
    return VolumeHeader("site", "set", number, 3, offset, size, total, blobs)


ONE = volume(1, 0, 100, BlobRange(A, 10, 20), BlobRange(B, 90, 150))
TWO = volume(2, 100, 100, BlobRange(B, 90, 150))
THREE = volume(3, 200, 100, BlobRange(B, 90, 150), BlobRange(C, 250, 0))


def test_a_range_is_found_across_volumes() -> None:
    found = SetMap.of_volumes([THREE, ONE, TWO], "it")
    assert found.spans(90, 150) == [Span(1, 90, 10), Span(2, 0, 100), Span(3, 0, 40)]
    assert found.spans(100, 100) == [Span(2, 0, 100)]
    assert found.spans(300, 0) == found.spans(0, 0) == []
    assert list(found.blobs) == [A, B, C]
    assert found.touched(2, 0, 100) == [B]
    assert found.touched(3, 40, 100) == [C]


def test_the_parity_volume_knows_the_same() -> None:
    blobs = tuple({blob: None for header in (ONE, TWO, THREE) for blob in header.blobs})
    parity = VolumeHeader("site", "set", 0, 3, 0, 100, 300, blobs, sizes=(100, 100, 100))
    assert SetMap.of_parity(parity, "it") == SetMap.of_volumes([ONE, TWO, THREE], "it")


@pytest.mark.parametrize(("offset", "size"), [(150, 10), (90, 20), (199, 2)])
def test_what_lies_in_a_missing_volume_is_told(offset: int, size: int) -> None:
    with pytest.raises(MissingMember, match="missing"):
        SetMap.of_volumes([ONE, THREE], "it").spans(offset, size)


@pytest.mark.parametrize(("offset", "size"), [(-1, 5), (299, 2), (0, -1), (1 << 62, 1)])
def test_a_range_outside_the_stream_is_refused(offset: int, size: int) -> None:
    with pytest.raises(CorruptContent):
        SetMap.of_volumes([ONE, TWO, THREE], "it").spans(offset, size)


@pytest.mark.parametrize(
    "headers",
    [
        [ONE, volume(2, 99, 101)],  # slices overlap
        [ONE, volume(2, 101, 99)],  # or leave a gap
        [volume(1, 0, 150), THREE, volume(2, 100, 100)],
        [ONE, volume(2, 100, 100, BlobRange(C, 150, 10))],  # a blob within another
    ],
)
def test_volumes_that_contradict_each_other_are_refused(headers: list[VolumeHeader]) -> None:
    with pytest.raises(UnsafeArchive):
        SetMap.of_volumes(headers, "it")


def test_a_blob_at_two_places_is_refused() -> None:
    with pytest.raises(CorruptContent, match="two places"):
        SetMap.of_volumes([ONE, volume(2, 100, 100, BlobRange(B, 91, 150))], "it")


def test_many_blobs_are_told_by_a_few() -> None:
    assert named([]) == "no blob"
    assert named([A, B, C, A, B]) == f"blobs {A}, {B}, {C} and 2 more"
