from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.mirror.jobs.version import Version
from toolkit.reference import TAG

TAGS = st.from_regex(TAG, fullmatch=True)
PARTS = ["0", "1", "02", "10", "20240807", "v", "rc", "alpha", "b", "alpine3.20", "-", ".", "_", "dev"]
LIKELY = st.lists(st.sampled_from(PARTS), min_size=1, max_size=7).map("".join).filter(TAG.fullmatch)
VERSIONS = st.one_of(TAGS, LIKELY).map(Version.parse).filter(bool)

# https://semver.org/#spec-item-11, with its own example, and PEP 440's spellings.
ASCENDING = (
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.1.1",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0rc2",
    "v1.0.0",
    "1.0.1",
    "1.9",
    "1.10.0a2",
    "1.10.0b1",
    "1.10",
    "2",
)


def parsed(tag: str) -> Version:
    version = Version.parse(tag)
    assert version, tag
    return version


def test_versions_stand_in_the_order_that_their_publishers_mean() -> None:
    versions = [parsed(tag) for tag in ASCENDING]
    assert sorted(versions[1::2] + versions[::2]) == versions
    assert len({version.precedence for version in versions}) == len(versions)


@pytest.mark.parametrize(
    "spellings",
    [("1.2", "v1.2.0", "1.2.0.0", "1.02"), ("3-rc1", "3.0-rc.1", "V3.0.0rc1", "3_RC_1", "3.0-cr1")],
)
def test_spellings_of_one_version_are_equal_to_ranges_and_yet_in_an_order(spellings: tuple[str, ...]) -> None:
    versions = [parsed(tag) for tag in spellings]
    assert len({version.precedence for version in versions}) == 1
    assert len(set(versions)) == len(spellings)


@pytest.mark.parametrize(
    ("tag", "variant", "stage"),
    [
        ("1.27", "", "release"),
        ("1.27-alpine", "alpine", "release"),
        ("3.13-slim-bookworm", "slim-bookworm", "release"),
        ("1.27.2-alpine3.20-perl", "alpine3.20-perl", "release"),
        ("v1.29.3-k3s1", "k3s1", "release"),
        ("2.4.1-debian-12-r3", "debian-12-r3", "release"),
        ("3.14-rc-alpine", "alpine", "pre-release"),
        ("3.14.0a2", "", "pre-release"),
        ("3.14.0a2-slim", "slim", "pre-release"),
        ("1.0-alpine-rc1", "alpine", "pre-release"),
        ("6.1.0-M2", "", "pre-release"),
        ("1.0-SNAPSHOT", "", "pre-release"),
        ("1.0.Final", "Final", "release"),
        ("2.0-master", "master", "release"),
        ("1.0-america", "america", "release"),
    ],
)
def test_what_follows_the_numbers_is_a_variant_or_a_stage(tag: str, variant: str, stage: str) -> None:
    version = parsed(tag)
    assert (version.variant, version.is_prerelease) == (variant, stage == "pre-release")


@pytest.mark.parametrize(
    "tag",
    [
        "latest",
        "stable",
        "8u392-b08",
        "7430466abc",
        "release-1.2",
        "",
        "v",
        "-1",
        "1.2/3",
        "\u0661.\u0662",
        "1\u00e9",
    ],
)
def test_what_publishers_call_otherwise_is_no_version(tag: str) -> None:
    assert Version.parse(tag) is None


def test_a_date_is_told_from_a_version() -> None:
    assert parsed("20240807").is_serial
    assert parsed("20240807.1-slim").is_serial
    assert not parsed("2024.08.07").is_serial
    assert not parsed("24.04").is_serial


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_total(a: Version, b: Version, c: Version) -> None:
    assert [a < b, a == b, a > b].count(True) == 1
    assert (a < b) == (b > a)
    if a <= b <= c:
        assert a <= c
    if a.precedence < b.precedence:
        assert a < b


@given(VERSIONS)
def test_a_version_is_its_tag(version: Version) -> None:
    assert Version.parse(version.text) == version
