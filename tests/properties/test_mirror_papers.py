"""What crosses the gap may be damaged, or anything at all: it is read whole, or refused with a sentence of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.digest import Digest
from toolkit.errors import ToolkitError
from toolkit.mirror.records.baseline import Baseline
from toolkit.mirror.records.blob import Blob, ImageBlobs
from toolkit.mirror.records.chain import Line, Tip
from toolkit.mirror.records.imagerecord import ImageRecord
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.lock import Gap, Lock, Locked
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.received import Received
from toolkit.mirror.records.setrecord import SetRecord, VolumeSum
from toolkit.platform import Platform

pytestmark = pytest.mark.property

NIGHT, TODAY = datetime(2026, 11, 27, 2, tzinfo=UTC), date(2026, 11, 27)
A, B = Digest.of(b"A"), Digest.of(b"B")
BLOBS = (Blob(A, 1), Blob(B, 20))
IMAGES = (ImageBlobs("app:1", A, BLOBS), ImageBlobs("tool:1", B, BLOBS[1:]))
INCREMENT = Increment.of(
    "plant-7", 7, TODAY, IMAGES, Baseline("assumed", frozenset({B}), frozenset({B})), gaps=["dead:1", "lost"]
)
LOCKED = Locked("app:1", "docker.io/library/app:1", "docker://", A, (Platform("linux", "amd64"),))
PAPERS: list[tuple[Any, Callable[[bytes, str], Any]]] = [
    (INCREMENT, Increment.parse),
    (SetRecord(INCREMENT, "sent", (VolumeSum("a.tar", 1, "0" * 64),)), SetRecord.parse),
    (ImageRecord(A).sent(3, BLOBS).sent(5, BLOBS[:1]), ImageRecord.parse),
    (Lock("plant-7", TODAY, (LOCKED,), (Gap("dead:1", "timed out", TODAY),)), Lock.parse),
    (Receipt("plant-7", NIGHT, "j.doe", (1, 7), {"app:1": A}, Tip(3, B)), Receipt.parse),
    (Received.of(INCREMENT, 3, NIGHT), Received.parse),
    (Line(3, NIGHT, "sent", A, {"set": "plant-7_0007"}), Line.parse),
]
papers = st.sampled_from(PAPERS)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([str(A), "plant-7", "sent"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a document."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path] * bool(path) + [each for key, item in inner for each in places(item, (*path, key))]


def refused_or_read(parse: Callable[[bytes, str], Any], raw: bytes) -> None:
    """Whatever is read is written as something that is read as the same."""
    try:
        found = parse(raw, "paper")
    except ToolkitError:
        return
    assert parse(bytes(found), "paper") == found


@given(papers)
def test_every_paper_is_read_as_it_was_written(paper: tuple[Any, Callable[[bytes, str], Any]]) -> None:
    value, parse = paper
    assert parse(bytes(value), "paper") == value


@settings(max_examples=500)
@given(papers, values, st.data())
def test_another_value_anywhere_is_read_or_refused(
    paper: tuple[Any, Callable[[bytes, str], Any]], value: object, data: st.DataObject
) -> None:
    body = json.loads(bytes(paper[0]))
    *outer, last = data.draw(st.sampled_from(places(body)))
    inner = body
    for key in outer:
        inner = inner[key]
    inner[last] = value
    refused_or_read(paper[1], json.dumps(body).encode())


@settings(max_examples=300)
@given(papers, st.data())
def test_other_bytes_anywhere_are_read_or_refused(
    paper: tuple[Any, Callable[[bytes, str], Any]], data: st.DataObject
) -> None:
    raw = bytes(paper[0])
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, len(raw)))
    refused_or_read(paper[1], raw[:start] + data.draw(st.binary(max_size=4)) + raw[end:])
