"""What is refused of an entry before anything is made; what is made is in test_apply."""

from __future__ import annotations

import tarfile
from dataclasses import replace

import pytest

from tests.layers import device, file, folder, layer, symlink
from toolkit.errors import UnsafeArchive
from toolkit.plumbing.nodes import check, times
from toolkit.plumbing.tarball import Entries, StreamReader
from toolkit.plumbing.tarheader import Entry


def entry(one: tuple[tarfile.TarInfo, bytes], **facts: int) -> Entry:
    found = next(Entries(StreamReader(iter([layer(one)])), "layer"))
    return replace(found, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("owner", [-1, 2**32 - 1, 2**63 - 1])
@pytest.mark.parametrize("which", ["uid", "gid"])
def test_an_owner_no_linux_has_is_refused(which: str, owner: int) -> None:
    with pytest.raises(UnsafeArchive, match=f"has the {which} {owner}, expected 0 to 4294967294"):
        check(entry(file("a"), **{which: owner}))


@pytest.mark.parametrize("owner", [0, 2**32 - 2])
def test_any_other_owner_is_fine(owner: int) -> None:
    check(entry(file("a"), uid=owner, gid=owner))


def test_device_0_0_is_a_whiteout_to_overlay_and_a_disk_to_nobody() -> None:
    with pytest.raises(UnsafeArchive, match="whiteout"):
        check(entry(device("a", 0, 0)))
    check(entry(device("a", 0, 0, tarfile.BLKTYPE)))
    check(entry(device("a", 0, 1)))
    check(entry(device("a", 4095, 2**20 - 1)))


@pytest.mark.parametrize("name", ["trusted.overlay.opaque", "user.overlay.whiteout"])
def test_an_xattr_that_overlay_acts_on_is_refused(name: str) -> None:
    with pytest.raises(UnsafeArchive, match="overlay"):
        check(entry(folder("a", xattrs={name: b"y"})))


def test_other_xattrs_are_fine() -> None:
    check(
        entry(file("a", xattrs={"user.overlays": b"y", "security.capability": b"x", "trusted.md5sum": b"z"}))
    )


def test_a_link_to_an_empty_name_is_refused() -> None:
    with pytest.raises(UnsafeArchive):
        check(entry(symlink("a", "")))


def test_times_are_nanoseconds_and_may_be_before_1970() -> None:
    assert times(entry(file("a"), mtime=-2, mtime_ns=500_000_000)) == (-1_500_000_000, -1_500_000_000)
