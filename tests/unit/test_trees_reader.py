"""A tree as the tar it stands for: the reader says what vouches for it."""

from __future__ import annotations

from pathlib import Path

from tests.graphs import fill
from toolkit.plumbing.tree import Tree
from toolkit.stores.trees.differ import all_changes
from toolkit.stores.trees.reader import TreeReader


def test_without_a_tar_split_nothing_vouches_for_the_tar_and_it_is_always_the_same(tmp_path: Path) -> None:
    fill(tmp_path / "tree", {"a": b"12345", "b": b""})
    with Tree(tmp_path / "tree") as tree:
        reader = TreeReader(tree, None, lambda: all_changes(tree), "layer x")
        measure = reader.measure()
        first, again = (b"".join(map(bytes, reader.content(measure.size).blocks())) for _ in range(2))
        assert reader.proof == "rebuilt"
        assert (len(first), first) == (measure.size, again)
        assert (measure.header_sizes, reader.files_and_links(measure, None)) == (5, 5)
