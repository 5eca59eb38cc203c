from __future__ import annotations

import json

import pytest

from toolkit.digest import Digest
from toolkit.errors import InvalidDocument
from toolkit.mirror.records.blob import Blob
from toolkit.mirror.records.imagerecord import ImageRecord, Variant

TOP, LAYER, SIGNATURE = (Blob(Digest.of(word), size) for word, size in ((b"t", 1), (b"l", 2), (b"s", 3)))
PLAIN, SIGNED = tuple(sorted((TOP, LAYER))), tuple(sorted((TOP, LAYER, SIGNATURE)))


def record(*sets: tuple[int, tuple[Blob, ...]]) -> ImageRecord:
    found = ImageRecord(TOP.digest)
    for number, blobs in sets:
        found = found.sent(number, blobs)
    return found


def test_the_same_blobs_in_several_sets_stand_once() -> None:
    assert record((3, PLAIN), (5, PLAIN[::-1])).variants == (Variant((3, 5), PLAIN),)


def test_a_set_that_was_made_again_has_what_it_had_last() -> None:
    assert record((3, PLAIN), (3, SIGNED)).variants == (Variant((3,), SIGNED),)


def test_what_counts_is_the_set_that_came_last() -> None:
    sent = record((3, PLAIN), (5, SIGNED))
    assert sent.as_received((1, 3, 5)) == SIGNED
    assert sent.as_received((5, 3)) == PLAIN
    assert sent.as_received((3, 4)) == PLAIN
    assert sent.as_received((1, 2)) is None


def test_a_record_is_read_as_it_was_written() -> None:
    sent = record((3, PLAIN), (5, SIGNED))
    assert ImageRecord.parse(bytes(sent), "record") == sent


def test_a_damaged_record_says_where() -> None:
    body = json.loads(bytes(record((3, PLAIN))))
    body["variants"][0]["blobs"][1][1] = "2"
    with pytest.raises(InvalidDocument, match=r"variants\[0\]\.blobs\[1\]: \[digest, size\] required"):
        ImageRecord.parse(json.dumps(body).encode(), "record")
