from __future__ import annotations

import json
from datetime import date

import pytest

from toolkit.digest import Digest
from toolkit.errors import InvalidDocument
from toolkit.mirror.records.lock import Gap, Lock, Locked, lasting
from toolkit.platform import Platform

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
REDIS = Locked("redis:7.2", "docker.io/library/redis:7.2", "docker://docker.io", ONE)
PROM = Locked(
    "vendor/prometheus:v2.50.1",
    "quay.io/prometheus/prometheus:v2.50.1",
    "docker://quay.io",
    TWO,
    (Platform("linux", "amd64"), Platform("linux", "arm64", "v8")),
)
GAP = Gap("dead.example/app:1", "docker://dead.example: is not there", date(2026, 11, 25))
ALONE = Locked("arm/redis:7.2", REDIS.origin, REDIS.place, TWO, (Platform("linux", "arm64"),), ONE)
LOCK = Lock("plant-7", date(2026, 11, 27), (REDIS, PROM, ALONE), (GAP,), TWO)


def test_a_lock_is_read_as_it_was_written() -> None:
    assert Lock.parse(bytes(LOCK), "lock") == LOCK
    assert json.loads(bytes(LOCK))["images"][1]["platforms"] == ["linux/amd64", "linux/arm64/v8"]


def test_of_an_image_that_is_carried_alone_its_index_is_remembered() -> None:
    assert (REDIS.told, ALONE.told) == (ONE, ONE)
    assert (REDIS.narrowing, PROM.narrowing, ALONE.narrowing) == ((), PROM.platforms, ())
    assert LOCK.crowded == {REDIS.origin}
    assert Lock("plant-7", LOCK.date, (REDIS, PROM)).crowded == frozenset()


def test_a_gap_is_told_since_the_first_night_that_it_failed() -> None:
    tonight = Gap("dead.example/app:1", "timed out", date(2026, 11, 27))
    fresh = Gap("other.example/app:1", "timed out", date(2026, 11, 27))
    assert lasting([tonight, fresh], [GAP]) == (
        Gap("dead.example/app:1", "timed out", date(2026, 11, 25)),
        fresh,
    )


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("images", 0, "digest"), "sha256:0", r"images\[0\]\.digest: 'sha256:0': is not a digest"),
        (("images", 0, "name"), "", r"images\[0\]\.name: '': is not a name"),
        (
            ("images", 0, "name"),
            "vendor/prometheus:v2.50.1",
            "images: vendor/prometheus:v2.50.1 stands twice",
        ),
        (("images", 1, "platforms"), ["linux"], r"images\[1\]\.platforms: 'linux': is not a platform"),
        (("gaps", 0, "since"), "yesterday", r"gaps\[0\]\.since: is 'yesterday', expected a date"),
        (("site",), "a/b", "site: site 'a/b': is not a name"),
    ],
)
def test_a_lock_that_breaks_its_format_says_where(
    path: tuple[str | int, ...], value: object, problem: str
) -> None:
    body = json.loads(bytes(LOCK))
    inner = body
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(InvalidDocument, match=problem):
        Lock.parse(json.dumps(body).encode(), "lock")
