"""Which kinds of store a folder is: told by real ones, and by what each has at its top."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.stores.kinds import kinds_at, stores_at

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


def test_a_disk_is_looked_through_where_engines_keep_their_stores(tmp_path: Path) -> None:
    (tmp_path / "var/lib/docker/image/vfs/imagedb").mkdir(parents=True)
    (tmp_path / "var/lib/registry/docker/registry/v2/repositories").mkdir(parents=True)
    assert stores_at(tmp_path) == [
        ("docker-root", tmp_path / "var/lib/docker"),
        ("registry-root", tmp_path / "var/lib/registry"),
    ]
    assert stores_at(tmp_path / "var/lib/docker") == [("docker-root", tmp_path / "var/lib/docker")]
    assert stores_at(tmp_path / "var") == [
        ("docker-root", tmp_path / "var/lib/docker"),
        ("registry-root", tmp_path / "var/lib/registry"),
    ]


def test_a_root_with_drivers_and_a_containerd_store_is_both(tmp_path: Path) -> None:
    (tmp_path / "image/vfs/imagedb").mkdir(parents=True)
    (tmp_path / "containerd/daemon/io.containerd.content.v1.content").mkdir(parents=True)
    assert kinds_at(tmp_path) == ["docker-root", "docker-root+containerd"]
