"""Totals of legacy chains: each layer is read once, however many images stand on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.graphs import legacy_layer
from toolkit.errors import ToolkitError
from toolkit.stores.graph.root import GraphRoot
from toolkit.stores.graph.totals import Totals

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def root(tmp_path: Path) -> GraphRoot:
    legacy_layer(tmp_path, "aufs", A, {}, size="5")
    legacy_layer(tmp_path, "aufs", B, {}, parent=A, size="7")
    legacy_layer(tmp_path, "aufs", C, {}, parent=B)
    return GraphRoot(tmp_path)


def test_the_size_of_a_chain_is_that_of_its_layers(root: GraphRoot) -> None:
    totals = Totals(root, "aufs")
    assert [totals.size(root.layer(layer_id)) for layer_id in (B, A)] == [12, 5]
    assert totals.size(root.layer(C)) is None  # one is not recorded


def test_a_chain_that_cannot_be_read_is_told_each_time(tmp_path: Path, root: GraphRoot) -> None:
    (tmp_path / "graph" / A / "json").unlink()
    totals = Totals(root, "aufs")
    for layer_id in (B, C):
        with pytest.raises(ToolkitError, match="is not there"):
            totals.size(root.layer(layer_id))
