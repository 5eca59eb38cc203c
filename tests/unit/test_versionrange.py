from __future__ import annotations

import pytest

from toolkit.errors import InvalidJob
from toolkit.mirror.jobs.version import Version
from toolkit.mirror.jobs.versionrange import VersionRange


def refusal(range_: str, tag: str) -> str:
    return VersionRange.parse(range_).refusal(tag, Version.parse(tag))


@pytest.mark.parametrize("range_", [">=2.50 <3", ">=2.50,<3", ">= 2.50 , < 3", "<3>=2.50", ">=v2.50\t<3.0.0"])
def test_bounds_have_blanks_or_commas_between_them(range_: str) -> None:
    assert not refusal(range_, "2.50")
    assert refusal(range_, "3")
    assert refusal(range_, "2.49.9")


@pytest.mark.parametrize(
    ("range_", "tag", "why"),
    [
        (">=2 <3", "latest", "is no version"),
        (">=2 <3", "2.1-alpine", "is the variant alpine"),
        (">=2-alpine", "2.1", "is a plain version"),
        (">=2-alpine", "2.1-alpine3", "is the variant alpine3"),
        (">=2 <3", "2.1-rc1", "is a pre-release, and the range names none"),
        (">=2-rc1 <3", "3.0-rc1", "is a pre-release of 3"),
        (">=2 <3", "1.9", "is not >=2"),
        (">=2 <3", "3.1", "is not <3"),
        (">=2", "20240807", "is a date or serial number"),
        (">=20240101", "3", "is no date or serial number"),
        ("=2", "2.0.1", "is not =2"),
        (">2", "v2.0", "is not >2"),
    ],
)
def test_a_refusal_says_why(range_: str, tag: str, why: str) -> None:
    assert refusal(range_, tag) == why


def test_a_variant_may_be_a_glob() -> None:
    taken = [
        tag for tag in ("1.29-k3s1", "1.30.1-k3s12", "1.29", "1.29-k3d1") if not refusal(">=1.29-k3s*", tag)
    ]
    assert taken == ["1.29-k3s1", "1.30.1-k3s12"]
    assert not refusal(">=1-*", "1.29-k3d1")
    assert refusal(">=1-*", "1.29")


def test_an_exclusion_is_of_every_variant_and_stage() -> None:
    below = VersionRange.parse("<2")
    tags = ("1.9", "1.9-alpine", "1.9-rc1", "2.0-rc1", "2", "latest", "20240807")
    assert [tag for tag in tags if below.excludes(tag, Version.parse(tag))] == [
        "1.9",
        "1.9-alpine",
        "1.9-rc1",
    ]
    narrow = VersionRange.parse("<2-alpine")
    assert [tag for tag in tags if narrow.excludes(tag, Version.parse(tag))] == ["1.9-alpine"]


@pytest.mark.parametrize(
    ("range_", "sentence"),
    [
        (">=2 || <1", r"^range '>=2 \|\| <1': says nothing that is known from '\|\| <1' on; each rule"),
        ("^1.2", r"write both ends: >=1\.2 <2$"),
        ("~1.2", r"or a glob, 1\.2\.\*$"),
        (">=1 !=2", "put ! before the whole rule"),
        (">=", "from '>=' on; write it as >=2.50 <3$"),
        (">=latest", "compares with 'latest', which is no version"),
        (">=2.*", r"has \* in '2\.\*', where only a variant's name may have it"),
        (">=2-rc*", r"has \* in '2-rc\*'"),
        (">=2-alpine <3-slim", "is about alpine and slim; write a rule for each"),
        (">=1-[a-z]*", "says nothing that is known from"),
    ],
)
def test_what_is_no_range_is_refused_with_what_to_write(range_: str, sentence: str) -> None:
    with pytest.raises(InvalidJob, match=sentence):
        VersionRange.parse(range_)
