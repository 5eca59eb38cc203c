"""Rebuilt tars, read back by Python's own tarfile."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from tests.archives import Folder, Link
from tests.graphs import SOME_TIME, fill
from toolkit.errors import CorruptContent, Mismatch
from toolkit.plumbing.tarsplit import Measure
from toolkit.plumbing.tree import Tree
from toolkit.stores.trees.differ import Change, all_changes
from toolkit.stores.trees.rebuild import Rebuilt

LONG = "n" * 120 + "ü"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill(
        tmp_path / "tree",
        {
            "d": Folder(),
            "d/a": b"12345",
            "d/b": Link("d/a", hard=True),
            "e": b"",
            "link": Link("d/a"),
            LONG: b"x" * 600,
        },
    )


def rebuilt(tree: Tree) -> Rebuilt:
    return Rebuilt(tree, lambda: all_changes(tree))


def read(raw: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return tar.getmembers()


def test_every_file_comes_back_as_it_is_on_disk(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "e").chmod(0o4755)
    with Tree(folder) as tree:
        raw = b"".join(map(bytes, rebuilt(tree).blocks()))
    members = {member.name: member for member in read(raw)}
    assert list(members) == ["d", "d/a", "d/b", "e", "fifo", "link", LONG]
    assert [members[name].type for name in ("d", "d/a", "d/b", "fifo", "link")] == [
        b"5",
        b"0",
        b"1",
        b"6",
        b"2",
    ]
    assert (members["d/b"].linkname, members["link"].linkname) == ("d/a", "d/a")
    assert members["e"].mode == 0o4755
    assert {member.uid for member in members.values()} == {os.geteuid()}
    assert members["d/a"].mtime == SOME_TIME
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        file = tar.extractfile(LONG)
        assert file
        assert file.read() == b"x" * 600


def test_what_is_measured_is_what_comes(folder: Path) -> None:
    with Tree(folder) as tree:
        one = rebuilt(tree)
        raw = b"".join(map(bytes, one.blocks()))
        assert one.measure() == Measure(len(raw), 5 + 600, 5 + 600, has_end=True)
        assert b"".join(map(bytes, one.blocks())) == raw  # and always the same


def test_a_deletion_becomes_a_whiteout_of_no_time(folder: Path) -> None:
    with Tree(folder) as tree:
        raw = b"".join(
            map(bytes, Rebuilt(tree, lambda: [Change(b"gone", None), Change(b"d/x/gone", None)]).blocks())
        )
    assert [(each.name, each.type, each.size, each.mtime, each.mode) for each in read(raw)] == [
        (".wh.gone", b"0", 0, 0, 0), ("d/x/.wh.gone", b"0", 0, 0, 0),
    ]  # fmt: skip


def test_a_socket_has_no_place_in_a_tar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
        with Tree(tmp_path) as tree:
            assert b"".join(map(bytes, rebuilt(tree).blocks())) == bytes(1024)


def test_a_second_name_is_a_link_only_among_the_names_that_go_in(folder: Path) -> None:
    """`st_nlink` counts names of other layers too (formats A.9.2)."""
    os.link(folder / "e", folder.parent / "of another layer")
    with Tree(folder) as tree:
        facts = os.stat(folder / "e")
        raw = b"".join(map(bytes, Rebuilt(tree, lambda: [Change(b"e", facts)]).blocks()))
    assert [(member.name, member.type) for member in read(raw)] == [("e", b"0")]


def test_a_file_that_changes_meanwhile_is_a_mismatch(folder: Path) -> None:
    with Tree(folder) as tree:
        changes = list(all_changes(tree))
        (folder / "d/a").write_bytes(b"longer than before")
        with pytest.raises(Mismatch, match=r"d/a: size is 18, expected 5; it changed while it was read"):
            list(Rebuilt(tree, lambda: changes).blocks())


@pytest.mark.parametrize("name", ["d/a", "e", "link", LONG])
@pytest.mark.parametrize("instead", ["nothing", "a folder"])
def test_a_file_that_goes_meanwhile_is_told_with_its_path(folder: Path, name: str, instead: str) -> None:
    with Tree(folder) as tree:
        changes = list(all_changes(tree))
        (folder / name).unlink()
        if instead == "a folder":
            (folder / name).mkdir()
        with pytest.raises(CorruptContent, match=f"/{name}: came and went while it was read"):
            list(Rebuilt(tree, lambda: changes).blocks())
