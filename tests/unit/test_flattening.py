from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.layers import file, folder, layer, symlink
from toolkit.errors import UnsafeArchive
from toolkit.plumbing.filetable import FileTable
from toolkit.plumbing.flattening import Flattening, side_by_side
from toolkit.plumbing.layerfiles import list_files
from toolkit.plumbing.odd import Odd
from toolkit.plumbing.tarball import Entries
from toolkit.plumbing.tarreader import StreamReader


def shown(*layers: bytes, order: Sequence[int] | None = None) -> tuple[dict[str, int | None], Odd]:
    """Each path that an image of these layers shows, with the layer that describes it (None: no layer does)."""
    with FileTable() as table:
        for number, tar in enumerate(layers):
            list_files(Entries(StreamReader(iter([tar])), "layer"), number, table, "layer", hashed=False)
        image, nothing = Flattening(range(len(layers)) if order is None else order), Flattening([])
        found = {
            path.decode(): row.layer if row.facts else None
            for path, row, other in side_by_side(table.rows(), image, nothing)
            if row and not other
        }
    return found, image.shadowed


BASE = layer(
    folder("etc/"), file("etc/a"), file("etc/b"), folder("usr/"), folder("usr/bin/"), file("usr/bin/x")
)


def test_an_upper_layer_covers_a_lower_one() -> None:
    assert shown(BASE, layer(folder("etc/"), file("etc/b"), file("etc/c"))) == (
        {"etc": 1, "etc/a": 0, "etc/b": 1, "etc/c": 1, "usr": 0, "usr/bin": 0, "usr/bin/x": 0},
        Odd(),
    )


def test_a_whiteout_takes_away_a_file_or_a_whole_folder_of_lower_layers() -> None:
    found, _ = shown(BASE, layer(file("etc/.wh.a"), file(".wh.usr")))
    assert found == {"etc": 0, "etc/b": 0}


@pytest.mark.parametrize("names", [(".wh.etc", "etc/new"), ("etc/new", ".wh.etc")])
def test_a_whiteout_never_takes_away_what_its_own_layer_brings(names: tuple[str, str]) -> None:
    found, odd = shown(BASE, layer(*map(file, names)))
    assert found == {"etc": None, "etc/new": 1, "usr": 0, "usr/bin": 0, "usr/bin/x": 0}
    assert odd == Odd()


def test_a_whiteout_of_nothing_that_is_there_does_nothing() -> None:
    assert shown(BASE, layer(file("etc/.wh.none"), file("none/.wh.none")))[0] == {
        **shown(BASE)[0],
        "none": None,
    }


def test_what_was_taken_away_may_come_back() -> None:
    found, _ = shown(BASE, layer(file(".wh.usr")), layer(folder("usr/"), file("usr/new")))
    assert found == {"etc": 0, "etc/a": 0, "etc/b": 0, "usr": 2, "usr/new": 2}


@pytest.mark.parametrize("place", [0, 2])
def test_an_opaque_folder_hides_lower_layers_and_keeps_its_own(place: int) -> None:
    members = [folder("usr/"), file("usr/new")]
    members.insert(place, file("usr/.wh..wh..opq"))
    found, _ = shown(BASE, layer(*members))
    assert found == {"etc": 0, "etc/a": 0, "etc/b": 0, "usr": 1, "usr/new": 1}


def test_an_opaque_marker_without_an_entry_leaves_the_folder_as_it_was() -> None:
    assert shown(BASE, layer(file("usr/.wh..wh..opq")))[0] == {"etc": 0, "etc/a": 0, "etc/b": 0, "usr": 0}


def test_the_whole_image_may_be_opaque() -> None:
    assert shown(BASE, layer(file(".wh..wh..opq"), file("x")))[0] == {"x": 1}
    assert shown(BASE, layer(file(".wh..wh..opq")), layer(file("y")))[0] == {"y": 2}


def test_a_file_in_place_of_a_folder_hides_all_that_was_in_it() -> None:
    assert shown(BASE, layer(file("usr")))[0] == {"etc": 0, "etc/a": 0, "etc/b": 0, "usr": 1}


def test_a_folder_in_place_of_a_file_hides_what_was_below_the_file() -> None:
    found, odd = shown(BASE, layer(symlink("usr", "etc")), layer(folder("usr/"), file("usr/y")))
    assert found == {"etc": 0, "etc/a": 0, "etc/b": 0, "usr": 2, "usr/y": 2}
    assert odd == Odd()


def test_a_file_below_a_link_of_a_lower_layer_makes_it_a_folder_and_is_noted() -> None:
    found, odd = shown(layer(symlink("lib", "usr/lib"), file("x")), layer(file("lib/y")), layer(file("x/z")))
    assert found == {"lib": None, "lib/y": 1, "x": None, "x/z": 2}
    assert odd == Odd(2, "lib")
    assert str(odd) == "lib and 1 more"


def test_a_file_below_a_file_of_the_same_layer_is_refused() -> None:
    with pytest.raises(UnsafeArchive, match=r"^usr/x: is a link or a file, and other entries"):
        shown(layer(symlink("usr/x", "y"), file("usr/x/z")))


def test_a_file_below_a_file_that_nobody_sees_is_not_looked_at() -> None:
    assert shown(layer(file("x"), file("x/z")), layer(file(".wh.x"), file("y")))[0] == {"y": 1}


def test_files_of_aufs_itself_are_not_shown() -> None:
    members = [
        file(".wh..wh.aufs"),
        folder(".wh..wh.plnk/"),
        file(".wh..wh.plnk/1.2"),
        folder(".wh..wh.orph/"),
    ]
    assert shown(layer(*members, file("x")))[0] == {"x": 0}


def test_only_the_layers_of_the_image_count_each_at_its_highest_place() -> None:
    one, two = layer(file("x"), file("y")), layer(file("x"), file(".wh.y"))
    assert shown(one, two, order=[0]) == ({"x": 0, "y": 0}, Odd())
    assert shown(one, two, order=[1]) == ({"x": 1}, Odd())
    assert shown(one, two, order=[0, 1])[0] == {"x": 1}
    assert shown(one, two, order=[0, 1, 0])[0] == {"x": 0, "y": 0}
    assert shown(one, two, order=[])[0] == {}


def test_a_name_that_begins_like_a_hiding_folder_is_not_in_it() -> None:
    lower = layer(folder("a/"), file("a/x"), folder("a b/"), file("a b/x"), file("a!"))
    assert set(shown(lower, layer(file(".wh.a")))[0]) == {"a b", "a b/x", "a!"}


# ── the law: what formats E.5 says, done the slow way with a dict ──

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
KINDS = st.sampled_from(["file", "folder", "whiteout", "opaque"])


class Slow(dict[str, tuple[str, int | None]]):
    """A tree of all that an image shows: its kind, and the layer that describes it."""

    def remove(self, top: str, *, itself: bool = True) -> None:
        for path in list(self):
            if path.startswith(top + "/") or (itself and path == top):
                del self[path]

    def imply(self, parts: list[str]) -> None:
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            if not self.is_folder(path):
                self.put(path, "folder", None)

    def put(self, path: str, kind: str, number: int | None) -> None:
        if kind == "file" or not self.is_folder(path):
            self.remove(path)
        self[path] = (kind, number)

    def is_folder(self, path: str) -> bool:
        return path in self and self[path][0] == "folder"


def slow(layers: Sequence[dict[str, str]]) -> dict[str, int | None]:
    """Collect a layer's whiteouts, apply them to the lower state, then apply its other entries in order."""
    tree = Slow()
    for number, entries in enumerate(layers):
        hidden = {path: kind for path, kind in entries.items() if kind in {"whiteout", "opaque"}}
        for path, kind in hidden.items():
            tree.remove(path, itself=kind == "whiteout")
        for path, kind in entries.items():
            parts = path.split("/")
            tree.imply(parts if kind == "opaque" else parts[:-1])
            if path not in hidden:
                tree.put(path, kind, number)
    return {path: number for path, (_, number) in tree.items()}


def as_tar(entries: dict[str, str]) -> bytes:
    members = []
    for path, kind in entries.items():
        above, _, name = path.rpartition("/")
        at = f"{above}/" if above else ""
        members.append(
            {
                "file": file(path),
                "folder": folder(path + "/"),
                "whiteout": file(f"{at}.wh.{name}"),
                "opaque": file(f"{path}/.wh..wh..opq"),
            }[kind]
        )
    return layer(*members)


def has_no_file_with_something_in_it(entries: dict[str, str]) -> bool:
    return not any(
        kind == "file" and any(other.startswith(path + "/") for other in entries)
        for path, kind in entries.items()
    )


LAYERS = st.lists(
    st.dictionaries(PATHS, KINDS, max_size=6).filter(has_no_file_with_something_in_it), min_size=1, max_size=4
)


@pytest.mark.property
@given(LAYERS)
def test_layers_are_laid_over_one_another_as_the_rule_says(layers: list[dict[str, str]]) -> None:
    assert shown(*map(as_tar, layers))[0] == slow(layers)
