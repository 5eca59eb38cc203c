from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import errors
from toolkit.errors import Mismatch, ToolkitError

# contract.md section 5
EXIT_CODES = {
    "ToolkitError": 1,
    "UsageError": 2,
    "InvalidReference": 2,
    "InvalidDigest": 2,
    "InvalidPlatform": 2,
    "InvalidPlace": 2,
    "InvalidSetting": 2,
    "NotFound": 3,
    "Unsupported": 4,
    "CorruptContent": 5,
    "Mismatch": 5,
    "InvalidDocument": 5,
    "MissingMember": 5,
    "Misnamed": 5,
    "UnsafeArchive": 6,
    "StoreError": 7,
    "Gaps": 8,
    "TryAgain": 75,
}


def family(root: type[ToolkitError]) -> Iterator[type[ToolkitError]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


OURS = [kind for kind in family(ToolkitError) if kind.__module__ == errors.__name__]
kinds = st.sampled_from(OURS)
texts = st.text(st.characters(codec=None), max_size=80)


def test_every_error_has_its_exit_code() -> None:
    codes = {kind.__name__: kind.exit_code for kind in OURS}
    assert {name: codes[name] for name in EXIT_CODES} == EXIT_CODES


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    for kind in OURS:
        assert kind.__name__ in str(errors.__doc__)


def test_an_error_is_one_sentence() -> None:
    assert str(ToolkitError("app:1", "is not there", "try app:2")) == "app:1: is not there; try app:2"
    assert str(ToolkitError("app:1", "is not there")) == "app:1: is not there"
    assert str(ToolkitError("", "nothing to do")) == "nothing to do"


def test_a_mismatch_tells_both_facts() -> None:
    error = Mismatch("layer 1", "size", "", 3, 4)
    assert str(error) == "layer 1: size is 3, expected 4"
    assert (error.actual, error.expected) == (3, 4)


def test_two_equal_failures_are_two_errors() -> None:
    assert len({ToolkitError("a", "b"), ToolkitError("a", "b")}) == 2


@pytest.mark.property
@given(kinds, texts, texts, texts)
def test_an_error_survives_a_process_boundary(
    kind: type[ToolkitError], subject: str, problem: str, advice: str
) -> None:
    error = kind(subject, problem, advice)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == str(error)


@pytest.mark.property
@given(kinds, texts, texts, texts)
def test_an_error_never_shows_a_control_character(
    kind: type[ToolkitError], subject: str, problem: str, advice: str
) -> None:
    assert str(kind(subject, problem, advice)).isprintable()


@pytest.mark.property
@given(texts, texts, texts)
def test_a_mismatch_never_shows_a_control_character(subject: str, actual: str, expected: str) -> None:
    error = Mismatch(subject, "name", "", actual, expected)
    assert str(error).isprintable()
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)
