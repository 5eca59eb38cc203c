"""A tree in the kernel's overlay form, as its layer's tar has it; read back by Python's own tarfile."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import Folder
from tests.graphs import SOME_TIME, fill
from toolkit.errors import CorruptContent, StoreError, Unsupported
from toolkit.plumbing.tree import Tree
from toolkit.stores.trees.overlay import overlay_changes
from toolkit.stores.trees.rebuild import Rebuilt

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: whiteouts are devices and xattrs")


def members(folder: Path) -> dict[str, tarfile.TarInfo]:
    with Tree(folder) as tree:
        rebuilt = Rebuilt(tree, lambda: overlay_changes(tree))
        raw = b"".join(map(bytes, rebuilt.blocks()))
        assert rebuilt.measure().size == len(raw)
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return {member.name: member for member in tar.getmembers()}


def delete(folder: Path, name: str) -> None:
    os.mknod(folder / name, stat.S_IFCHR | 0o600, os.makedev(0, 0))
    os.chown(folder / name, 7, 8)
    os.utime(folder / name, (SOME_TIME, SOME_TIME))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill(tmp_path / "diff", {"d": Folder(0o751), "d/kept": b"12345", "e": b""})


@AS_ROOT
def test_a_device_0_0_is_a_whiteout_with_the_devices_owner_and_time(folder: Path) -> None:
    delete(folder, "d/gone")
    found = members(folder)
    assert list(found) == ["d", "d/.wh.gone", "d/kept", "e"]
    mark = found["d/.wh.gone"]
    assert (mark.type, mark.size, mark.mode, mark.uid, mark.gid, mark.mtime) == (
        b"0",
        0,
        0o600,
        7,
        8,
        SOME_TIME,
    )


@AS_ROOT
@pytest.mark.parametrize("name", ["trusted.overlay.opaque", "user.overlay.opaque"])
def test_an_opaque_folder_is_followed_by_its_mark(folder: Path, name: str) -> None:
    set_or_skip(folder / "d", name, b"y")
    found = members(folder)
    assert list(found) == ["d", "d/.wh..wh..opq", "d/kept", "e"]
    mark = found["d/.wh..wh..opq"]
    assert (mark.type, mark.size, mark.mode, mark.mtime) == (b"0", 0, 0o751, 0)


@AS_ROOT
def test_an_opaque_root_has_its_mark_first(folder: Path) -> None:
    set_or_skip(folder, "trusted.overlay.opaque", b"y")
    assert next(iter(members(folder))) == ".wh..wh..opq"


@AS_ROOT
def test_a_mark_of_fuse_overlayfs_counts_too(folder: Path) -> None:
    os.setxattr(folder / "d", "user.fuseoverlayfs.opaque", b"y")
    assert list(members(folder)) == ["d", "d/.wh..wh..opq", "d/kept", "e"]


@AS_ROOT
def test_marks_that_are_files_already_pass_as_they_are(folder: Path) -> None:
    (folder / "d/.wh.gone").touch()
    assert list(members(folder)) == ["d", "d/.wh.gone", "d/kept", "e"]


@AS_ROOT
def test_another_value_is_no_mark(folder: Path) -> None:
    set_or_skip(folder / "d", "trusted.overlay.opaque", b"n")
    assert list(members(folder)) == ["d", "d/kept", "e"]


@AS_ROOT
def test_a_real_device_stays_one(folder: Path) -> None:
    os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    mark = members(folder)["null"]
    assert (mark.type, mark.devmajor, mark.devminor) == (b"3", 1, 3)


@AS_ROOT
@pytest.mark.parametrize(
    ("where", "name"),
    [
        (lambda f: f / "d", "trusted.overlay.redirect"),
        (lambda f: f / "e", "trusted.overlay.metacopy"),
        (lambda f: f, "trusted.overlay.redirect"),
    ],
)
def test_what_is_kept_by_reference_is_refused(folder: Path, where: Callable[[Path], Path], name: str) -> None:
    set_or_skip(where(folder), name, b"/elsewhere")
    with pytest.raises(Unsupported, match=f"has {name}: it is kept by reference"):
        members(folder)


def test_without_root_the_marks_cannot_be_seen_and_nothing_is_guessed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(StoreError, match="only root can read; run as root"):
        members(folder)


def set_or_skip(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        pytest.skip(f"the file system takes no {name}: {error.strerror}")


@AS_ROOT
def test_a_folder_that_goes_before_its_marks_are_read_is_told_with_its_path(folder: Path) -> None:
    with Tree(folder) as tree:
        changes = overlay_changes(tree)
        assert next(changes).path == b"d"
        (folder / "d").rename(folder.parent / "elsewhere")
        with pytest.raises(CorruptContent, match="/d: came and went while it was read"):
            list(changes)
