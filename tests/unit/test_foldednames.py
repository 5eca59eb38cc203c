from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from toolkit.errors import UnsafeArchive
from toolkit.plumbing.foldednames import FoldedNames, folds_names


def test_a_file_system_that_tells_names_apart_is_known_and_nothing_is_left_there(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        assert folds_names(handle) is (tmp_path / "CASE").exists()
    finally:
        os.close(handle)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fold", [bytes.lower, lambda name: name.replace(b"e\xcc\x81", b"\xc3\xa9")])
def test_one_that_takes_names_for_one_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fold: Any
) -> None:
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda name, **words: stat(fold(name), **words))
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        assert folds_names(handle)
    finally:
        os.close(handle)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a/b", "a/B"), ("a/b", "A/c"), ("é", "e\u0301"), ("É", "e\u0301"), ("STRASSE", "straße"),
        ("\udcff/a", "\udcff/A"), ("K", "\N{KELVIN SIGN}"),
    ],
)  # fmt: skip
def test_twins_are_refused(one: str, other: str) -> None:
    names = FoldedNames()
    names.add(os.fsencode(one).split(b"/"))
    with pytest.raises(UnsafeArchive, match="but for case or accents"):
        names.add(os.fsencode(other).split(b"/"))


def test_one_name_may_come_often() -> None:
    names = FoldedNames()
    for _ in range(3):
        names.add([b"A", b"b"])
        names.add([b"A", b"c"])
        names.add([b"A"])
