from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.errors import UnsafeArchive
from toolkit.plumbing import inside
from toolkit.plumbing.inside import HOPS, Inside
from toolkit.plumbing.tree import Tree


class World:
    def __init__(self, top: Path, tree: Tree) -> None:
        self.top, self.met = top, list[bytes]()
        self.inside = Inside(tree, self.met.append, 16)

    def link(self, name: str, target: str) -> None:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def find(self, name: str) -> str:
        return b"/".join(self.inside.find(name.encode().split(b"/"))).decode()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "usr/bin").mkdir(parents=True)
    with Tree(tmp_path) as tree:
        yield World(tmp_path, tree)


@pytest.mark.parametrize("name", ["usr/bin", "usr/none", "no/such/path"])
def test_a_path_without_links_is_itself(world: World, name: str) -> None:
    assert (world.find(name), world.met) == (name, [])


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("usr/bin", "usr/bin"), ("/usr/bin", "usr/bin"), ("//usr/./bin/", "usr/bin"), ("/", ""), (".", ""),
        ("..", ""), ("../../../usr", "usr"), ("/../etc/passwd", "etc/passwd"), ("usr/bin/..", "usr"),
        ("gone/../usr", "usr"), ("/proc/self/root", "proc/self/root"),
    ],
)  # fmt: skip
def test_a_link_is_followed_as_in_a_chroot(world: World, target: str, found: str) -> None:
    world.link("bin", target)
    assert world.find("bin") == found
    assert world.find("bin/x") == f"{found}/x".lstrip("/")
    assert world.met == [b"bin"] * 2


def test_dots_behind_a_link_are_those_of_its_target(world: World) -> None:
    world.link("a/link", "../usr/bin")
    world.link("b", "a/link/..")
    assert world.find("b") == "usr"
    assert (world.top / "b").resolve() == (world.top / "usr").resolve()  # as the kernel sees it


def test_a_chain_of_links_is_followed_and_a_long_one_is_not(world: World) -> None:
    for number in range(HOPS):
        world.link(f"l{number}", f"l{number + 1}" if number + 1 < HOPS else "usr")
    assert world.find("l0") == "usr"
    world.link("more", "l0")
    with pytest.raises(UnsafeArchive, match="more than 40 links"):
        world.find("more")


def test_a_link_to_itself_ends(world: World) -> None:
    world.link("a", "a/b")
    with pytest.raises(UnsafeArchive, match="more than 40 links"):
        world.find("a")


def test_links_lead_no_deeper_than_is_allowed(world: World) -> None:
    world.link("deep", "/".join("d" * 17))
    with pytest.raises(UnsafeArchive, match="more than 16 folders down"):
        world.find("deep")


def test_all_links_together_have_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer has millions of entries, and each could lead through forty links of two thousand names."""
    monkeypatch.setattr(inside, "STEPS", 1000)
    world.link("long", "usr/../" * 50 + "usr")
    for _ in range(9):
        world.find("long")
    with pytest.raises(UnsafeArchive, match="1000 names together"):
        world.find("long")


def test_a_file_on_the_way_is_no_link(world: World) -> None:
    (world.top / "file").write_text("x")
    assert world.find("file/x") == "file/x"


def test_what_meets_a_link_may_refuse_it(tmp_path: Path) -> None:
    os.symlink("/", tmp_path / "a")

    def refuse(path: bytes) -> None:
        raise UnsafeArchive("", f"met {path.decode()}")

    with Tree(tmp_path) as tree, pytest.raises(UnsafeArchive, match="met a"):
        Inside(tree, refuse, 16).find([b"a", b"x"])
