"""layersize: the rules of formats A.4, counted by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.archives import Link
from tests.graphs import fill
from toolkit.ancestry import Layersize
from toolkit.plumbing.tree import Tree
from toolkit.stores.trees.sizes import matched, size_findings, tree_sizes


def never() -> int:
    raise AssertionError


def test_the_rule_of_the_driver_is_tried_first() -> None:
    assert matched(Layersize("5", "vfs"), "S5", {"S3": never, "S5": lambda: 5}).rule == "S5"


@pytest.mark.parametrize(("text", "rule"), [("3", "S3"), ("4", "S4"), ("5", "S5"), ("6", "")])
def test_the_rule_that_fits_is_named(text: str, rule: str) -> None:
    rules = {"S3": lambda: 3, "S4": lambda: 4, "S5": lambda: 5}
    size = Layersize(text, "vfs")
    assert matched(size, "S5", rules) == Layersize(text, "vfs", rule)


@pytest.mark.parametrize("text", [None, "-1", "5\n"])
def test_what_is_no_number_is_held_against_nothing(text: str | None) -> None:
    assert matched(Layersize(text), "S5", {"S5": never}).rule == ""


def test_a_tree_is_counted_each_inode_once(tmp_path: Path) -> None:
    """S3: 5 + 3 + a link as long as its target, 6; S2: folders and the root beside that."""
    folder = fill(
        tmp_path / "tree",
        {"d/a": b"12345", "d/b": Link("d/a", hard=True), "c": b"123", "link": Link("target")},
    )
    folders = os.stat(folder).st_size + os.stat(folder / "d").st_size
    with Tree(folder) as tree:
        assert tree_sizes(tree) == {"S2": 14 + folders, "S3": 14}


def test_a_sparse_file_counts_as_long_as_it_seems(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(1 << 30)
    with Tree(tmp_path) as tree:
        assert tree_sizes(tree)["S3"] == 1 << 30


@pytest.mark.parametrize(
    ("size", "severity", "problem"),
    [
        (Layersize("5", "aufs"), "warning", "layersize is 5, which no rule of the aufs driver gives"),
        (Layersize("x", "aufs"), "warning", "layersize is 'x', expected decimal digits and nothing else"),
        (Layersize("", "aufs"), "warning", "layersize is '', expected decimal digits and nothing else"),
        (Layersize(None, "aufs"), "note", "layersize is not recorded"),
        (Layersize("-1", "aufs"), "note", "layersize is not recorded"),
    ],
)
def test_what_is_wrong_with_a_size_is_told(size: Layersize, severity: str, problem: str) -> None:
    (finding,) = size_findings("layer a", size)
    assert (finding.severity, finding.problem, finding.subject) == (severity, problem, "layer a")


def test_a_size_that_follows_a_rule_is_fine() -> None:
    assert size_findings("a" * 64, Layersize("0", "aufs", "S3")) == []
