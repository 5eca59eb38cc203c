from __future__ import annotations

import tarfile
from typing import Any

import pytest

from tests.layers import device, file, folder, hard_link, layer, member, symlink
from toolkit.plumbing.profile import EVERYTHING, SAFE, Profile
from toolkit.plumbing.tarball import Entries, StreamReader
from toolkit.plumbing.tarheader import Entry

ME = (1000, 1000)


def entry(one: tuple[tarfile.TarInfo, bytes]) -> Entry:
    return next(Entries(StreamReader(iter([layer(one)])), "layer"))


def lost(one: tuple[tarfile.TarInfo, bytes], profile: Profile = SAFE) -> list[str]:
    return list(profile.lost(entry(one), ME))


@pytest.mark.parametrize(
    ("one", "mode"),
    [(file("a", mode=0o7755), 0o755), (folder("a", 0o7755), 0o1755), (file("a", mode=0o100644), 0o644)],
)
def test_a_safe_mode_has_no_bits_that_act(one: tuple[tarfile.TarInfo, bytes], mode: int) -> None:
    assert SAFE.mode(entry(one)) == mode
    assert EVERYTHING.mode(entry(one)) == entry(one).mode & 0o7777


def test_what_is_lost_is_told_by_kind() -> None:
    mine: dict[str, Any] = {"uid": 1000, "gid": 1000}
    assert lost(file("a", **mine)) == []
    assert lost(file("a", uid=1000)) == ["owner"]
    assert lost(symlink("a", "b", **mine)) == []  # a link's mode is no mode
    assert lost(file("a", mode=0o7755, xattrs={"user.a": b"b"}, **mine)) == [
        "xattr", "setuid bit", "setgid bit", "sticky bit",
    ]  # fmt: skip
    assert lost(folder("a", 0o3755, **mine)) == ["setgid bit"]
    assert lost(device("a", 1, 3)) == ["character device"]
    assert lost(device("a", 1, 3, tarfile.BLKTYPE)) == ["block device"]
    assert lost(member("a", tarfile.FIFOTYPE)) == ["fifo"]
    assert lost(hard_link("a", "b", mode=0o4755)) == []  # they are those of what it leads to


def test_nothing_is_lost_of_everything() -> None:
    for one in (
        file("a", mode=0o7755, uid=5, xattrs={"user.a": b"b"}),
        device("a", 1, 3),
        folder("a", 0o2755),
    ):
        assert lost(one, EVERYTHING) == []


def test_each_wish_keeps_its_own_alone() -> None:
    one = file("a", mode=0o4755, uid=5, xattrs={"user.a": b"b"})
    assert lost(one, Profile(owners=True)) == ["xattr", "setuid bit"]
    assert lost(one, Profile(xattrs=True, setuid=True)) == ["owner"]
    assert Profile(devices=True).makes(entry(device("a", 1, 3)))
    assert not Profile(owners=True, xattrs=True, setuid=True).makes(entry(device("a", 1, 3)))
