"""A short ID is an image's where no name is in its way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, A, B, encode, image, index, layout, sha256, unpacked, v1_folder, written
from tests.graphs import legacy_layer
from tests.registries import Registry
from toolkit.bundles import open_bundle
from toolkit.errors import NotFound, StoreError, UnsafeArchive, UsageError
from toolkit.operations.choosing import FirstThatHas, one_place
from toolkit.operations.joining import Joined
from toolkit.operations.shortids import asked_for, full_name
from toolkit.ports import Source
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry_root.store import RegistryRoot

APP, OTHER = image(ONE), image(TWO)
ID = sha256(APP.config)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return open_bundle(written(tmp_path / "a.tar", layout(("app:1", APP), ("", OTHER))))


@pytest.mark.parametrize("short", [ID[7:19], ID[:19], ID[7:], ID])
def test_what_ls_prints_is_the_image(source: Source, short: str) -> None:
    assert full_name(source, short) == ID


@pytest.mark.parametrize("name", ["app:1", "gone:1", ID[7:18], "0" * 12, "x" * 12, ""])
def test_anything_else_stays_as_it_is(source: Source, name: str) -> None:
    assert full_name(source, name) == name


def test_a_name_of_hex_digits_is_that_name(tmp_path: Path) -> None:
    digits = ID[7:19]
    source = open_bundle(written(tmp_path / "a.tar", layout((digits, OTHER), ("", APP))))
    assert full_name(source, digits) == digits
    assert str(source.image(digits).top.digest) == OTHER.digest  # type: ignore[attr-defined]


def test_a_name_of_hex_digits_that_is_two_images_is_no_id(tmp_path: Path) -> None:
    for driver, layer_id in (("aufs", A), ("vfs", B)):
        legacy_layer(tmp_path, driver, layer_id, {"f": layer_id.encode()})
        table = {"Repositories": {A[:12]: {"latest": layer_id}}}
        (tmp_path / f"repositories-{driver}").write_bytes(encode(table))
    with pytest.raises(UnsafeArchive, match="twice, as different images of aufs and vfs"):
        full_name(GraphStore(tmp_path), A[:12])


def test_a_v1_id_may_be_short_too(tmp_path: Path) -> None:
    source = open_bundle(written(tmp_path / "a.tar", v1_folder(A, "", ONE)))
    assert full_name(source, A[:12]) == A


def test_digits_of_several_images_are_refused_with_them(tmp_path: Path) -> None:
    twins = [f"{'a' * 13}{digit}{'0' * 50}" for digit in "12"]
    folders = {**v1_folder(twins[0], "", ONE), **v1_folder(twins[1], "", TWO)}
    source = open_bundle(written(tmp_path / "a.tar", folders))
    with pytest.raises(UsageError, match=f"may be any of {twins[0]}, {twins[1]}; write more digits"):
        full_name(source, "a" * 12)
    assert full_name(source, twins[1][:14]) == twins[1]


def test_a_parent_that_is_not_listed_has_a_short_id_too(tmp_path: Path) -> None:
    root = tmp_path / "root"
    legacy_layer(root, "vfs", A, {"one": b"1"})
    legacy_layer(root, "vfs", B, {"two": b"2"}, parent=A)
    bundle = open_bundle(written(tmp_path / "a.tar", {**v1_folder(A, "", ONE), **v1_folder(B, A, TWO)}))
    for source in (GraphStore(root), bundle):
        assert [line.id for line in source.listings()] == [B]
        assert full_name(source, A[:12]) == A


ARM = image(ONE, TWO, architecture="arm64")
BOTH = index(APP, ARM)


@pytest.mark.parametrize("digest", [ID, sha256(ARM.config), APP.digest, ARM.digest, BOTH.digest])
def test_each_platform_of_an_index_has_a_short_id_and_each_manifest(tmp_path: Path, digest: str) -> None:
    registry = Registry(tmp_path / "registry")
    registry.push("team/app:1", BOTH)
    layout_folder = unpacked(tmp_path / "layout", layout(("team/app:1", BOTH)))
    for source in (RegistryRoot(registry.folder), LayoutStore(layout_folder)):
        assert full_name(source, digest[7:19]) == digest
        assert source.image(digest).layers


def test_an_id_is_found_in_each_of_several_places(tmp_path: Path, source: Source) -> None:
    second = open_bundle(written(tmp_path / "b.tar", v1_folder(A, "", ONE)))
    joined = Joined([source, second])
    assert full_name(joined, ID[7:19]) == ID
    assert full_name(joined, A[:12]) == A


def test_an_id_of_a_place_that_is_here_comes_before_the_name_of_one_that_is_not(
    tmp_path: Path, source: Source
) -> None:
    def nowhere(name: str) -> Source:
        return LayoutStore(tmp_path / "nowhere" / name)

    def registry(name: str) -> Source:
        raise StoreError("a registry", f"was asked for {name}, and is not there")

    chosen = FirstThatHas("auto", [nowhere, one_place(lambda: source), registry])
    assert full_name(chosen, ID[7:19]) == ID
    assert chosen.narrowed(ID) == source.place
    assert full_name(chosen, "0" * 12) == "0" * 12  # which is for the error that all of them give together
    twins = [v1_folder(f"{'a' * 13}{digit}{'0' * 50}", "", ONE) for digit in "12"]
    ambiguous = open_bundle(written(tmp_path / "b.tar", {**twins[0], **twins[1]}))
    chosen = FirstThatHas("auto", [one_place(lambda: ambiguous), registry])
    with pytest.raises(UsageError, match="write more digits"):
        full_name(chosen, "a" * 12)


def test_the_only_image_needs_no_name(tmp_path: Path) -> None:
    named = open_bundle(written(tmp_path / "a.tar", layout(("app:1", APP), ("app:2", APP))))
    assert asked_for(named, None) == "app:1"
    assert asked_for(named, "app:2") == "app:2"
    assert asked_for(named, ID[7:19]) == ID
    bare = open_bundle(written(tmp_path / "b.tar", layout(("", APP))))
    assert asked_for(bare, None) == bare.listings()[0].id


def test_of_several_images_one_is_to_be_named(source: Source, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.tar: holds 2 images; name one as REF: app:1, sha256:"):
        asked_for(source, None)
    with pytest.raises(NotFound, match="holds no images"):
        asked_for(open_bundle(written(tmp_path / "none.tar", layout())), None)
