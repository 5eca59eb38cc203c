from __future__ import annotations

import tarfile

import pytest

from tests.layers import device, file, folder, layer
from toolkit.plumbing.overlaymarks import as_oci, is_overlay_whiteout, overlay_xattrs
from toolkit.plumbing.tarball import Entries, StreamReader
from toolkit.plumbing.tarheader import Entry


def entry(one: tuple[tarfile.TarInfo, bytes]) -> Entry:
    return next(Entries(StreamReader(iter([layer(one)])), "layer"))


@pytest.mark.parametrize(("name", "mark"), [("x", b".wh.x"), ("d/x", b"d/.wh.x"), ("/x", b"/.wh.x")])
def test_a_device_0_0_is_a_whiteout(name: str, mark: bytes) -> None:
    (found,) = as_oci(entry(device(name, 0, 0)))
    assert (found.name, found.is_file, found.size) == (mark, True, 0)


def test_no_other_node_is_one() -> None:
    for one in (device("x", 0, 1), device("x", 0, 0, tarfile.BLKTYPE), file("x", b"")):
        assert not is_overlay_whiteout(entry(one))
        assert [found.name for found in as_oci(entry(one))] == [b"x"]


@pytest.mark.parametrize("namespace", ["trusted", "user"])
@pytest.mark.parametrize("name", ["d", "d/", "./"])
def test_an_opaque_folder_is_followed_by_its_mark(namespace: str, name: str) -> None:
    xattrs = {f"{namespace}.overlay.opaque": b"y", f"{namespace}.overlay.origin": b"\0", "user.a": b"b"}
    plain, mark = as_oci(entry(folder(name, xattrs=xattrs)))
    assert plain.xattrs == {b"user.a": b"b"}
    assert (mark.name, mark.is_file) == (name.rstrip("/").encode() + b"/.wh..wh..opq", True)


def test_a_folder_that_is_not_opaque_loses_the_mark_alone() -> None:
    (plain,) = as_oci(entry(folder("d", xattrs={"trusted.overlay.opaque": b"n"})))
    assert (plain.name, plain.xattrs) == (b"d/", {})


@pytest.mark.parametrize("mark", ["redirect", "metacopy", "whiteout", "new"])
def test_what_is_elsewhere_keeps_its_marks(mark: str) -> None:
    xattrs = {f"trusted.overlay.{mark}": b"/x", "trusted.overlay.opaque": b"y"}
    (found,) = as_oci(entry(folder("d", xattrs=xattrs)))
    assert overlay_xattrs(found).keys() == {mark.encode(), b"opaque"}
