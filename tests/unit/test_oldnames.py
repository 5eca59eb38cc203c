from __future__ import annotations

import datetime as dt

import pytest

from toolkit.digest import Digest
from toolkit.mirror.oldnames import Needs, beside, beyond, dropped, repositories_of
from toolkit.mirror.records.received import Received
from toolkit.reference import meaning

REDIS = {"docker.io/library/redis"}
NOTHING = Needs()


def digest(text: str) -> Digest:
    return Digest.of(text.encode())


def named(*names: str) -> list[tuple[str, Digest]]:
    return [(name, digest(name)) for name in names]


def redis(*tags: str) -> list[tuple[str, Digest]]:
    return named(*(f"redis:{tag}" for tag in tags))


def gone(keep: int, *tags: str, needs: Needs = NOTHING) -> set[str]:
    return {old.name.partition(":")[2] for old in beyond(redis(*tags), keep, REDIS, needs)}


@pytest.mark.parametrize(
    ("keep", "tags", "expected"),
    [
        (0, ["1", "2"], set()),
        (1, ["1.9", "1.10", "1.2"], {"1.9", "1.2"}),
        (2, ["v1.0", "1.0.0", "1.0-alpine", "2.0", "0.9"], {"0.9"}),
        (1, ["2.0-rc1", "2.0", "1.9"], {"2.0-rc1", "1.9"}),
        (1, ["20240807", "20250101", "3.20", "3.19"], {"20240807", "3.19"}),
        (1, ["main", "latest", "stable", "1.0"], {"main", "latest"}),
        (5, ["1", "2", "main"], set()),
    ],
)
def test_the_highest_versions_of_a_repository_stay(keep: int, tags: list[str], expected: set[str]) -> None:
    assert gone(keep, *tags) == expected


def test_what_is_needed_stays_by_any_spelling_of_its_name_or_as_the_same_image() -> None:
    by_name = Needs(names=frozenset({meaning("docker.io/library/redis:1")}))
    assert gone(1, "1", "2", "3", needs=by_name) == {"2"}
    assert gone(1, "1", "2", "3", needs=Needs(tops=frozenset({digest("redis:2")}))) == {"1"}


def test_repositories_are_counted_apart_and_others_are_let_alone() -> None:
    names = named(
        "redis:1", "redis:2", "team/redis:1", "team/redis:2", "other:1", "other:2", "odd name", "x@y"
    )
    found = beyond(names, 1, {*REDIS, "docker.io/team/redis"}, NOTHING)
    assert [old.name for old in found] == ["redis:1", "team/redis:1"]
    assert [old.digest for old in found] == [digest("redis:1"), digest("team/redis:1")]


def test_the_reason_says_what_was_counted() -> None:
    (old,) = beyond(redis("1", "2", "3"), 2, REDIS, NOTHING)
    assert old.why == "not among the 2 highest of 3 versions of redis"
    (old,) = beyond(redis("a", "b"), 1, REDIS, NOTHING)
    assert old.why == "not among the 1 named last of 2 tags without a version of redis"


def test_tags_of_signatures_are_not_counted() -> None:
    assert gone(1, "1", f"sha256-{'a' * 64}.sig", f"sha256-{'b' * 64}") == set()


def test_names_by_digest_are_tags_without_a_version() -> None:
    names = [(f"redis@{digest(text)}", digest(text)) for text in "abc"]
    assert len(beyond(names, 1, REDIS, NOTHING)) == 2


def test_what_goes_with_an_image_is_listed_unless_it_is_needed() -> None:
    companions = [("redis:sha256-a.sig", digest("sig"), "redis:1")]
    assert [old.why for old in beside(companions, NOTHING)] == ["refers to redis:1, which goes"]
    assert beside(companions, Needs(tops=frozenset({digest("sig")}))) == []


def test_the_repositories_of_names_are_told_in_full() -> None:
    assert repositories_of(["redis:1", "h:5000/a/b@" + str(digest("")), "odd name"]) == {*REDIS, "h:5000/a/b"}


def received(number: int, place: int, *names: str, **other: str) -> Received:
    images = dict(named(*names)) | {name: digest(text) for name, text in other.items()}
    now = dt.datetime(2026, 11, number, tzinfo=dt.UTC)
    return Received("plant-7", number, place, now, now.date(), images)


def test_what_the_newest_set_has_no_more_goes_however_late_an_older_one_came() -> None:
    sets = [received(3, 1, "a:1", "b:1"), received(2, 2, "a:1", "c:1"), received(1, 3, "d:1")]
    names = named("a:1", "b:1", "c:1", "d:1", "own:1")
    found = dropped(names, sets, NOTHING)
    assert [old.name for old in found] == ["c:1", "d:1"]
    assert found[0].why == "last in set 2 of 2026-11-02, and not in set 3 of 2026-11-03"


def test_what_somebody_named_anew_over_there_is_theirs() -> None:
    sets = [received(1, 1, "a:1"), received(2, 2)]
    assert [old.name for old in dropped(named("a:1"), sets, NOTHING)] == ["a:1"]
    assert dropped([("a:1", digest("theirs"))], sets, NOTHING) == []
    assert dropped(named("docker.io/library/a:1"), sets, NOTHING) == []  # another image under that name


def test_what_another_site_of_the_home_needs_stays() -> None:
    sets = [received(1, 1, "a:1"), received(2, 2)]
    assert dropped(named("a:1"), sets, Needs(frozenset({meaning("a:1")}))) == []
    assert dropped(named("a:1"), [], NOTHING) == []
