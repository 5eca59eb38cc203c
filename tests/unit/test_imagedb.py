"""`imagedb` and `repositories.json` by hand (formats B.1, B.3)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import sha256
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, MissingMember
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.docker_root.imagedb import ImageDb

CONFIG = json.dumps(
    {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}
).encode()
ID = Digest.parse(sha256(CONFIG))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "image/vfs"
    (folder / "imagedb/content/sha256").mkdir(parents=True)
    (folder / "imagedb/content/sha256" / ID.hex).write_bytes(CONFIG)
    (folder / "imagedb/content/sha256/.tmp-half").write_bytes(b"{")
    return folder


@pytest.fixture
def images(tmp_path: Path, folder: Path) -> ImageDb:
    del folder
    return ImageDb(FolderFiles(tmp_path), "vfs")


def named(folder: Path, value: object) -> None:
    (folder / "repositories.json").write_text(json.dumps(value))


def test_a_config_keeps_its_bytes_and_half_written_files_are_none(images: ImageDb) -> None:
    assert list(images.ids()) == [ID]
    assert images.config(ID).raw == CONFIG


def test_a_config_that_is_not_its_name_is_refused(folder: Path, images: ImageDb) -> None:
    (folder / "imagedb/content/sha256" / ID.hex).write_bytes(CONFIG + b" ")
    with pytest.raises(Mismatch, match="digest is"):
        images.config(ID)


def test_a_config_that_is_gone_is_told(images: ImageDb) -> None:
    with pytest.raises(MissingMember, match="has no config"):
        images.config(Digest.of(b"other"))


def test_names_are_whole_references(folder: Path, images: ImageDb) -> None:
    assert images.names() == []
    digest = f"example.org:5000/team/app@{ID}"
    table = {
        "ubuntu": {"ubuntu:14.04": str(ID)},
        "example.org:5000/team/app": {"example.org:5000/team/app:1": str(ID), digest: str(ID)},
    }
    named(folder, {"Repositories": table})
    assert set(dict(images.names())) == {"ubuntu:14.04", "example.org:5000/team/app:1", digest}


@pytest.mark.parametrize(
    "value", [{}, {"Repositories": {}}, {"Repositories": None}, {"Repositories": {"a": {}}}]
)
def test_an_empty_table_names_nothing(folder: Path, images: ImageDb, value: object) -> None:
    named(folder, value)
    assert images.names() == []


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"Repositories": []},
        {"Repositories": {"a": []}},
        {"Repositories": {"a": {"a:1": 5}}},
        {"Repositories": {"a": {"b:1": "x"}}},
    ],
)
def test_a_table_of_another_shape_is_refused(folder: Path, images: ImageDb, value: object) -> None:
    named(folder, value)
    with pytest.raises(CorruptContent):
        images.names()


def test_parents_are_what_other_images_were_built_on(folder: Path, images: ImageDb) -> None:
    below = folder / "imagedb/metadata/sha256" / ID.hex
    below.mkdir(parents=True)
    assert images.parents() == set()
    (below / "parent").write_text(str(Digest.of(b"parent")))
    assert images.parents() == {Digest.of(b"parent")}
    (below / "parent").write_text("no digest")
    assert images.parents() == set()


ODD: dict[str, Callable[[Path], object]] = {
    "a link": lambda path: path.symlink_to("/etc/hostname"),
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "too long": lambda path: path.write_bytes(b"1" * 5000),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_parent_that_cannot_be_read_costs_no_other(folder: Path, images: ImageDb, odd: str) -> None:
    metadata = folder / "imagedb/metadata/sha256"
    for hex_ in ("0" * 64, "f" * 64):
        (metadata / hex_).mkdir(parents=True)
    (metadata / ("f" * 64) / "parent").write_text(str(Digest.of(b"parent")))
    ODD[odd](metadata / ("0" * 64) / "parent")
    assert images.parents() == {Digest.of(b"parent")}
    (metadata / ("0" * 64)).rename(folder / "elsewhere")
    ODD[odd](metadata / ("0" * 64))
    assert images.parents() == {Digest.of(b"parent")}


@pytest.mark.parametrize("odd", ODD)
def test_a_folder_of_parents_that_cannot_be_read_tells_of_none(
    folder: Path, images: ImageDb, odd: str
) -> None:
    (folder / "imagedb/metadata").mkdir()
    ODD[odd](folder / "imagedb/metadata/sha256")
    assert images.parents() == set()
