from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.errors import UnsafeArchive
from toolkit.plumbing.hiding import Hiding
from toolkit.plumbing.nametable import NameTable
from toolkit.plumbing.tree import Tree


class Layer:
    """A tree, and which paths of it are the layer's own."""

    def __init__(self, top: Path, tree: Tree) -> None:
        self.top, self.named, self.filled = top, NameTable(), NameTable()
        self.bare = list[bytes]()
        self.hiding = Hiding(tree, self.named, self.filled, self.bare.append)

    def lower(self, *names: str) -> None:
        for name in names:
            path = self.top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def own(self, name: str) -> None:
        self.lower(name)
        self.named.add(name.encode())
        for folder in Path(name).parents:
            self.filled.add(os.fsencode(folder))

    def left(self) -> list[str]:
        return sorted(str(path.relative_to(self.top)) for path in self.top.rglob("*") if not path.is_dir())


@pytest.fixture
def layer(tmp_path: Path) -> Iterator[Layer]:
    with Tree(tmp_path) as tree:
        yield Layer(tmp_path, tree)


def test_what_lower_layers_have_goes_and_what_the_layer_has_stays(layer: Layer) -> None:
    layer.lower("d/a", "d/e/b", "d/f/g/c", "d/h/i", "kept")
    layer.own("d/e/own")
    layer.own("d/f/g/own")
    layer.hiding.hide([b"d"])
    assert layer.left() == ["d/e/own", "d/f/g/own", "kept"]
    assert not (layer.top / "d/h").exists()


def test_folders_that_stay_for_what_lies_in_them_are_told(layer: Layer) -> None:
    layer.lower("d/e/a", "d/f/a")
    layer.own("d/e/own")
    layer.own("d/f/own")
    layer.named.add(b"d/f")
    layer.hiding.hide([b"d"])
    assert layer.bare == [b"d/e"]
    layer.hiding.hide([])
    assert layer.bare == [b"d/e", b"d"]


def test_thousands_of_names_in_one_folder_go(layer: Layer) -> None:
    layer.lower(*(f"d/{number}" for number in range(3000)))
    layer.own("d/own")
    layer.hiding.hide([b"d"])
    assert layer.left() == ["d/own"]


def test_each_folder_is_gone_through_once(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a chain of opaque folders over many files would take time without end (formats G.5)."""
    deep = "/".join("abcdefgh")
    for number in range(20):
        layer.own(f"{deep}/{number}")
    seen, scan = list[int](), os.scandir

    def scanned(folder: int) -> object:
        seen.append(folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scanned)
    for depth in range(8, -1, -1):
        layer.hiding.hide([name.encode() for name in deep.split("/")[:depth]])
    assert len(seen) <= 2 * 9
    assert len(layer.left()) == 20


def test_a_link_that_files_were_put_behind_is_not_taken_away(layer: Layer) -> None:
    layer.lower("d/x")
    (layer.top / "link").symlink_to("d")
    layer.filled.add(b"link")
    with pytest.raises(UnsafeArchive, match="takes away a link"):
        layer.hiding.hide([])


def test_a_folder_is_left_open_by_nobody(layer: Layer) -> None:
    before = set(os.listdir("/proc/self/fd"))
    layer.lower("a/b/c/d", "a/e")
    layer.own("a/b/c/own")
    layer.hiding.hide([])
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 4  # those that the tree keeps: a, b, c
