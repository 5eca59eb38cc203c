from __future__ import annotations

import pytest

from toolkit.errors import UsageError
from toolkit.mirror.closed.prefixes import Prefixes
from toolkit.reference import meaning


@pytest.mark.parametrize(
    ("word", "name", "new"),
    [
        ("docker.io/=mirror.site.example/", "redis:7", "mirror.site.example/library/redis:7"),
        ("docker.io/=mirror.site.example", "vendor/app:1", "mirror.site.example/vendor/app:1"),
        ("docker.io/library=base", "redis:7", "base/redis:7"),
        ("docker.io/library/=m.example:5000/base/", "redis:7", "m.example:5000/base/redis:7"),
        ("vendor/=tools/", "vendor/app:1", "tools/app:1"),
        ("vendor/app=tools/app", "vendor/app:1", "tools/app:1"),
        ("vendor/app=tools/app", "vendor/app-x:1", "vendor/app-x:1"),
        ("vendor/=tools/", "vendors/app:1", "vendors/app:1"),
        ("redis=cache", "redis:7", "cache:7"),
        ("redis:7=cache:8", "redis:7", "cache:8"),
        ("redis:7=cache:8", "redis:72", "redis:72"),
        ("quay.io/=m.example/quay/", "quay.io/team/app:2", "m.example/quay/team/app:2"),
        ("m.example:5000/=other.example/", "m.example:5000/a:1", "other.example/a:1"),
        ("localhost/=m.example/", "localhost/a:1", "m.example/a:1"),
        ("quay.io/=m.example/", "redis:7", "redis:7"),
    ],
)
def test_what_a_name_begins_with_gives_way_to_something_else(word: str, name: str, new: str) -> None:
    assert Prefixes.parse([word]).name_of(name) == new


def test_the_longest_that_fits_counts() -> None:
    words = ["docker.io/=m.example/", "docker.io/library/redis:7=cache:7", "docker.io/library=base"]
    prefixes = Prefixes.parse(words)
    assert [prefixes.name_of(name) for name in ("redis:7", "redis:6", "a/b:1")] == [
        "cache:7",
        "base/redis:6",
        "m.example/a/b:1",
    ]


@pytest.mark.parametrize("word", ["", "=", "a", "a=", "=b", "/=b", "a=/"])
def test_what_is_no_pair_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="is no pair of names; write OLD=NEW"):
        Prefixes.parse([word])


def test_a_name_that_would_be_none_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--rename docker.io/=x/UP/: makes of redis:7 no name of an image"):
        Prefixes.parse(["docker.io/=x/UP/"]).name_of("redis:7")


def test_two_images_that_would_get_one_name_are_refused() -> None:
    for words, names in (["a/=c/", "b/=c/"], ["a/x:1", "b/x:1"]), (["a/=c/"], ["a/x:1", "c/x:1"]):
        with pytest.raises(UsageError) as caught:
            Prefixes.parse([*words, "d/=e/"]).of(names)
        told = " ".join(f"--rename {word}" for word in words)
        advice = "give one of them another name: --rename quay.io/=quay/"
        assert str(caught.value) == f"{told}: makes c/x:1 of {' and '.join(names)}; {advice}"


def test_what_fits_no_name_is_idle_and_what_a_longer_one_outdoes_is_not() -> None:
    prefixes = Prefixes.parse(["dokcer.io/=m.example/", "docker.io/=m.example/", "redis:7=cache:7", "red=x"])
    assert set(prefixes.idle(["redis:7"])) == {"dokcer.io/=m.example/", "red=x"}


def test_only_what_is_renamed_is_in_the_renaming() -> None:
    renaming = Prefixes.parse(["a/=c/"]).of(["a/x:1", "b/x:1"])
    assert renaming.names == {meaning("a/x:1"): ("c/x:1",)}
