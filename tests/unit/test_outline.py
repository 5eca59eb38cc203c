from __future__ import annotations

from typing import Any

import pytest

from tests.archives import ONE, TWO, A, B, image, sha256, v1_json
from toolkit.ancestry import Layersize, V1Layer
from toolkit.image import Finding, Image
from toolkit.model import Config, HistoryItem, Manifest
from toolkit.outline import Outline, OutlineLayer, legacy_outline, modern_outline, v1_history


def v1(v1_id: str = A, parent: str = "", size: str | None = "5", **members: Any) -> V1Layer:
    bare = V1Layer.from_bytes(v1_json(v1_id, parent, **members))
    return V1Layer(bare.id, bare.parent, bare.raw, bare.node, Layersize(size))


def modern(*layers: bytes, **config: Any) -> Image:
    picture = image(*layers, **config)
    return Image(Manifest.from_bytes(picture.raw), Config.from_bytes(picture.config))


def told(outline: Outline) -> list[tuple[str, str, int | None]]:
    return [(layer.id, layer.history.created_by, layer.size) for layer in outline.layers]


# ── legacy ──


def test_a_legacy_image_is_told_by_its_top_layer() -> None:
    base = v1(A, architecture="arm", author="base", container_config={"Cmd": ["/bin/sh", "-c", "one"]})
    top = v1(
        B, A, "7", architecture="amd64", author="me", config={"Cmd": ["/x"], "Env": None}, created="2015-07-11T00:00:00Z"
    )  # fmt: skip
    outline = legacy_outline(("app:1",), [base, top], [Finding("x", "is odd")])
    assert (outline.kind, outline.id, outline.platform) == ("docker-v1", B, "linux/amd64")
    assert (outline.author, outline.created) == ("me", "2015-07-11T00:00:00Z")
    assert outline.config == {"Cmd": ["/x"], "Env": None}
    assert told(outline) == [(A, "/bin/sh -c one", 5), (B, "", 7)]
    assert outline.size == 12
    assert outline.findings == (Finding("x", "is odd"),)
    assert outline.diff_ids == ()


@pytest.mark.parametrize("text", [None, "-1", "12\n"])
def test_a_size_that_is_not_recorded_makes_the_sum_unknown(text: str | None) -> None:
    assert legacy_outline((), [v1(A), v1(B, A, text)]).size is None


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["/bin/sh", "-c", "#(nop) CMD"], "/bin/sh -c #(nop) CMD"),
        ("one string, as 0.6 wrote it", "one string, as 0.6 wrote it"),
        (None, ""),
        ([], ""),
        (["a", 5, None, "b"], "a b"),
        (7, ""),
    ],
)
def test_the_command_of_a_v1_layer_is_told_whatever_its_type(command: object, text: str) -> None:
    assert v1_history(v1(container_config={"Cmd": command})).created_by == text


@pytest.mark.parametrize("odd", [5, None, [], "text"])
def test_members_of_an_odd_type_are_passed_over(odd: object) -> None:
    outline = legacy_outline((), [v1(container_config=odd, config=odd, author=5, comment=odd)])
    assert outline.config == {}
    assert outline.author == ""
    assert v1_history(v1(comment="note", author="me")) == HistoryItem(
        "2015-07-10T00:13:44.35Z", "", "me", "note"
    )


# ── modern ──


def test_a_modern_image_is_told_by_its_config() -> None:
    picture = modern(ONE, created="2020-01-01T00:00:00Z", author="me", config={"Cmd": ["/x"]})
    outline = modern_outline(("app:1",), picture, ["linux/amd64", "linux/arm64"])
    assert (outline.kind, outline.id) == ("oci", str(picture.config.image_id))
    assert (outline.created, outline.author, outline.config) == (
        "2020-01-01T00:00:00Z",
        "me",
        {"Cmd": ["/x"]},
    )
    assert outline.platforms == ("linux/amd64", "linux/arm64")
    assert outline.diff_ids == (sha256(ONE),)
    assert outline.size == len(ONE)


def test_each_history_item_with_a_layer_takes_the_next_one() -> None:
    history = [
        {"created_by": "base"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "RUN"}, {"created_by": "CMD", "empty_layer": True},
    ]  # fmt: skip
    assert told(modern_outline((), modern(ONE, TWO, history=history))) == [
        (sha256(ONE), "base", len(ONE)), ("", "ENV", 0), (sha256(TWO), "RUN", len(TWO)), ("", "CMD", 0),
    ]  # fmt: skip


def test_layers_without_a_history_item_are_told_all_the_same() -> None:
    assert told(modern_outline((), modern(ONE, TWO, history=[{"created_by": "base"}]))) == [
        (sha256(ONE), "base", len(ONE)), (sha256(TWO), "", len(TWO)),
    ]  # fmt: skip
    assert told(modern_outline((), modern(ONE))) == [(sha256(ONE), "", len(ONE))]


def test_history_items_without_a_layer_left_are_told_without_one() -> None:
    history = [{"created_by": "base"}, {"created_by": "more"}]
    assert modern_outline((), modern(ONE, history=history)).layers[1:] == (
        OutlineLayer("", HistoryItem(created_by="more"), 0),
    )


# ── what an image is compared by ──


def test_a_legacy_image_tells_its_v1_ids() -> None:
    assert legacy_outline((), [v1(A), v1(B, A)]).v1_ids == (A, B)
    assert modern_outline((), modern(ONE)).v1_ids == ()


def test_members_that_have_no_place_are_told_as_they_stand() -> None:
    outline = legacy_outline((), [v1(docker_version="1.9.1", container="c", Size=5, throwaway=True)])
    assert outline.others == {"docker_version": "1.9.1", "container": "c"}
    outline = modern_outline((), modern(ONE, author="me", config={"Cmd": ["x"]}, **{"os.version": "10"}))
    assert outline.others == {"os.version": "10"}
