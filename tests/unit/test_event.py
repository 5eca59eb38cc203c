"""What happened, as values: of hostile names nothing but text is left."""

from __future__ import annotations

import json

import pytest

from toolkit.digest import Digest
from toolkit.event import (
    MOUNTED,
    PRESENT,
    BlobBegun,
    BlobDone,
    BlobFailed,
    BlobProgress,
    BlobRetried,
    BlobsExpected,
    BlobSkipped,
    Event,
    ImageBegun,
    ImageDone,
    nobody,
)
from toolkit.image import Layer

BASE, TOP = Layer("sha256:" + "aa" * 32, 3000), Layer("39945792faa7" * 5, 1000)
HOSTILE = "a\x1b[2J\x00\x7f\u202e\n"


@pytest.mark.parametrize(
    ("event", "word", "facts"),
    [
        (ImageBegun(("a:1", "b:1"), (BASE, TOP)), "image.begun", [["a:1", "b:1"], 2, 4000]),
        (BlobsExpected((BASE,)), "blobs.expected", [1, 3000]),
        (BlobBegun(BASE), "blob.begun", [BASE.key, 3000]),
        (BlobProgress(TOP, 7), "blob.progress", [TOP.key, 1000, 7]),
        (BlobRetried(BASE, 0), "blob.retried", [BASE.key, 3000, 0]),
        (BlobDone(BASE), "blob.done", [BASE.key, 3000]),
        (BlobFailed(BASE), "blob.failed", [BASE.key, 3000]),
        (BlobSkipped(BASE, PRESENT), "blob.skipped", [BASE.key, 3000, "present"]),
        (BlobSkipped(BASE, MOUNTED), "blob.skipped", [BASE.key, 3000, "mounted"]),
        (ImageDone(("a:1",), Digest("sha256", "bb" * 32)), "image.done", [["a:1"], "sha256:" + "bb" * 32]),
    ],
)
def test_an_event_tells_its_facts(event: Event, word: str, facts: list[object]) -> None:
    assert (event.word, list(event.facts().values())) == (word, facts)
    assert json.loads(json.dumps(event.facts())) == event.facts()


@pytest.mark.parametrize(
    "event", [ImageBegun((HOSTILE,), ()), ImageDone((HOSTILE,), Digest.of(b"")), BlobBegun(Layer(HOSTILE, 1))]
)
def test_no_control_character_gets_through(event: Event) -> None:
    told = event.facts().get("blob") or event.facts()["names"][0]
    assert told == r"a\x1b[2J\x00\x7f\u202e\n"


def test_a_name_without_end_is_cut() -> None:
    assert len(BlobBegun(Layer("a" * 1_000_000, 1)).facts()["blob"]) < 3000


def test_nobody_takes_anything() -> None:
    nobody(BlobBegun(BASE))
