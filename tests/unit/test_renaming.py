"""Names are chosen on the way, and each name is one image's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, layout, sha256, written
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import InvalidReference, UsageError
from toolkit.operations.copy import copy
from toolkit.operations.renaming import Renamed, Renaming
from toolkit.ports import Source

APP, OTHER = image(ONE), image(ONE, TWO)
ASKED = ["app:1", "other:1"]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return open_bundle(written(tmp_path / "a.tar", layout(("app:1", APP), ("other:1", OTHER))))


def names_after(source: Source, folder: Path, asked: list[str], *words: str) -> list[tuple[str, ...]]:
    copy(Renamed(source, Renaming.of(words, asked)), create_bundle(folder / "b.tar"), asked)
    return [line.names for line in open_bundle(folder / "b.tar").listings()]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], [("app:1",), ("other:1",)]),
        (["app:1=new:2"], [("new:2",), ("other:1",)]),
        (["app:1=new:2", "app:1=new:3"], [("new:2", "new:3"), ("other:1",)]),
        (["app:1=app:1", "app:1=new:3"], [("app:1", "new:3"), ("other:1",)]),
        (["docker.io/library/app:1=r.example:5000/x/y"], [("other:1",), ("r.example:5000/x/y:latest",)]),
        (["app:1=other:1", "other:1=app:1"], [("app:1",), ("other:1",)]),
    ],
)
def test_an_image_is_called_as_it_was_asked(
    source: Source, tmp_path: Path, words: list[str], names: list[tuple[str, ...]]
) -> None:
    assert names_after(source, tmp_path, ASKED, *words) == names


def test_names_that_swap_swap_their_images(source: Source, tmp_path: Path) -> None:
    names_after(source, tmp_path, ASKED, "app:1=other:1", "other:1=app:1")
    ids = {line.names[0]: line.id for line in open_bundle(tmp_path / "b.tar").listings()}
    assert ids == {"app:1": sha256(OTHER.config), "other:1": sha256(APP.config)}


def test_of_one_image_the_new_name_is_enough_also_where_it_had_none(source: Source, tmp_path: Path) -> None:
    assert names_after(source, tmp_path, ["app:1"], "new:1") == [("new:1",)]
    assert names_after(source, tmp_path, [OTHER.digest], "new:1", "new:2") == [("new:1", "new:2")]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["gone:1=x:1"], "renames 'gone:1', which is not among the images asked for"),
        (["x:1"], "names one image, and 2 are asked for"),
        (["app:1=other:1"], "--tag app:1=other:1: makes other:1 of two images; give one of them another"),
        (["app:1=x:1", "other:1=docker.io/library/x:1"], "--tag other:1=docker.io/library/x:1: makes x:1 of"),
        ([f"app:1=x@{sha256(ONE)}"], "has a digest"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Renaming.of(words, ASKED)


@pytest.mark.parametrize("word", ["app:1=", "app:1=UPPER:1", "app:1=../x"])
def test_a_new_name_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(InvalidReference):
        Renaming.of([word], ASKED)


def test_layers_and_findings_stay_the_images_own(source: Source) -> None:
    renamed = Renamed(source, Renaming.of(["app:1=x:1"], ASKED)).image("app:1")
    assert (renamed.layers, renamed.findings) == (source.image("app:1").layers, ())
