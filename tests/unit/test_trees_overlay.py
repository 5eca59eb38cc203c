"""Trees in the kernel's form, as tars (formats E.5); what podman and Docker write is in tests/integration."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from toolkit.errors import StoreError, Unsupported
from toolkit.plumbing.tree import Tree
from toolkit.stores.trees.overlay import overlay_changes
from toolkit.stores.trees.rebuild import Rebuilt

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root sees, and makes, the kernel's marks")


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A layer that deletes a file, hides what a folder had, and has a file with a capability's name."""
    (tmp_path / "folder").mkdir(mode=0o750)
    (tmp_path / "folder/file").write_bytes(b"text")
    return tmp_path


def members(layer: Path) -> list[tarfile.TarInfo]:
    with Tree(layer) as tree:
        rebuilt = Rebuilt(tree, lambda: overlay_changes(tree))
        raw = b"".join(map(bytes, rebuilt.blocks()))
        assert rebuilt.measure().size == len(raw)
    return tarfile.open(fileobj=io.BytesIO(raw)).getmembers()


@needs_root
def test_marks_of_the_kernel_become_those_of_a_tar(layer: Path) -> None:
    os.mknod(layer / "gone", stat.S_IFCHR, os.makedev(0, 0))
    os.utime(layer / "gone", (5, 5))
    os.setxattr(layer / "folder", "user.fuseoverlayfs.opaque", b"y")
    found = members(layer)
    assert [(member.name, member.size) for member in found] == [
        ("folder", 0), ("folder/.wh..wh..opq", 0), ("folder/file", 4), (".wh.gone", 0),
    ]  # fmt: skip
    assert all(member.isreg() for member in found[1:])
    assert [(member.mode, member.mtime) for member in (found[1], found[3])] == [(0o750, 0), (0o600, 5)]
    assert found[0].pax_headers == {}


@needs_root
def test_marks_that_are_files_already_pass_as_they_are(layer: Path) -> None:
    (layer / ".wh.gone").touch()
    assert [member.name for member in members(layer)] == [".wh.gone", "folder", "folder/file"]


@needs_root
@pytest.mark.parametrize("name", ["user.overlay.redirect", "user.overlay.metacopy"])
@pytest.mark.parametrize("where", ["folder", "folder/file"])
def test_a_file_kept_by_reference_is_refused(layer: Path, name: str, where: str) -> None:
    os.setxattr(layer / where, name, b"/elsewhere")
    with pytest.raises(Unsupported, match=f"{where}: has {name}: it is kept by reference"):
        members(layer)


def test_without_rights_it_is_said_who_can_see_the_marks(layer: Path) -> None:
    own = os.geteuid()
    layer.chmod(0o755)
    with Tree(layer) as tree:
        if own == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(
                StoreError, match="has marks of deleted files that only root can read; run as root"
            ):
                list(overlay_changes(tree))
        finally:
            os.seteuid(own)
