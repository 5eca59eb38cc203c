"""One graph driver of a data root, alone: a source of its own."""

from __future__ import annotations

from pathlib import Path

from tests.stores.facts import DIFF_IDS
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.docker_root.driver_store import DriverStore
from toolkit.stores.docker_root.drivers import DRIVERS


def test_one_driver_alone_is_a_source(engine_stores: Path) -> None:
    files = FolderFiles(engine_stores / "docker-20.10-vfs")
    store = DriverStore(files, DRIVERS["vfs"], "docker-root:here")
    assert store.names() == ["ubuntu:14.04", "ubuntu:trusty"]
    assert store.has("ubuntu:trusty")
    assert not store.has("ubuntu:gone")
    assert store.holds(f"sha256:{DIFF_IDS[0]}")
    assert not store.holds("sha256:" + "0" * 64)
    assert not store.holds("no digest")
