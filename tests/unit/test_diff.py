from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    ONE,
    TWO,
    A,
    B,
    C,
    Link,
    Picture,
    encode,
    image,
    index,
    layout,
    sha256,
    v1_folder,
    v1_json,
    written,
)
from tests.graphs import legacy_layer, name
from tests.layers import file, layer
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import NotFound
from toolkit.model import HistoryItem
from toolkit.operations.copy import copy
from toolkit.operations.diff import Asked, Change, Difference, LayerLine, Split, diff, split, told
from toolkit.platform import Platform
from toolkit.stores.graph.store import GraphStore

THREE = layer(file("three", b"333"))
DATE = "2020-01-02T03:04:05Z"


def modern(folder: Path, picture: Picture, stem: str = "in") -> Asked:
    path = written(folder / f"{stem}.tar", layout(("app:1", picture)))
    return Asked(open_bundle(path), "app:1")


def legacy(
    folder: Path, ids: Sequence[str], stem: str = "old", jsons: Mapping[str, bytes] | None = None
) -> Asked:
    members: dict[str, Any] = {}
    for own, parent in zip(ids, ("", *ids), strict=False):
        members |= v1_folder(own, parent, ONE, (jsons or {}).get(own, b""))
    members["repositories"] = encode({"app": {"1": ids[-1]}})
    return Asked(open_bundle(written(folder / f"{stem}.tar", members)), "app:1")


def compared(left: Asked, right: Asked) -> Difference:
    return diff(told(left), told(right))


def configs(folder: Path, left: dict[str, Any], right: dict[str, Any]) -> list[Change]:
    """What differs in config members, of two images that have nothing else."""
    pictures = image(ONE, **left), image(ONE, **right)
    sides = [modern(folder, picture, stem) for picture, stem in zip(pictures, "ab", strict=True)]
    return [change for change in compared(*sides).changes if change.fact not in {"image_id", "manifest"}]


# ── two modern images ──


def test_what_an_engine_leaves_out_of_one_config_is_no_difference(tmp_path: Path) -> None:
    whole = told(modern(tmp_path, image(ONE, created=DATE, comment="made", history=[{"comment": "made"}])))
    [line] = whole.outline.layers
    less = replace(line, history=HistoryItem(created=DATE))
    engine = replace(whole, top="", outline=replace(whole.outline, created=None, others={}, layers=(less,)))
    found = diff(whole, engine)
    assert (found.same, found.changes, found.history) == (True, (), Split(1))
    other = replace(engine, outline=replace(engine.outline, id=sha256(TWO)))
    assert {change.fact for change in diff(whole, other).changes} == {"image_id", "created", "comment"}


def test_an_image_is_the_same_as_itself(tmp_path: Path) -> None:
    asked = modern(tmp_path, image(ONE, TWO, created=DATE, history=[{"created_by": "x"}]))
    found = compared(asked, asked)
    assert (found.same, found.changes, found.not_compared) == (True, (), ())
    assert found.layers == Split(2)
    assert found.layers_by == "diff_id"
    assert found.history == Split(1)


def test_each_fact_that_differs_is_told(tmp_path: Path) -> None:
    old = image(ONE, created=DATE, author="me")
    new = image(ONE, THREE, architecture="arm64", created="2021-01-02T03:04:05Z", author="you")
    found = compared(modern(tmp_path, old, "old"), modern(tmp_path, new, "new"))
    assert not found.same
    assert found.changes == (
        Change("image_id", "", sha256(old.config), sha256(new.config)),
        Change("manifest", "", old.digest, new.digest),
        Change("platform", "", "linux/amd64", "linux/arm64"),
        Change("created", "", DATE, "2021-01-02T03:04:05Z"),
        Change("author", "", "me", "you"),
        Change("size", "", len(ONE), len(ONE) + len(THREE)),
    )


def test_an_image_without_layers_has_a_size(tmp_path: Path) -> None:
    found = compared(modern(tmp_path, image(), "none"), modern(tmp_path, image(ONE), "one"))
    assert found.changes[2:] == (Change("size", "", 0, len(ONE)),)
    assert found.layers == Split(0, (), (LayerLine(sha256(ONE), len(ONE)),))


def test_layers_are_the_same_from_the_base_up(tmp_path: Path) -> None:
    sides = modern(tmp_path, image(ONE, TWO, THREE), "a"), modern(tmp_path, image(ONE, THREE), "b")
    assert compared(*sides).layers == Split(1, (LayerLine(sha256(TWO), len(TWO)),), (), 1)


def test_lines_of_history_that_differ_stand_between_those_that_do_not(tmp_path: Path) -> None:
    first, last, made, other = (
        {"created": DATE, "created_by": text, "empty_layer": True} for text in ("a", "z", "b", "c")
    )
    sides = (
        modern(tmp_path, image(ONE, history=[first, made, last]), "a"),
        modern(tmp_path, image(ONE, history=[first, other, other, last]), "b"),
    )
    item = HistoryItem(DATE, "c", empty_layer=True)
    assert compared(*sides).history == Split(1, (HistoryItem(DATE, "b", empty_layer=True),), (item, item), 1)


def test_an_environment_is_compared_variable_by_variable(tmp_path: Path) -> None:
    left = {"config": {"Env": ["PATH=/bin", "LANG=C", "SAME=1", "EMPTY"]}}
    right = {"config": {"Env": ["SAME=1", "PATH=/usr/bin", "NEW=", "EMPTY="]}}
    assert configs(tmp_path, left, right) == [
        Change("config.Env", "EMPTY", "EMPTY", "EMPTY="),
        Change("config.Env", "LANG", "LANG=C", None),
        Change("config.Env", "NEW", None, "NEW="),
        Change("config.Env", "PATH", "PATH=/bin", "PATH=/usr/bin"),
    ]


def test_labels_ports_and_volumes_are_compared_one_by_one(tmp_path: Path) -> None:
    left = {
        "Labels": {"a": "1", "b": "2", "blank": ""},
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/x": {}},
    }
    right = {"Labels": {"a": "1", "b": "3"}, "ExposedPorts": {"80/tcp": None, "81/tcp": {}}, "Volumes": None}
    assert configs(tmp_path, {"config": left}, {"config": right}) == [
        Change("config.ExposedPorts", "81/tcp", None, {}),
        Change("config.Labels", "b", "2", "3"),
        Change("config.Labels", "blank", "", None),
        Change("config.Volumes", "/x", {}, None),
    ]


def test_members_that_are_one_whole_are_compared_as_such(tmp_path: Path) -> None:
    left = {
        "Cmd": ["/a"],
        "Entrypoint": ["/e"],
        "User": "root",
        "Healthcheck": {"Test": ["NONE"], "Retries": 0},
    }
    right = {"Cmd": ["/a", "b"], "WorkingDir": "/w", "User": "root", "Healthcheck": {"Test": ["CMD", "x"]}}
    assert configs(tmp_path, {"config": left}, {"config": right}) == [
        Change("config.Cmd", "", ["/a"], ["/a", "b"]),
        Change("config.Entrypoint", "", ["/e"], None),
        Change("config.Healthcheck", "Test", ["NONE"], ["CMD", "x"]),
        Change("config.WorkingDir", "", None, "/w"),
    ]


def test_what_go_reads_as_nothing_is_nothing(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {
        "Cmd": None,
        "User": "",
        "Env": [],
        "Labels": {},
        "Tty": False,
        "OnBuild": None,
    }
    assert configs(tmp_path, {"config": nothing, "container": ""}, {}) == []


def test_members_of_another_kind_than_docker_writes_are_compared_whole(tmp_path: Path) -> None:
    left = {"config": {"Env": "PATH=/bin", "Labels": ["a"], "Cmd": {"x": 1}}}
    right = {"config": {"Env": ["PATH=/bin", 5], "Labels": {"a": "1"}, "Cmd": "x"}}
    assert {(change.fact, change.item) for change in configs(tmp_path, left, right)} == {
        ("config.Env", ""), ("config.Labels", ""), ("config.Cmd", ""),
    }  # fmt: skip


def test_what_else_a_config_says_is_compared_too(tmp_path: Path) -> None:
    left, right = {"docker_version": "1.6.2", "os.features": ["x"]}, {"docker_version": "20.10.24"}
    assert configs(tmp_path, left, right) == [
        Change("docker_version", "", "1.6.2", "20.10.24"),
        Change("os.features", "", ["x"], None),
    ]


def test_the_order_of_keys_alone_changes_the_image_id_and_nothing_else(tmp_path: Path) -> None:
    one, two = image(ONE, created=DATE, author="me"), image(ONE, author="me", created=DATE)
    found = compared(modern(tmp_path, one, "one"), modern(tmp_path, two, "two"))
    assert [change.fact for change in found.changes] == ["image_id", "manifest"]


def test_platforms_of_an_index_are_compared(tmp_path: Path) -> None:
    amd, arm = image(ONE), image(ONE, TWO, architecture="arm64")
    sides = modern(tmp_path, index(amd, arm), "both"), modern(tmp_path, amd, "one")
    found = compared(*sides)
    assert found.changes == (
        Change("manifest", "", index(amd, arm).digest, amd.digest),
        Change("platforms", "", ["linux/amd64", "linux/arm64"], ["linux/amd64"]),
    )


def test_one_platform_is_compared_where_it_is_asked_for(tmp_path: Path) -> None:
    amd, arm = image(ONE), image(ONE, TWO, architecture="arm64")
    arm64 = Platform("linux", "arm64")
    both = modern(tmp_path, index(amd, arm), "both"), modern(tmp_path, index(arm, image(TWO)), "other")
    found = compared(*(Asked(side.source, side.name, arm64) for side in both))
    assert (found.same, found.left.outline.id) == (True, sha256(arm.config))


def test_an_unknown_name_is_not_found(tmp_path: Path) -> None:
    asked = modern(tmp_path, image(ONE))
    with pytest.raises(NotFound, match="app:2"):
        told(Asked(asked.source, "app:2"))


# ── legacy images ──


def test_legacy_images_are_compared_by_v1_ids(tmp_path: Path) -> None:
    found = compared(legacy(tmp_path, [A, B]), legacy(tmp_path, [A, C], "new"))
    assert (found.layers_by, found.layers) == (
        "v1_id",
        Split(1, (LayerLine(B, None),), (LayerLine(C, None),)),
    )
    assert (found.changes, found.not_compared) == ((), ())


def test_what_cannot_be_known_of_a_legacy_image_unread_is_said(tmp_path: Path) -> None:
    sides = legacy(tmp_path, [A]), modern(tmp_path, image(ONE, TWO, created="2015-07-10T00:13:44.35Z"))
    found = compared(*sides)
    assert (found.layers_by, found.layers) == ("", Split(0))
    assert found.changes == (Change("layer_count", "", 1, 2),)
    (sentence,) = found.not_compared
    assert sentence.startswith("layers, image ID and size: the diffIDs of app:1 in ")
    assert str(tmp_path / "old.tar") in sentence
    assert not found.same


def test_times_beside_a_legacy_image_are_compared_as_docker_would_write_them(tmp_path: Path) -> None:
    json_ = v1_json(A, architecture="amd64", created="2015-07-10T00:13:44.350Z")
    old = legacy(tmp_path, [A], jsons={A: json_})
    created = "2015-07-10T00:13:44.35Z"
    new = modern(tmp_path, image(ONE, created=created, history=[{"created": created}]))
    assert compared(old, new).same
    assert compared(new, old).same


def test_an_image_that_was_legacy_is_compared_by_its_v1_ids(tmp_path: Path) -> None:
    old = legacy(tmp_path, [A, B])
    path = tmp_path / "carried.tar"
    copy(old.source, create_bundle(path), ["app:1"])
    found = compared(old, Asked(open_bundle(path), "app:1"))
    assert (found.same, found.layers_by, found.layers) == (True, "v1_id", Split(2))


def test_sizes_that_are_counted_in_two_ways_are_not_compared(tmp_path: Path) -> None:
    old = legacy(tmp_path, [A])
    path = tmp_path / "carried.tar"
    copy(old.source, create_bundle(path), ["app:1"])
    carried = Asked(open_bundle(path), "app:1")
    found = compared(carried, modern(tmp_path, image(ONE, TWO)))
    assert "size" not in {change.fact for change in found.changes}
    assert found.not_compared == (
        "size: one is the sum of the layersizes a legacy store recorded, the other that of blobs",
    )
    assert compared(old, carried).not_compared == ("size: only one of the two records a size for each layer",)


def test_layersizes_that_drivers_counted_in_their_own_ways_are_no_difference(tmp_path: Path) -> None:
    """By rule S3 aufs counts a link's target, by rule S5 vfs does not."""
    roots = [tmp_path / driver for driver in ("aufs", "vfs")]
    for root, size in zip(roots, ("13", "5"), strict=True):
        legacy_layer(root, root.name, A, {"a": b"12345", "link": Link("12345678")}, size=size)
        legacy_layer(root, root.name, B, {"b": b"1"}, parent=A, size="1")
        name(root, root.name, one=A, two=B)
    aufs, vfs = (GraphStore(root) for root in roots)
    found = compared(Asked(aufs, "app:one"), Asked(vfs, "app:one"))
    assert (found.same, found.left.outline.size, found.right.outline.size) == (True, 13, 5)
    assert compared(Asked(aufs, "app:one"), Asked(vfs, "app:two")).changes == (Change("size", "", 13, 6),)


# ── sequences ──


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("", "", Split(0)),
        ("ab", "ab", Split(2)),
        ("", "a", Split(0, (), ("a",))),
        ("ab", "a", Split(1, ("b",))),
        ("axb", "ayzb", Split(1, ("x",), ("y", "z"), 1)),
        ("aa", "a", Split(1, ("a",))),
        ("ba", "a", Split(0, ("b",), (), 1)),
        ("abc", "xyz", Split(0, tuple("abc"), tuple("xyz"))),
    ],
)
def test_sequences_are_split_where_they_differ(left: str, right: str, expected: Split[str]) -> None:
    assert split(left, right, left, right) == expected
