from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InvalidJob
from toolkit.mirror.jobs.rule import Glob, Named, read_rule
from toolkit.mirror.jobs.versionrange import VersionRange

SIGNATURE = f"sha256-{'a' * 64}.sig"


def fits(pattern: str, text: str) -> bool:
    """Match as the definition has it, one character after the other."""
    reached = {0}
    for char in pattern:
        if char == "*":
            reached = set(range(min(reached, default=len(text) + 1), len(text) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(text) and char in {"?", text[at]}}
    return len(text) in reached


def test_a_rule_is_what_it_looks_like() -> None:
    assert isinstance(read_rule(">=1"), VersionRange)
    assert isinstance(read_rule("1.?"), Glob)
    assert isinstance(read_rule("v1.2"), Named)
    assert isinstance(read_rule("latest"), Named)


@given(st.text("ab*?", min_size=1, max_size=12).map("*".__add__), st.text("ab", max_size=12))
def test_a_glob_takes_what_its_definition_says(pattern: str, tag: str) -> None:
    assert (read_rule(pattern).refusal(tag, None) == "") == fits(pattern, tag)


def test_no_glob_takes_for_ever() -> None:
    rule = read_rule("*a" * 127)
    assert rule.refusal("a" * 126 + "b", None)
    assert rule.refusal("ab" * 64, None)


def test_case_counts() -> None:
    assert read_rule("1.*-RC").refusal("1.2-rc", None)
    assert read_rule("Stable").refusal("stable", None)


def test_a_glob_does_not_mean_signatures_unless_it_says_so() -> None:
    assert (
        read_rule("*").refusal(SIGNATURE, None) == "belongs to an image, as signatures do, and goes with it"
    )
    assert not read_rule("sha256-*").refusal(SIGNATURE, None)
    assert not read_rule(SIGNATURE).refusal(SIGNATURE, None)
    assert read_rule("*").excludes(SIGNATURE, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "^rule '': is no tag; write a range"),
        ("1.2 3", "has ' ', which no tag has"),
        ("1.[0-9]", r"has '\[', which no tag has; write a range \(>=2\.50 <3\), a glob"),
        ("1.2|1.3", r"has '\|', which no tag has; each rule of `tags` is an alternative"),
        ("-1", "is no tag"),
        ("a" * 257, "is 257 characters, expected at most 256"),
    ],
)
def test_what_is_no_rule_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidJob, match=sentence):
        read_rule(text)
