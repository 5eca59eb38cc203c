"""Where stores lie on a disk: the usual folders, and links as the disk's own system means them."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.stores.disk import lost_link, stores_at


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


PLACES = (
    "home/ann/.local/share/containers/storage",
    "root/.local/share/docker",
    "var/lib/docker/100000.100000",
    "var/lib/docker-registry",
    "var/lib/rancher/k3s/agent/containerd",
    "var/snap/docker/common/var-lib-docker",
)
TOPS = {
    "docker": "image/overlay2/imagedb",
    "docker-registry": "docker/registry/v2/repositories",
    "containerd": "io.containerd.content.v1.content",
    "storage": "overlay-images",
}


@pytest.mark.parametrize("place", PLACES)
def test_every_engine_is_looked_for_where_it_keeps_its_store(tmp_path: Path, place: str) -> None:
    top = TOPS.get(Path(place).name, TOPS["docker"])
    (tmp_path / place / top).mkdir(parents=True)
    assert [folder for _, folder in stores_at(tmp_path)] == [tmp_path / place]


def test_an_absolute_link_is_meant_from_the_top_of_its_disk(tmp_path: Path) -> None:
    (tmp_path / "disk/var/lib").mkdir(parents=True)
    (tmp_path / "disk/var/lib/docker").symlink_to("/data/docker")
    assert stores_at(tmp_path / "disk") == []
    where = f"{tmp_path}/disk/var/lib/docker leads to {tmp_path}/disk/data/docker, which is not there"
    assert lost_link(tmp_path / "disk") == where
    (tmp_path / "disk/data/docker/image/vfs/imagedb").mkdir(parents=True)
    assert stores_at(tmp_path / "disk") == [("docker-root", tmp_path / "disk/data/docker")]
    assert lost_link(tmp_path / "disk") == ""


def test_what_only_has_the_name_of_a_usual_folder_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "var/lib").mkdir(parents=True)
    for name in ("home", "lib", "root"):
        (tmp_path / name).write_text("a file")
    (tmp_path / "var/lib/docker").symlink_to("../lib/docker")
    (tmp_path / "storage/vfs-images").mkdir(parents=True)
    assert stores_at(tmp_path) == [("containers-storage", tmp_path / "storage")]
    assert lost_link(tmp_path) == ""


def test_no_link_leads_to_a_store_of_the_machine_that_reads_the_disk(tmp_path: Path) -> None:
    (tmp_path / "host/image/vfs/imagedb").mkdir(parents=True)
    (tmp_path / "disk/var/lib").mkdir(parents=True)
    (tmp_path / "disk/var/lib/docker").symlink_to(tmp_path / "host")
    (tmp_path / "disk/var/lib/containerd").symlink_to("../../../host")
    assert stores_at(tmp_path / "disk") == []
