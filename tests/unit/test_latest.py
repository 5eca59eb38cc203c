"""What is kept of one value until another one is asked for."""

from __future__ import annotations

import pytest

from toolkit.latest import Latest


def test_an_equal_key_gets_what_was_made_and_another_one_replaces_it() -> None:
    latest, made = Latest[tuple[int, ...], object](), list[object]()

    def make() -> object:
        made.append(object())
        return made[-1]

    first = latest.get((1, 2), make)
    assert latest.get((1, 2), make) is first
    assert latest.get((3,), make) is not first
    assert latest.get((1, 2), make) is not first
    assert len(made) == 3


def test_what_could_not_be_made_is_tried_again_and_leaves_what_was_kept() -> None:
    latest = Latest[int, str]()

    def fail() -> str:
        raise ValueError("no")

    assert latest.get(1, lambda: "one") == "one"
    with pytest.raises(ValueError, match="no"):
        latest.get(2, fail)
    assert latest.get(1, fail) == "one"
    assert latest.get(2, lambda: "two") == "two"
