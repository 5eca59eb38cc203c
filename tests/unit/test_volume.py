"""Headers of volumes: read as they are written, and refused as anything else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, InvalidDocument, UnsafeArchive, Unsupported
from toolkit.limits import Limits, hold
from toolkit.mirror.media.volume import BlobRange, VolumeHeader, is_volume_of, touching

A, B = Digest.of(b"a"), Digest.of(b"b")
TEXT = f"""{{"lading":"volume","version":1,"site":"plant-7","set":"plant-7_0007","number":1,"of":3,"offset":0,
"size":1024,"total":3000,"parity":false,"files":{{"index.json":[512,20]}},"blobs":[["{A}",600,100],["{B}",1000,900]]}}
"""
PARITY = {"number": 0, "parity": True, "sizes": [1024, 1024, 952]}


def parsed(**changes: Any) -> VolumeHeader:
    return VolumeHeader.parse(json.dumps(json.loads(TEXT) | changes).encode(), "it")


def test_a_header_is_written_as_the_format_says() -> None:
    blobs = (BlobRange(A, 600, 100), BlobRange(B, 1000, 900))
    header = VolumeHeader("plant-7", "plant-7_0007", 1, 3, 0, 1024, 3000, blobs, {"index.json": (512, 20)})
    assert header.to_json() == TEXT.replace(",\n", ",").encode()
    assert VolumeHeader.parse(header.to_json(), "it") == header


def test_the_header_of_the_parity_volume_tells_those_of_the_others() -> None:
    whole = parsed(**PARITY)
    assert whole.of_volume(1) == parsed()
    assert [blob.digest for blob in whole.of_volume(2).blobs] == [B]
    assert whole.of_volume(3).blobs == ()
    assert whole.of_volume(3).offset == 2048


@pytest.mark.parametrize(
    "changes",
    [
        {"lading": "bundle"}, {"site": ""}, {"site": "a\nb"}, {"number": 4}, {"number": -1}, {"number": 2}, {"of": 0},
        {"of": 1}, {"of": 10**9}, {"offset": 512}, {"offset": -1}, {"size": 0}, {"size": -5}, {"size": 3000},
        {"size": 4000}, {"total": 1024}, {"total": 10}, {"number": True}, {"parity": True}, {"number": 0},
        {"sizes": [1024]}, {"blobs": None}, {"blobs": [1]}, {"blobs": [["sha256:00", 600, 1]]},
        {"blobs": [[str(A), 600]]}, {"blobs": [[str(A), 600, True]]}, {"blobs": [[str(A), 600, -1]]},
        {"files": {"index.json": 1}}, {"files": {"index.json": [1]}}, {"files": {"index.json": [512, -1]}},
        PARITY | {"sizes": [1024, 1024]}, PARITY | {"sizes": [1024, 1024, 953]}, PARITY | {"size": 1023},
        PARITY | {"sizes": [1024, 1976, 0]}, PARITY | {"sizes": [1024, True, 1975]}, PARITY | {"offset": 1},
    ],
    ids=str,
)  # fmt: skip
def test_facts_that_cannot_be_true_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidDocument):
        parsed(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"set": "../x"}, {"set": ""}, {"set": "a/b"}, {"set": ".hidden"}, {"set": "x" * 101}, {"set": "a\n"},
        {"blobs": [[str(A), 600, 1], [str(A), 700, 1]]},  # twice
        {"blobs": [[str(A), 600, 101], [str(B), 700, 1]]},  # overlapping
        {"blobs": [[str(B), 700, 1], [str(A), 600, 1]]},  # out of order
        {"blobs": [[str(A), 2999, 2]]}, {"blobs": [[str(A), -1, 2]]}, {"blobs": [[str(A), 1 << 62, 1 << 62]]},
        {"blobs": [[str(A), 1024, 5]]},  # of the next volume
        {"files": {"index.json": [650, 20]}}, {"files": {"../index.json": [1, 1]}}, {"files": {"a": [2999, 2]}},
        {"files": {"a": [1, 5], "b": [5, 5]}}, {"files": {f"f{number}": [number, 1] for number in range(17)}},
    ],
    ids=str,
)  # fmt: skip
def test_places_that_overlap_or_lead_elsewhere_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UnsafeArchive):
        parsed(**changes)


def test_documents_stand_in_the_first_volume_only() -> None:
    with pytest.raises(InvalidDocument):
        parsed(number=2, offset=1024, blobs=[])


def test_a_newer_version_is_told() -> None:
    with pytest.raises(Unsupported, match="version 2"):
        parsed(version=2)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"{", b"\xff", b'{"lading":"volume","lading":"volume"}']
)
def test_what_is_no_header_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidDocument):
        VolumeHeader.parse(raw, "it")


@pytest.mark.parametrize("key", sorted(json.loads(TEXT)))
@pytest.mark.parametrize("value", [None, 1.5, "x", [], {}, [[]], 1 << 70, -1, False])
def test_any_member_may_be_anything_and_nothing_but_our_errors_comes_of_it(key: str, value: object) -> None:
    with suppress(CorruptContent, Unsupported):
        parsed(**{key: value})


@pytest.fixture
def few_members() -> Any:
    hold(Limits(member=1))
    yield
    hold(Limits())


@pytest.mark.usefixtures("few_members")
def test_more_blobs_than_a_bundle_may_have_are_refused() -> None:
    with pytest.raises(UnsafeArchive, match="member_limit"):
        parsed()


def test_an_empty_blob_is_in_the_volume_of_its_offset() -> None:
    blobs = [BlobRange(A, 1000, 0), BlobRange(B, 1024, 0)]

    def in_volume(start: int, end: int) -> list[Digest]:
        return [blob.digest for blob in touching(blobs, start, end)]

    assert (in_volume(0, 1024), in_volume(1024, 2048), in_volume(1001, 1024)) == ([A], [B], [])


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("plant-7_0007.1of3.tar", True), ("plant-7_0007.parity.tar", True), ("plant-7_0007.12of5000.tar", True),
        ("plant-7_0007.tar", False), ("plant-7_00070.1of3.tar", False), ("plant-7_0007.1of3.tar.part", False),
        ("plant-7_0007.0of3.tar", False), ("plant-7_0007.1of3.tar\n", False), ("plant-7_0007.sha256", False),
    ],
)  # fmt: skip
def test_volumes_of_a_set_are_known_by_their_names(name: str, *, is_one: bool) -> None:
    assert is_volume_of("plant-7_0007", name) is is_one
