"""Stores that name very many images: no name costs a look at all the others, and there is a bound."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.archives import sha256
from tests.graphs import legacy_layer, name
from toolkit.digest import Digest
from toolkit.errors import UnsafeArchive
from toolkit.plumbing import folder_files
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.reference import EFFORT, near
from toolkit.stores.docker_root import imagedb
from toolkit.stores.docker_root.distribution import Distribution
from toolkit.stores.docker_root.drivers import DRIVERS
from toolkit.stores.docker_root.imagedb import ImageDb
from toolkit.stores.docker_root.layerdb import LayerDb
from toolkit.stores.docker_root.store import DockerRoot
from toolkit.stores.graph.root import GraphRoot
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.nameindex import NameIndex
from toolkit.stores.trees import source

A, B = "a" * 64, "b" * 64
CONFIG = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}}).encode()
ID = sha256(CONFIG)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`image/vfs` of a data root with one image."""
    folder = tmp_path / "image/vfs"
    for kind in ("content", "metadata"):
        (folder / f"imagedb/{kind}/sha256").mkdir(parents=True)
    (folder / "imagedb/content/sha256" / ID.removeprefix("sha256:")).write_bytes(CONFIG)
    return folder


def named(folder: Path, names: dict[str, str]) -> None:
    (folder / "repositories.json").write_text(json.dumps({"Repositories": {"app": names}}))


def test_a_name_is_found_by_its_meaning_and_a_hundred_thousand_of_one_meaning_are_indexed_soon() -> None:
    index = NameIndex([("docker.io/library/app:1", "x"), ("app:2", "y"), ("app:1", "z")])
    assert list(index.called("app:1")) == [("docker.io/library/app:1", "x"), ("app:1", "z")]
    assert list(index.called("app:3")) == []
    many = NameIndex([(f"app:{number}@{ID}", "x") for number in range(100_000)])
    assert sum(1 for _ in many.called(f"app@{ID}")) == 100_000


def test_the_names_of_a_data_root_are_read_once_while_nothing_changes(tmp_path: Path, folder: Path) -> None:
    images = ImageDb(FolderFiles(tmp_path), "vfs")
    named(folder, {"app:1": ID})
    before = images.names()
    assert images.names() is before
    named(folder, {"app:1": ID, "app:2": ID})
    assert images.names() == [("app:1", ID), ("app:2", ID)]


def test_the_names_of_a_legacy_root_are_read_once_while_nothing_changes(tmp_path: Path) -> None:
    legacy_layer(tmp_path, "aufs", A, {})
    name(tmp_path, "aufs", latest=A)
    root = GraphRoot(tmp_path)
    before = root.names("aufs")
    assert root.names("aufs") is before
    name(tmp_path, "aufs", latest=A, other=A)
    assert len(root.names("aufs").names) == 2


def test_a_name_of_two_legacy_images_is_refused(tmp_path: Path) -> None:
    for driver, id_ in (("aufs", A), ("vfs", B)):
        legacy_layer(tmp_path, driver, id_, {})
        name(tmp_path, driver, latest=id_)
    with pytest.raises(
        UnsafeArchive, match=r"different images of aufs and vfs; name the driver: graph\+aufs:PATH"
    ):
        GraphStore(tmp_path).image("app:latest")
    (tmp_path / "repositories-aufs").write_text(
        json.dumps({"Repositories": {"app": {"latest": A}, "docker.io/library/app": {"latest": B}}})
    )
    with pytest.raises(UnsafeArchive, match="app:latest twice, as different images; ask for one by its ID"):
        GraphStore(tmp_path, "aufs").image("app:latest")
    name(tmp_path, "aufs", latest=B)
    assert GraphStore(tmp_path).identify("app:latest") == B  # of two drivers that agree, the first


def test_an_image_is_found_by_its_id_without_a_list_of_all(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(folder, {})
    monkeypatch.setattr(ImageDb, "ids", None)
    root = DockerRoot(tmp_path)
    assert root.identify(ID) == ID
    assert not root.parts[0].has(ID.removeprefix("sha256:"))


def test_more_images_than_can_be_listed_are_refused(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        (folder / "imagedb/content/sha256" / f"{number:064x}").touch()
        (folder / "imagedb/metadata/sha256" / f"{number:064x}").mkdir()
    root = DockerRoot(tmp_path)
    named(folder, {f"app:{number}": sha256(b"%d" % number) for number in range(5)})
    assert len(root.listings()) == 9
    monkeypatch.setattr(source, "IMAGES", 4)
    with pytest.raises(UnsafeArchive, match="names 5 images, expected at most 4"):
        root.listings()
    (folder / "repositories.json").unlink()
    monkeypatch.setattr(source, "IMAGES", 3)
    with pytest.raises(UnsafeArchive, match="has 4 images, expected at most 3"):
        root.listings()
    monkeypatch.setattr(imagedb, "IMAGES", 2)
    with pytest.raises(UnsafeArchive, match="imagedb/content/sha256: holds 4 images, expected at most 2"):
        root.listings()


def test_a_folder_of_more_names_than_memory_is_given_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (tmp_path / f"{number}{'x' * 200}").touch()
    assert len(FolderFiles(tmp_path).names()) == 20
    monkeypatch.setattr(folder_files, "NAMES_LIMIT", 4_000)
    with pytest.raises(UnsafeArchive, match="holds names of more than 4000 bytes"):
        FolderFiles(tmp_path).names()


def test_an_image_of_more_layers_than_any_has_is_not_followed(tmp_path: Path) -> None:
    layers = LayerDb(FolderFiles(tmp_path), DRIVERS["overlay2"])
    many = [Digest.of(b"%d" % number) for number in range(1025)]
    for ask in (layers.stack, layers.sizes):
        with pytest.raises(UnsafeArchive, match="in a chain of more than 1024 layers"):
            ask(many)


def test_the_records_of_a_pull_are_read_once_for_all_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(FolderFiles, "read", lambda _, name, __: asked.append(name))
    diff_id = Digest.parse(ID)
    names = [f"app@{sha256(b'%d' % number)}" for number in range(1000)]
    found = Distribution(FolderFiles(tmp_path), "vfs").findings(diff_id, names, [diff_id])
    assert (len(found), len(asked)) == (1000, 1)


def test_names_near_a_long_one_are_not_looked_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def count(wanted: str, texts: list[str], *_: object, **__: object) -> list[str]:
        asked.append(len(wanted) * sum(map(len, texts)))
        return []

    monkeypatch.setattr("difflib.get_close_matches", count)
    near("app:" + "ab" * 60, [f"app@{number}{'abb' * 300}" for number in range(10_000)])
    assert 0 < max(asked) <= EFFORT
    few = [f"team/app{number}:1.0" for number in range(10_000)]
    near("app:1", few)
    assert asked[-1] == 5 * sum(map(len, few))
