"""Legacy roots whose layers are few on the disk and very many to walk over, or to hold in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.archives import Body, encode, v1_folder, v1_json, written
from tests.graphs import legacy_layer, name
from toolkit.ancestry import V1Layer
from toolkit.bundles import open_bundle
from toolkit.bundles.v1_part import V1Part
from toolkit.errors import ToolkitError, UnsafeArchive
from toolkit.stores.graph import root as graph_root
from toolkit.stores.graph.root import GraphRoot
from toolkit.stores.graph.store import GraphStore

CHAIN_LIMIT = 1024


def ids(count: int) -> list[str]:
    return [f"{number:064x}" for number in range(count)]


def chained(root: Path, count: int, below: str = "", **extra: object) -> list[str]:
    """Put a chain of layers of a byte each, base first."""
    (root / "aufs/diff").mkdir(parents=True)
    for layer_id in ids(count):
        folder = root / "graph" / layer_id
        folder.mkdir(parents=True)
        told = {"id": layer_id, **({"parent": below} if below else {}), **extra}
        (folder / "json").write_text(json.dumps(told))
        (folder / "layersize").write_text("1")
        below = layer_id
    return ids(count)


def test_a_chain_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    *_, top = chained(tmp_path, 40, comment="x" * 900_000)
    name(tmp_path, "aufs", latest=top)
    with pytest.raises(UnsafeArchive, match=f"image {top[:12]}: names documents of more than 16777216 bytes"):
        GraphStore(tmp_path).image("app:latest")
    (line,) = GraphStore(tmp_path).listings()  # which holds one at a time
    assert (line.size, line.problem) == (40, "")


def test_tags_all_along_a_chain_are_listed_with_one_look_at_each_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 50
    for number, layer_id in enumerate(chained(tmp_path, count)):
        name(tmp_path, "aufs", **{f"t{other}": ids(count)[other] for other in range(number + 1)})
        assert layer_id
    asked: list[str] = []
    size = GraphRoot.layersize

    def counted(self: GraphRoot, layer_id: str, driver: str) -> object:
        asked.append(layer_id)
        return size(self, layer_id, driver)

    monkeypatch.setattr(GraphRoot, "layersize", counted)
    lines = GraphStore(tmp_path).listings()
    assert sorted(line.size or 0 for line in lines) == list(range(1, count + 1))
    assert sorted(asked) == ids(count)


@pytest.mark.parametrize(
    ("count", "below", "sentence"),
    [
        (CHAIN_LIMIT + 1, "", f"has more than {CHAIN_LIMIT} ancestors"),
        (3, ids(3)[2], "the parents form a cycle"),
        (3, "f" * 64, "json is not there"),
    ],
)
def test_what_is_wrong_with_a_chain_is_told_of_every_image_on_it(
    tmp_path: Path, count: int, below: str, sentence: str
) -> None:
    *_, middle, top = chained(tmp_path, count, below)
    name(tmp_path, "aufs", latest=top, other=top, middle=middle)
    problems = {line.names: line.problem for line in GraphStore(tmp_path).listings()}
    assert sentence in problems["app:latest", "app:other"]
    if count == 3:
        assert sentence in problems[("app:middle",)]
    with pytest.raises(ToolkitError, match=sentence):
        GraphStore(tmp_path).image("app:latest")


def test_a_name_that_is_a_path_is_told_and_not_followed(tmp_path: Path) -> None:
    legacy_layer(tmp_path, "aufs", "a" * 64, {})
    name(tmp_path, "aufs", latest="../../etc")
    line, _ = GraphStore(tmp_path).listings()
    assert "'../../etc': is no layer ID" in line.problem


def test_more_layers_than_can_be_listed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chained(tmp_path, 4)
    name(tmp_path, "aufs")
    monkeypatch.setattr(graph_root, "LAYERS", 3)
    with pytest.raises(UnsafeArchive, match="graph: holds 4 layers, expected at most 3"):
        GraphStore(tmp_path).listings()


def a_bundle(folder: Path, count: int, **extra: object) -> Path:
    """Write a docker-v1 bundle of one chain, each of whose layers has a name."""
    members: dict[str, Body] = {}
    for number, layer_id in enumerate(ids(count)):
        below = ids(count)[number - 1] if number else ""
        members |= v1_folder(layer_id, below, json_=v1_json(layer_id, below, **extra))
    members["repositories"] = encode({"app": {f"t{number}": id_ for number, id_ in enumerate(ids(count))}})
    return written(folder / "a.tar", members)


@pytest.mark.parametrize("extra", [{"comment": "x" * 900_000}, {"config": {"x": [{}] * 9000}}])
def test_a_bundles_chain_that_fills_the_memory_is_refused(tmp_path: Path, extra: dict[str, object]) -> None:
    source = open_bundle(a_bundle(tmp_path, 40, **extra))
    with pytest.raises(
        UnsafeArchive, match=f"image {ids(40)[-1][:12]}: names documents of more than 16777216"
    ):
        source.image("app:t39")
    lines = source.listings()
    assert [(line.id, line.problem) for line in lines if line.names == ("app:t39",)] == [(ids(40)[-1], "")]


def test_a_bundles_layers_are_looked_at_twice_however_many_chains_they_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, asked = 50, list[str]()
    source = open_bundle(a_bundle(tmp_path, count))
    layer = V1Part.layer

    def counted(self: V1Part, folder: str) -> V1Layer:
        asked.append(folder)
        return layer(self, folder)

    monkeypatch.setattr(V1Part, "layer", counted)
    assert len(source.listings()) == count
    assert sorted(asked) == sorted(ids(count) * 2)
