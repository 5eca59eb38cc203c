"""Which kinds of store a folder is: told by real ones, and by what each has at its top."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.archives import unpacked, written
from toolkit.errors import CorruptContent, MissingMember, NotFound, Unsupported
from toolkit.places import open_source
from toolkit.settings import Settings
from toolkit.stores.kinds import kinds_at, known_at

REAL = {
    "docker-1.9.1-aufs": ["graph"],
    "docker-1.9.1-vfs": ["graph"],
    "docker-20.10-overlay2": ["docker-root"],
    "docker-20.10-vfs": ["docker-root"],
    "docker-29-containerd": ["docker-root"],
    "podman-4.3-overlay": ["containers-storage"],
    "podman-4.3-vfs": ["containers-storage"],
}


@pytest.mark.parametrize("name", REAL)
def test_what_an_engine_wrote_is_known_by_what_lies_there(engine_stores: Path, name: str) -> None:
    assert kinds_at(engine_stores / name) == REAL[name]


def test_the_daemons_own_containerd_is_known_by_itself(engine_stores: Path) -> None:
    assert kinds_at(engine_stores / "docker-29-containerd/containerd/daemon") == ["containerd-root"]


@pytest.mark.parametrize("below", ["docker/registry/v2/repositories", "registry/v2/repositories"])
def test_a_registrys_folder_is_known(tmp_path: Path, below: str) -> None:
    (tmp_path / below).mkdir(parents=True)
    assert kinds_at(tmp_path) == ["registry-root"]


def test_a_layout_is_known(tmp_path: Path) -> None:
    (tmp_path / "oci-layout").write_text("{}")
    assert kinds_at(tmp_path) == ["oci"]


def test_a_root_that_docker_migrated_is_two(tmp_path: Path) -> None:
    (tmp_path / "graph").mkdir()
    (tmp_path / "image/aufs/imagedb").mkdir(parents=True)
    assert kinds_at(tmp_path) == ["graph", "docker-root"]


def test_anything_else_is_none(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "file").write_text("x")
    assert kinds_at(tmp_path) == []
    assert kinds_at(tmp_path / "gone") == []


def test_a_root_with_drivers_and_a_containerd_store_is_both(tmp_path: Path) -> None:
    (tmp_path / "image/vfs/imagedb").mkdir(parents=True)
    (tmp_path / "containerd/daemon/io.containerd.content.v1.content").mkdir(parents=True)
    assert kinds_at(tmp_path) == ["docker-root", "docker-root+containerd"]


ROOTS = ("oci", "graph", "docker-root", "containers-storage", "containerd-root", "registry-root")


@pytest.mark.parametrize("scheme", [*ROOTS, "dir", ""])
@pytest.mark.parametrize("files", [(), ("notes.txt", "more/notes.txt")])
def test_a_folder_without_a_store_is_not_found_whatever_it_is_called(
    tmp_path: Path, scheme: str, files: tuple[str, ...]
) -> None:
    folder = unpacked(tmp_path / "folder", dict.fromkeys(files, b"text"))
    folder.mkdir(exist_ok=True)
    place = f"{scheme}:{folder}".lstrip(":")
    with pytest.raises(NotFound, match=f"^{place}: holds no [^;]+: [^;]+; [^;]+$"):
        open_source(place, Settings()).listings()


@pytest.mark.parametrize("scheme", ROOTS)
def test_what_is_another_thing_is_unsupported_and_told_what_it_is(tmp_path: Path, scheme: str) -> None:
    other = "oci" if scheme != "oci" else "graph"
    folder = unpacked(tmp_path / other, {"oci-layout" if other == "oci" else "graph/x": b""})
    with pytest.raises(Unsupported, match=f"is no {scheme}: place; read it as {other}:{folder}"):
        open_source(f"{scheme}:{folder}", Settings())
    with pytest.raises(Unsupported, match="is no folder; give the root of a store"):
        open_source(f"{scheme}:{written(tmp_path / 'file', {})}", Settings())


LOST = {  # what is gone → what is left, where it is looked for, and what was in it
    "image": ("docker-root", {"overlay2/abc/diff/f": b"", "overlay2/l/X": b"", "containers/x": b""}),
    "image of a daemon's": (
        "docker-root",
        {"overlay2/abc/diff/f": b"", "containerd/daemon/io.containerd.content.v1.content/x": b""},
    ),
    "graph": ("graph", {"aufs/diff/abc/f": b"", "repositories-aufs": b"{}"}),
    "overlay-images": ("containers-storage", {"overlay-layers/layers.json": b"[]", "overlay/x/diff/f": b""}),
    "repositories": ("registry-root", {"docker/registry/v2/blobs/sha256/ab/x/data": b""}),
}


@pytest.mark.parametrize("gone", LOST)
def test_a_store_that_lost_what_its_images_are_is_damaged_and_not_empty(tmp_path: Path, gone: str) -> None:
    scheme, left = LOST[gone]
    root = unpacked(tmp_path / "root", left)
    assert known_at(root) == [scheme if scheme != "graph" else "docker-root"]
    with pytest.raises(MissingMember, match=r"of which images that was is lost; bring it back") as caught:
        open_source(f"{scheme}:{root}", Settings()).listings()
    assert caught.value.exit_code == 5


def test_a_stray_file_among_the_drivers_is_none(tmp_path: Path) -> None:
    (tmp_path / "image/vfs/imagedb").mkdir(parents=True)
    (tmp_path / "image/README").write_text("x")
    assert kinds_at(tmp_path) == ["docker-root"]


def test_a_docker_root_without_its_image_records_names_its_images_still(
    engine_stores: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    shutil.copytree(engine_stores / "docker-20.10-overlay2/image", root / "image")
    shutil.rmtree(root / "image/overlay2/imagedb")
    assert kinds_at(root) == ["docker-root"]
    source = open_source(f"docker-root:{root}", Settings())
    assert [name for line in source.listings() for name in line.names] == ["ubuntu:14.04", "ubuntu:trusty"]
    with pytest.raises(CorruptContent, match="imagedb"):
        source.image("ubuntu:14.04")
