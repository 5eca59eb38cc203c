from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from toolkit.errors import InvalidJob
from toolkit.mirror.jobs.rule import read_rule
from toolkit.mirror.jobs.selection import Selection
from toolkit.mirror.jobs.version import Version

DOCS = Path(__file__).parents[2] / "docs/mirror.md"
CODE = re.compile(r"`([^`]+)`")
POOL = (
    "1.0",
    "1.2.3",
    "v2",
    "2.5-rc1",
    "2.5",
    "2.5-alpine",
    "3.0a1",
    "20240807",
    "latest",
    "stable",
    "x-debug",
)
RULES = (">=1 <3", ">2", "<2.5", ">=1-alpine", ">=2-rc1", "1.*", "*", "*-*", "stable", "2.5", "gone")
SELECTING = st.lists(st.sampled_from([*RULES, *(f"!{rule}" for rule in RULES)]), min_size=1, max_size=6)


def taken(rules: list[str], tags: tuple[str, ...] = POOL) -> list[str]:
    return [verdict.tag for verdict in Selection.parse(rules).verdicts(tags) if verdict.is_in]


def why(rules: list[str], tag: str) -> str:
    found = {verdict.tag: verdict.why for verdict in Selection.parse(rules).verdicts(POOL)}
    return found[tag]


def told() -> tuple[tuple[str, ...], list[tuple[list[str], list[str]]]]:
    """Return the tags of the table in the documentation, and its rows."""
    lines = DOCS.read_text(encoding="utf-8").partition("Given these tags")[2].splitlines()
    tags = next(line for line in lines if line.startswith("`"))
    cells = [line.strip("|").split("|") for line in lines if line.startswith('| `"')]
    return tuple(CODE.findall(tags)), [
        ([rule.strip('"') for rule in CODE.findall(left)], CODE.findall(right)) for left, right in cells
    ]


def test_the_table_of_the_documentation_is_true() -> None:
    tags, rows = told()
    assert len(rows) > 15
    for rules, expected in rows:
        assert taken(rules, tags) == expected, rules


@given(SELECTING, st.integers(0, 3), st.permutations(POOL))
def test_what_a_rule_excludes_is_never_in(rules: list[str], newest: int, tags: list[str]) -> None:
    found = taken([*rules, *([f"latest {newest}"] if newest else [])], tuple(tags))
    for rule in (read_rule(rule[1:]) for rule in rules if rule.startswith("!")):
        assert not [tag for tag in found if rule.excludes(tag, Version.parse(tag))]


@given(SELECTING, st.integers(0, 3), st.data())
def test_the_order_of_rules_is_of_no_consequence(rules: list[str], newest: int, data: st.DataObject) -> None:
    rules = [*rules, *([f"latest {newest}"] if newest else [])]
    others = data.draw(st.permutations(rules))
    assert Selection.parse(rules) == Selection.parse(others)
    assert Selection.parse(rules).verdicts(POOL) == Selection.parse(others).verdicts(POOL)


@given(SELECTING, st.integers(1, 3))
def test_latest_takes_away_and_never_adds(rules: list[str], newest: int) -> None:
    # Else it is of the plain releases, of which names and exclusions alone tell nothing.
    assume(any(not rule.startswith("!") and rule not in {*POOL, "gone"} for rule in rules))
    before, after = taken(rules), taken([*rules, f"latest {newest}"])
    assert set(after) <= set(before)
    named = {rule for rule in rules if rule in POOL}
    versions = {Version.parse(tag) for tag in after if tag not in named}
    assert None not in versions
    assert len({version.precedence for version in versions if version}) <= newest


@given(SELECTING)
def test_every_tag_has_a_reason_and_keeps_its_place(rules: list[str]) -> None:
    verdicts = Selection.parse(rules).verdicts(POOL)
    assert [verdict.tag for verdict in verdicts] == list(POOL)
    assert all(verdict.why for verdict in verdicts)


@pytest.mark.parametrize(
    ("rules", "tag", "reason"),
    [
        ([">=1 <3"], "1.0", "in the range >=1 <3"),
        (["1.*"], "1.0", "like 1.*"),
        (["stable"], "stable", "named"),
        (["stable"], "1.0", "not named"),
        (["!stable"], "1.0", "as any tag is"),
        (["*", "!>=2"], "v2", "excluded by !>=2"),
        ([">=1 <2", "x*"], "v2", "x*: is not like it; >=1 <2: is not <2"),
        (
            ["a*", "b*", "c*", "d*"],
            "v2",
            "a*: is not like it; b*: is not like it; c*: is not like it; and 1 more",
        ),
        (["*", "latest 1"], "stable", "as any tag is, but no version, which latest 1 is of"),
        ([">=1", "latest 1"], "2.5", "in the range >=1, and among the 1 highest"),
        ([">=1", "latest 1"], "1.0", "in the range >=1, but not among the 1 highest"),
    ],
)
def test_the_reason_is_told(rules: list[str], tag: str, reason: str) -> None:
    assert why(rules, tag) == reason


def test_a_name_stays_beside_latest_and_is_not_counted() -> None:
    assert taken([">=1 <3", "latest 1", "1.0", "stable"]) == ["1.0", "2.5", "stable"]
    assert taken(["latest 1", "stable"]) == ["2.5", "stable"]


def test_a_rule_that_takes_nothing_is_told() -> None:
    assert Selection.parse(["gone", ">=9", ">=1", "!nowhere"]).idle(POOL) == ["gone", ">=9"]


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ([], r'^tags: are 0 rules, expected 1 to 256; "\*" is every tag$'),
        (["a"] * 257, "are 257 rules"),
        (["latest 1", "latest 2"], "say `latest` twice"),
        (["latest 0"], "takes nothing, expected latest 1 or more"),
        (["!latest 2"], "rule 'latest 2': has ' ', which no tag has"),
        (["!"], "is no tag"),
        (["!!a"], "has '!', which no tag has; put ! before the whole rule"),
    ],
)
def test_what_cannot_be_meant_is_refused(rules: list[str], sentence: str) -> None:
    with pytest.raises(InvalidJob, match=sentence):
        Selection.parse(rules)
