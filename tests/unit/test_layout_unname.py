from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    IMAGE_NAME,
    INDEX,
    ONE,
    REF_NAME,
    TWO,
    Picture,
    artifact,
    described,
    encode,
    image,
    index,
    layout,
    signature,
    tar,
    unpacked,
)
from toolkit.digest import Digest
from toolkit.errors import Mismatch, NotFound
from toolkit.operations.verify import verify
from toolkit.stores.layout import LayoutStore
from toolkit.stores.layout_collect import collect
from toolkit.stores.layout_unname import companions, named, unname

APP, OTHER, THIRD = image(ONE), image(TWO), image(tar({"three": b"3"}), ONE)
BOTH = index(APP, OTHER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def digest(picture: Picture) -> Digest:
    return Digest.parse(picture.digest)


def entries(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "index.json").read_bytes())["manifests"])


def names(folder: Path) -> list[str]:
    return [name for name, _ in named(LayoutStore(folder))]


def test_names_that_go_are_gone_and_all_others_keep_their_place_and_members(folder: Path) -> None:
    theirs = described(OTHER.raw, OTHER.media_type, annotations={"x": "y", REF_NAME: "theirs"}, urls=["u"])
    files = layout(("app:1", APP), ("", OTHER), ("app:3", THIRD))
    value = json.loads(files["index.json"])
    value["manifests"].insert(1, theirs)
    value["annotations"] = {"kept": "too"}
    unpacked(folder, {**files, "index.json": encode(value)})
    assert unname(LayoutStore(folder), {"docker.io/library/app:1": digest(APP)}) == [
        "docker.io/library/app:1"
    ]
    assert json.loads((folder / "index.json").read_bytes()) == {**value, "manifests": value["manifests"][1:]}
    assert [list(entry) for entry in entries(folder)] == [list(entry) for entry in value["manifests"][1:]]


def test_an_image_of_two_names_keeps_the_other_one(folder: Path) -> None:
    unpacked(folder, layout(("app:1", APP), ("team/app:1", APP)))
    unname(LayoutStore(folder), {"app:1": digest(APP)})
    assert names(folder) == ["team/app:1"]


def test_of_an_entry_that_has_two_names_one_can_go(folder: Path) -> None:
    entry = described(APP.raw, APP.media_type, annotations={REF_NAME: "x", IMAGE_NAME: "h:1/app:1", "a": "b"})
    files = layout(("", APP))
    unpacked(folder, {**files, "index.json": encode({"schemaVersion": 2, "manifests": [entry]})})
    unname(LayoutStore(folder), {"h:1/app:1": digest(APP)})
    assert names(folder) == ["x:latest"]
    assert entries(folder)[0]["annotations"]["a"] == "b"


def test_a_name_that_is_something_elses_by_now_stops_it_and_nothing_changes(folder: Path) -> None:
    before = unpacked(folder, layout(("app:1", APP), ("app:2", OTHER))) / "index.json"
    raw = before.read_bytes()
    with pytest.raises(Mismatch, match=rf"image app:2: digest is {OTHER.digest}, expected {APP.digest}"):
        unname(LayoutStore(folder), {"app:1": digest(APP), "app:2": digest(APP)})
    assert before.read_bytes() == raw


def test_a_name_that_stands_twice_is_nobodys_to_take(folder: Path) -> None:
    unpacked(folder, layout(("app:1", APP), ("app:1", OTHER)))
    with pytest.raises(Mismatch):
        unname(LayoutStore(folder), {"app:1": digest(APP)})


def test_what_is_gone_already_changes_nothing(folder: Path) -> None:
    files = layout(("app:1", APP))
    unpacked(folder, files)
    assert unname(LayoutStore(folder), {"app:2": digest(APP)}) == []
    assert unname(LayoutStore(folder), {}) == []
    assert (folder / "index.json").read_bytes() == files["index.json"]


def test_without_a_store_there_is_nothing_to_take_from(folder: Path) -> None:
    with pytest.raises(NotFound):
        unname(LayoutStore(folder), {"app:1": digest(APP)})
    assert not folder.exists()


@pytest.mark.parametrize("subject", [BOTH, OTHER], ids=["of-the-index", "of-a-platform"])
def test_what_refers_to_an_image_goes_with_its_last_name(folder: Path, subject: Picture) -> None:
    sbom = artifact(subject, b"sbom")
    of_sbom = artifact(sbom, b"signature of the sbom")
    kept = artifact(THIRD, b"kept")
    files = layout(
        ("both:1", BOTH), ("both:2", BOTH), ("third:1", THIRD), ("", sbom), ("", of_sbom), ("", kept)
    )
    unpacked(folder, files)
    unname(LayoutStore(folder), {"both:1": digest(BOTH)})
    assert len(entries(folder)) == 5
    unname(LayoutStore(folder), {"both:2": digest(BOTH)})
    assert [each["digest"] for each in entries(folder)] == [THIRD.digest, kept.digest]
    collect(LayoutStore(folder))
    assert verify(LayoutStore(folder)).ok


def test_what_refers_to_a_platform_that_another_image_has_stays(folder: Path) -> None:
    sbom = artifact(APP, b"sbom")
    unpacked(folder, layout(("both:1", BOTH), ("app:1", APP), ("", sbom)))
    unname(LayoutStore(folder), {"both:1": digest(BOTH)})
    assert [each["digest"] for each in entries(folder)] == [APP.digest, sbom.digest]


def test_what_refers_to_nothing_that_goes_stays_nameless(folder: Path) -> None:
    unpacked(folder, layout(("app:1", APP), ("", OTHER), ("", artifact(None, b"thing"))))
    unname(LayoutStore(folder), {"app:1": digest(APP)})
    assert len(entries(folder)) == 2


def test_tags_of_cosigns_are_told_beside_the_image_that_they_are_of(folder: Path) -> None:
    tag, signed = signature(APP)
    other_tag, other = signature(OTHER)
    listed = f"sha256-{APP.digest[7:]}"
    files = layout(
        ("app:1", APP),
        ("other:1", OTHER),
        (f"app:{tag}", signed),
        (f"elsewhere:{tag}", signed),
        (f"other:{other_tag}", other),
        (f"app:{listed}", Picture(encode({"schemaVersion": 2, "manifests": []}), INDEX)),
    )
    store = LayoutStore(unpacked(folder, files))
    found = companions(store, ["app:1"])
    assert {(name, of) for name, _, of in found} == {(f"app:{tag}", "app:1"), (f"app:{listed}", "app:1")}
    assert {name: top for name, top, _ in found}[f"app:{tag}"] == digest(signed)
    assert companions(store, ["app:1", *(name for name, _, _ in found)]) == []
    assert companions(store, []) == []


def test_a_damaged_image_can_go(folder: Path) -> None:
    files = layout(("both:1", BOTH), ("app:1", APP))
    (unpacked(folder, files) / f"blobs/sha256/{BOTH.digest[7:]}").write_bytes(b"{")
    unname(LayoutStore(folder), {"both:1": digest(BOTH)})
    assert names(folder) == ["app:1"]
    collect(LayoutStore(folder))
    assert verify(LayoutStore(folder)).ok


def test_a_name_that_was_given_last_comes_last(folder: Path) -> None:
    unpacked(folder, layout(("app:1", APP), ("app:2", OTHER), ("app:3", APP)))
    assert dict(named(LayoutStore(folder))) == {
        "app:1": digest(APP), "app:2": digest(OTHER), "app:3": digest(APP)
    }  # fmt: skip
