"""Whether a layer that is a file system of its own is mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.plumbing.tree import Tree
from toolkit.stores.trees.mounts import MOUNT, is_stub


@pytest.mark.parametrize("driver", MOUNT)
def test_an_empty_folder_on_the_same_device_is_a_stub(tmp_path: Path, driver: str) -> None:
    (tmp_path / "layer").mkdir()
    with Tree(tmp_path / "layer") as tree:
        assert is_stub(tree, tmp_path, driver)
        (tmp_path / "layer/file").write_bytes(b"")
        assert not is_stub(tree, tmp_path, driver)


def test_other_drivers_have_empty_layers(tmp_path: Path) -> None:
    (tmp_path / "layer").mkdir()
    with Tree(tmp_path / "layer") as tree:
        assert not is_stub(tree, tmp_path, "vfs")


def test_what_is_mounted_may_be_empty(tmp_path: Path) -> None:
    with Tree("/proc/self/fdinfo") as tree:  # another device than where `around` lies
        assert not is_stub(tree, tmp_path, "zfs")
