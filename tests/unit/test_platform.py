from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.document import Node
from toolkit.errors import InvalidDocument, InvalidPlatform
from toolkit.platform import Platform

parts = st.text("abcxyzABC019_.-", min_size=1, max_size=12)
platforms = st.builds(Platform, parts, parts, st.just("") | parts)


def test_a_platform_has_two_or_three_parts() -> None:
    assert Platform.parse("linux/arm64/v8") == Platform("linux", "arm64", "v8")
    assert Platform.parse("linux/amd64") == Platform("linux", "amd64")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linux",
        "linux/",
        "/amd64",
        "linux//v8",
        "a/b/c/d",
        "linux/amd64\n",
        "linux/am d64",
        "linux/ämd64",
        "../.\0",
    ],
)
def test_anything_else_is_no_platform(text: str) -> None:
    with pytest.raises(InvalidPlatform, match="is not a platform; write os/architecture"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("mine", "wanted", "serves"),
    [
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64/v8", "linux/arm64/v8", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm64", "linux/arm64/v8", False),
        ("linux/amd64", "linux/arm64", False),
        ("windows/amd64", "linux/amd64", False),
    ],
)
def test_a_platform_serves_one_that_asks_for_no_more(mine: str, wanted: str, *, serves: bool) -> None:
    assert Platform.parse(mine).matches(Platform.parse(wanted)) is serves


def test_a_config_without_a_platform_has_an_empty_one() -> None:
    assert Platform.from_node(Node({}, "it")) == Platform("", "")
    assert str(Platform("", "")) == ""


def test_a_platform_in_a_document_is_text() -> None:
    with pytest.raises(InvalidDocument, match=r"^it: os: str required, found int$"):
        Platform.from_node(Node({"os": 1}, "it"))


@pytest.mark.property
@given(platforms)
def test_parse_and_str_are_inverses(platform: Platform) -> None:
    assert Platform.parse(str(platform)) == platform


@pytest.mark.property
@given(platforms)
def test_what_a_descriptor_carries_is_read_back(platform: Platform) -> None:
    assert Platform.from_node(Node(platform.to_json(), "it")) == platform
