from __future__ import annotations

import gzip
import json

import pytest

from tests.archives import (
    EMPTY,
    MANIFEST,
    ONE,
    TWO,
    A,
    B,
    C,
    Picture,
    described,
    encode,
    image,
    index,
    sha256,
    v1_json,
)
from tests.pictures import legacy, modern
from toolkit.bundles.docker_v1 import members
from toolkit.bundles.members import Member, once
from toolkit.errors import UnsafeArchive, Unsupported
from toolkit.image import ProvenImage

TARS = {A: ONE, B: TWO}


def by_name(*images: ProvenImage) -> dict[str, Member]:
    return {member.name: member for member in once(members(images))}


def layers(found: dict[str, Member]) -> dict[str, str]:
    return {name.partition("/")[0]: str(each.blob.digest) for name, each in found.items() if each.blob}


def test_each_layer_is_a_folder_of_three_files_and_the_names_come_last() -> None:
    assert list(by_name(legacy(["app:1"], [A, B], TARS))) == [
        f"{A}/", f"{A}/VERSION", f"{A}/json", f"{A}/layer.tar",
        f"{B}/", f"{B}/VERSION", f"{B}/json", f"{B}/layer.tar",
        "repositories",
    ]  # fmt: skip


def test_the_files_are_the_exact_json_the_version_and_the_tar() -> None:
    found = by_name(legacy(["app:1"], [A, B], TARS))
    assert found[f"{B}/json"].content == v1_json(B, A, architecture="amd64")
    assert found[f"{B}/VERSION"].content == b"1.0"
    assert layers(found) == {A: sha256(ONE), B: sha256(TWO)}


def test_layers_that_are_equal_are_whole_files_both() -> None:
    found = by_name(legacy(["app:1"], [A, B, C], {A: ONE, C: ONE}))
    assert layers(found) == {A: sha256(ONE), B: sha256(EMPTY), C: sha256(ONE)}
    assert {member.kind for member in found.values()} == {"file", "directory"}


def test_layers_that_images_share_stand_once() -> None:
    found = by_name(legacy(["base:1"], [A, B], TARS), legacy(["app:1", "app:2"], [A, B, C], TARS))
    assert list(layers(found)) == [A, B, C]
    assert json.loads(found["repositories"].content) == {"app": {"1": C, "2": C}, "base": {"1": B}}


def test_an_image_without_a_name_is_in_no_repository() -> None:
    assert by_name(legacy([], [A], TARS))["repositories"].content == b"{}\n"


def test_an_image_under_two_names_is_one_image() -> None:
    found = by_name(legacy(["b:1"], [A], TARS), legacy(["a:1"], [A], TARS))
    assert json.loads(found["repositories"].content) == {"a": {"1": A}, "b": {"1": A}}


def test_a_modern_image_becomes_a_chain() -> None:
    history = [{"created_by": "one"}, {"created_by": "two"}]
    found = by_name(modern(image(ONE, TWO, config={"Cmd": ["/one"]}, history=history), "app:1"))
    base, top = (json.loads(found[name].content) for name in found if name.endswith("/json"))
    assert (base.get("parent"), top["parent"]) == (None, base["id"])
    assert [each["container_config"]["Cmd"] for each in (base, top)] == [["one"], ["two"]]
    assert top["config"] == {"Cmd": ["/one"]}
    assert layers(found) == {base["id"]: sha256(ONE), top["id"]: sha256(TWO)}


def test_of_an_index_the_preferred_platform_goes() -> None:
    both = index(image(ONE, architecture="arm64"), image(TWO))
    assert list(layers(by_name(modern(both, "app:1"))).values()) == [sha256(TWO)]


def test_an_artifact_is_refused() -> None:
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(b"{}", "application/vnd.example.config"),
            "layers": [],
        }
    )
    chart = Picture(raw, MANIFEST, {sha256(each): each for each in (raw, b"{}")})
    with pytest.raises(Unsupported, match=r"^chart:1: is an artifact, not an image; .*universal"):
        members([modern(chart, "chart:1")])


@pytest.mark.parametrize(
    "other",
    [
        legacy(["y:1"], [C, B], TARS),
        legacy(["y:1"], [A, B], TARS | {B: EMPTY}),
    ],
    ids=["json", "tar"],
)
def test_two_different_layers_under_one_v1_id_are_refused(other: ProvenImage) -> None:
    with pytest.raises(UnsafeArchive, match=f"^{B}/(json|layer.tar): would stand twice"):
        by_name(legacy(["x:1"], [A, B], TARS), other)


def test_a_layer_that_another_image_has_compressed_stands_there_as_the_first_has_it() -> None:
    packed = gzip.compress(TWO, mtime=0)
    for plain, other, first in (("x:1", "y:1", TWO), ("y:1", "x:1", packed)):
        both = legacy([plain], [A, B], TARS), legacy([other], [A, B], TARS, packed={B: packed})
        assert layers(by_name(*both)) == {A: sha256(TARS[A]), B: sha256(first)}


def test_an_image_without_layers_is_refused() -> None:
    with pytest.raises(Unsupported, match=r"^none:1: has no layers; .*universal"):
        members([modern(image(), "none:1")])
