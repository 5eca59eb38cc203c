"""Layers laid over one another; what must come of them is what the OCI image-spec says (layer.md, formats E)."""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

import pytest

from tests.descriptors import open_descriptors
from tests.extracting import Site
from tests.layers import SOME_TIME, device, file, folder, hard_link, layer, member, symlink
from toolkit.errors import MissingMember, UnsafeArchive
from toolkit.plumbing.extraction import Extraction
from toolkit.plumbing.profile import EVERYTHING, SAFE, Profile
from toolkit.plumbing.tarball import Entries, StreamReader
from toolkit.plumbing.tree import Tree

FIFO = tarfile.FIFOTYPE
ROOT = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners and devices")]
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def problems(done: object) -> list[str]:
    return [finding.problem for finding in done.findings]  # type: ignore[attr-defined]


# ── what an entry becomes ──


def test_files_have_their_content_permissions_and_times(site: Site) -> None:
    site.extract([folder("d", 0o750), file("d/a", b"hello", mode=0o640), symlink("s", "/etc/passwd")])
    facts = (site.root / "d/a").stat()
    assert (site.root / "d/a").read_bytes() == b"hello"
    assert site.modes() == {"d": "drwxr-x---", "d/a": "-rw-r-----", "s": "lrwxrwxrwx"}
    assert os.readlink(site.root / "s") == "/etc/passwd"
    assert facts.st_mtime_ns == (site.root / "d").stat().st_mtime_ns == SOME_TIME * 10**9
    assert (site.root / "s").lstat().st_mtime_ns == SOME_TIME * 10**9


def test_files_belong_to_whoever_extracts_them(site: Site) -> None:
    done = site.extract([folder("d", uid=7), file("d/a", uid=3_000_000, gid=5), symlink("s", "a", uid=8)])
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in site.root.rglob("*")}
    assert owners == {(os.geteuid(), os.getegid())}
    assert (done.left_out["owner"].count, done.left_out["owner"].first) == (3, "d")


def test_bits_that_act_on_this_machine_are_left_out(site: Site) -> None:
    done = site.extract(
        [folder("d", 0o2775), folder("t", 0o1777), file("a", mode=0o4711), file("b", mode=0o6755),
         file("c", mode=0o1644)],
    )  # fmt: skip
    assert site.modes() == {
        "a": "-rwx--x--x", "b": "-rwxr-xr-x", "c": "-rw-r--r--", "d": "drwxrwxr-x", "t": "drwxrwxrwt",
    }  # fmt: skip
    told = {kind: str(odd) for kind, odd in done.left_out.items() if kind != "owner"}
    assert told == {"setgid bit": "d and 1 more", "setuid bit": "a and 1 more", "sticky bit": "c"}


def test_bits_are_kept_where_they_are_asked_for(site: Site) -> None:
    done = site.extract(
        [folder("d", 0o2775), file("a", mode=0o4711), file("c", mode=0o1644)], profile=Profile(setuid=True)
    )
    assert site.modes() == {"a": "-rws--x--x", "c": "-rw-r--r-T", "d": "drwxrwsr-x"}
    assert done.left_out.keys() <= {"owner"}


def test_devices_fifos_and_links_to_them_are_left_out(site: Site) -> None:
    done = site.extract(
        [device("dev/null", 1, 3), device("dev/sda", 8, 0, tarfile.BLKTYPE), member("dev/f", FIFO)],
        [hard_link("again", "dev/f"), hard_link("once/more", "again")],
    )
    assert site.names() == ["dev", "once"]
    told = {kind: str(odd) for kind, odd in done.left_out.items()}
    assert told == {  # and what is not made has no owner
        "character device": "dev/null", "block device": "dev/sda", "fifo": "dev/f",
        "hard link": "again and 1 more",
    }  # fmt: skip


def test_what_is_left_out_hides_what_is_below_it_all_the_same(site: Site) -> None:
    site.extract([file("a"), file("b/c"), file("e")], [device("a", 1, 3), member("b", FIFO)])
    assert site.names() == ["e"]


def test_nothing_lies_in_what_is_left_out(site: Site) -> None:
    site.refused([device("a", 1, 3), file("a/b")], kind=UnsafeArchive, match="leads through a")


def test_xattrs_are_left_out_and_told(site: Site) -> None:
    done = site.extract([file("a", xattrs={"user.note": b"x"}), folder("d", xattrs={"user.note": b"y"})])
    assert os.listxattr(site.root / "a") == os.listxattr(site.root / "d") == []
    assert str(done.left_out["xattr"]) == "a and 1 more"


def test_xattrs_are_kept_where_they_are_asked_for(site: Site) -> None:
    try:
        os.setxattr(site.vault, "user.try", b"")
        os.removexattr(site.vault, "user.try")
    except OSError:
        pytest.skip("this file system has no user xattrs")
    site.extract(
        [file("a", xattrs={"user.note": b"x=\0y"}), folder("d", xattrs={"user.note": b"z"}), file("d/b")],
        profile=Profile(xattrs=True),
    )
    assert os.getxattr(site.root / "a", "user.note") == b"x=\0y"
    assert os.getxattr(site.root / "d", "user.note") == b"z"


@pytest.mark.parametrize("", [pytest.param(marks=ROOT)])
def test_everything_is_kept_of_a_full_extraction(site: Site) -> None:
    done = site.extract(
        [folder("./", 0o700, uid=9), file("a", mode=0o4711, uid=3_000_000, gid=4_000_000,
         xattrs={"security.capability": CAPABILITY}), device("null", 1, 3), member("f", FIFO, mode=0o622),
         symlink("s", "x", uid=7), folder("d", 0o2750, gid=8), hard_link("b", "a")],
        profile=EVERYTHING,
    )  # fmt: skip
    facts = (site.root / "a").stat()
    assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (3_000_000, 4_000_000, 0o4711)
    assert os.getxattr(site.root / "b", "security.capability") == CAPABILITY
    assert (site.root / "null").lstat().st_rdev == os.makedev(1, 3)
    assert (site.root / "s").lstat().st_uid == 7
    assert site.modes()["f"] == "prw--w--w-"
    assert (site.root / "d").stat().st_gid == 8
    assert (site.root.stat().st_uid, stat.S_IMODE(site.root.stat().st_mode)) == (9, 0o700)
    assert done.left_out == {}
    assert done.census.specials == 2


def test_the_top_folders_own_entry_is_not_asked_for(site: Site) -> None:
    umask = os.umask(0o027)
    try:
        site.extract([folder("./", 0o1777), file("a")])
    finally:
        os.umask(umask)
    assert stat.S_IMODE(site.root.stat().st_mode) == 0o750


def test_a_mode_that_closes_a_folder_to_its_owner_comes_last(site: Site) -> None:
    site.extract([folder("d", 0), file("d/a"), folder("d/e", 0o100), file("d/e/b")], [file("d/e/c")])
    assert stat.filemode((site.root / "d").stat().st_mode) == "d---------"
    (site.root / "d").chmod(0o700)
    assert stat.filemode((site.root / "d/e").stat().st_mode) == "d--x------"
    (site.root / "d/e").chmod(0o700)
    assert site.names() == ["d", "d/a", "d/e", "d/e/b", "d/e/c"]


def test_folders_without_an_entry_are_open_to_all(site: Site) -> None:
    umask = os.umask(0o077)
    try:
        site.extract([file("a/b/c")])
    finally:
        os.umask(umask)
    assert site.modes() == {"a": "drwxr-xr-x", "a/b": "drwxr-xr-x", "a/b/c": "-rw-r--r--"}


def test_a_hard_link_is_a_second_name_whose_header_changes_nothing(site: Site) -> None:
    done = site.extract([file("a", mode=0o600), hard_link("b", "./a", mode=0o4777), hard_link("c", "/b")])
    assert len({(site.root / name).stat().st_ino for name in "abc"}) == 1
    assert stat.S_IMODE((site.root / "a").stat().st_mode) == 0o600
    assert (done.census.files, done.census.hard_links) == (1, 2)


def test_a_hard_link_to_a_link_links_the_link(site: Site) -> None:
    site.extract([symlink("a", "/etc/passwd"), hard_link("b", "a")])
    assert os.readlink(site.root / "b") == "/etc/passwd"


def test_a_hard_link_to_a_lower_layer_is_made_and_told(site: Site) -> None:
    done = site.extract([file("a")], [hard_link("b", "a")])
    assert (site.root / "a").stat().st_nlink == 2
    assert problems(done) == ["b is a hard link to a file of a lower layer: not every engine makes one"]


@pytest.mark.parametrize("target", ["gone", "later", "d/gone"])
def test_a_hard_link_to_what_is_not_there_is_refused(site: Site, target: str) -> None:
    site.refused([folder("d"), hard_link("b", target), file("later")], kind=MissingMember, match="not there")


@pytest.mark.parametrize("seconds", [0, -1, -(2**62), 2**62])
def test_a_time_far_away_is_no_error(site: Site, seconds: int) -> None:
    info, content = file("a")
    info.pax_headers = {"mtime": str(seconds)}
    other, _ = folder("d")
    other.pax_headers = {"mtime": str(seconds)}
    site.extract([(info, content), (other, b"")])
    assert site.names() == ["a", "d"]


def test_names_may_be_any_bytes_and_absolute(site: Site) -> None:
    names = ["back\\slash", "c:d", "new\nline", "\udcff\udcfe", "NAÏVE", "NAI\u0308VE", ".wh", "..a"]
    site.extract([*map(file, names), file("/abs/olute"), file("./dot")])
    assert sorted(os.listdir(site.root)) == sorted([*names, "abs", "dot"])


def test_the_folder_is_closed_until_the_end_and_nothing_stays_open(site: Site) -> None:
    site.root.mkdir(0o755)
    handles = open_descriptors()
    with Tree(site.root) as tree, Extraction(tree, SAFE) as extraction:
        found = Entries(
            StreamReader(iter([layer(folder("d"), file("d/e/f"), hard_link("d/h", "d/e/f"))])), "layer"
        )
        extraction.take(found, "layer")
        assert stat.S_IMODE(site.root.stat().st_mode) == 0o700
        assert set(site.modes().values()) == {"drwx------", "-rw-r--r--"}
        assert extraction.finish().hard_links == 1
    assert stat.S_IMODE(site.root.stat().st_mode) == 0o755
    assert set(site.modes().values()) == {"drwxr-xr-x", "-rw-r--r--"}
    assert open_descriptors() == handles


# ── layers over layers ──

LOWER = [
    folder("d", 0o700),
    file("d/old"),
    folder("d/sub", 0o750),
    file("d/sub/old"),
    file("f"),
    symlink("s", "d"),
]


def test_a_whiteout_takes_away_what_is_below(site: Site) -> None:
    site.extract(LOWER, [file("d/.wh.sub", b""), file(".wh.f", b"whatever"), file(".wh.nothing", b"")])
    assert site.names() == ["d", "d/old", "s"]


def test_a_whiteout_of_a_link_leaves_its_target(site: Site) -> None:
    site.extract(LOWER, [file(".wh.s", b"")])
    assert site.names() == ["d", "d/old", "d/sub", "d/sub/old", "f"]


@pytest.mark.parametrize("first", [1, 0])
def test_an_opaque_folder_hides_what_is_below_wherever_its_mark_stands(site: Site, first: int) -> None:
    mark, rest = [file("d/.wh..wh..opq", b"")], [folder("d"), file("d/new"), file("d/sub/new")]
    site.extract(LOWER, [*mark, *rest] if first else [*rest, *mark])
    assert site.names() == ["d", "d/new", "d/sub", "d/sub/new", "f", "s"]


def test_an_opaque_root_hides_everything(site: Site) -> None:
    site.extract(LOWER, [file("new"), file("d/sub/new"), file(".wh..wh..opq", b"")])
    assert site.names() == ["d", "d/sub", "d/sub/new", "new"]


@pytest.mark.parametrize("first", [1, 0])
def test_a_folder_that_was_hidden_is_none_that_a_lower_layer_describes(site: Site, first: int) -> None:
    mark, rest = [file(".wh..wh..opq", b"")], [file("d/sub/new")]
    site.extract(LOWER, [*mark, *rest] if first else [*rest, *mark])
    assert site.modes() == {"d": "drwxr-xr-x", "d/sub": "drwxr-xr-x", "d/sub/new": "-rw-r--r--"}


@pytest.mark.parametrize("first", [1, 0])
def test_a_whiteout_never_means_its_own_layer(site: Site, first: int) -> None:
    """Acceptance case 31."""
    mark, rest = [file(".wh.f", b""), file(".wh.d", b"")], [file("f", b"new"), file("d/sub/new")]
    done = site.extract(LOWER, [*mark, *rest] if first else [*rest, *mark])
    assert site.names() == ["d", "d/sub", "d/sub/new", "f", "s"]
    assert (site.root / "f").read_bytes() == b"new"
    assert site.modes()["d"] == "drwxr-xr-x"  # nobody describes this one
    told = "f and 1 more is taken away by a whiteout behind it in the same layer, and stays: engines differ on that"
    assert problems(done) == ([] if first else [told])


def test_only_the_last_name_of_a_path_is_a_whiteout(site: Site) -> None:
    site.extract([file(".wh.a/b"), file("a/b")])
    assert site.names() == [".wh.a", ".wh.a/b", "a", "a/b"]


@pytest.mark.parametrize("name", [".wh.", "d/.wh..", "d/.wh...", ".wh..wh."])
def test_a_whiteout_of_nothing_is_refused(site: Site, name: str) -> None:
    """Acceptance case 32."""
    error = site.refused([folder("d"), file(name, b"")], kind=UnsafeArchive, match="whiteout of nothing")
    assert name in str(error)


@pytest.mark.parametrize("new", [file("x"), symlink("x", "f"), folder("x"), hard_link("x", "kept")])
@pytest.mark.parametrize("old", ["f", "d", "s"])
def test_anything_replaces_anything(site: Site, old: str, new: tuple[tarfile.TarInfo, bytes]) -> None:
    new[0].name = old
    site.extract([*LOWER, file("kept")], [new])
    kind = "l" if new[0].issym() else "d" if new[0].isdir() else "-"
    assert site.modes()[old][0] == kind
    assert ("d/sub/old" in site.names()) is (old != "d" or new[0].isdir())


def test_an_upper_layers_folder_has_what_it_says_and_an_implied_one_what_it_had(site: Site) -> None:
    site.extract(LOWER, [folder("d/sub", 0o711), file("d/new")])
    assert (site.modes()["d"], site.modes()["d/sub"]) == ("drwx------", "drwx--x--x")
    assert (site.root / "d").stat().st_mtime_ns == SOME_TIME * 10**9


def test_a_file_that_replaces_a_second_name_leaves_the_first(site: Site) -> None:
    site.extract([file("a", b"first"), hard_link("b", "a")], [file("b", b"second")])
    assert (site.root / "a").read_bytes() == b"first"
    assert (site.root / "b").read_bytes() == b"second"


def test_one_layer_may_stand_in_an_image_twice(site: Site) -> None:
    site.extract([file("a", b"1")], [file(".wh.a", b""), file("b")], [file("a", b"1")])
    assert site.names() == ["a", "b"]


def test_a_folder_may_stand_twice_in_a_layer_and_the_last_counts(site: Site) -> None:
    site.extract([folder("d", 0o700), file("d/a"), folder("./d/", 0o755)])
    assert site.modes()["d"] == "drwxr-xr-x"


# ── links of lower layers on the way ──

USR = [folder("usr"), folder("usr/bin"), file("usr/bin/sh"), symlink("bin", "usr/bin")]
BEHIND = "lies behind a link of a lower layer, which was followed: engines differ on that"


@pytest.mark.parametrize("target", ["usr/bin", "/usr/bin", "./usr/../usr/bin/", "../../usr/bin"])
def test_a_path_behind_a_link_of_a_lower_layer_is_followed_inside(site: Site, target: str) -> None:
    done = site.extract([*USR[:-1], symlink("bin", target)], [file("bin/ls"), file("bin/x/y")])
    assert site.names() == ["bin", "usr", "usr/bin", "usr/bin/ls", "usr/bin/sh", "usr/bin/x", "usr/bin/x/y"]
    assert (site.root / "bin").is_symlink()
    assert problems(done) == [f"bin/ls and 1 more {BEHIND}"]


def test_a_hard_link_behind_a_link_of_a_lower_layer_is_followed_inside(site: Site) -> None:
    site.extract([*USR, symlink("b2", "bin")], [file("bin/ls"), hard_link("b2/dir", "bin/ls")])
    assert (site.root / "usr/bin/dir").stat().st_ino == (site.root / "usr/bin/ls").stat().st_ino


def test_a_link_to_nothing_leads_to_a_new_folder_inside(site: Site) -> None:
    site.extract([symlink("var/run", "/run")], [file("var/run/pid")])
    assert site.names() == ["run", "run/pid", "var", "var/run"]


def test_a_folder_entry_replaces_a_link_as_in_all_engines(site: Site) -> None:
    site.extract(USR, [folder("bin"), file("bin/ls")])
    assert site.names() == ["bin", "bin/ls", "usr", "usr/bin", "usr/bin/sh"]


@pytest.mark.parametrize(
    "later",
    [[folder("bin")], [symlink("bin", "x")], [file(".wh.bin", b"")], [file(".wh..wh..opq", b"")]],
)
def test_what_would_change_where_a_path_led_is_refused(
    site: Site, later: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    site.refused(USR, [file("bin/ls"), *later], kind=UnsafeArchive, match="takes away")


def test_one_file_on_two_ways_stands_twice(site: Site) -> None:
    site.refused(USR, [file("bin/ls"), file("usr/bin/ls")], kind=UnsafeArchive, match="stands twice")


@pytest.mark.parametrize("name", ["bin/.wh.sh", "bin/.wh..wh..opq"])
def test_a_whiteout_behind_a_link_is_refused(site: Site, name: str) -> None:
    site.refused(USR, [file(name, b"")], kind=UnsafeArchive, match="whiteout behind a link")


def test_a_path_behind_a_link_of_its_own_layer_is_refused(site: Site) -> None:
    site.refused([*USR, file("bin/ls")], kind=UnsafeArchive, match="leads through bin")
    site.refused(USR, [symlink("usr/sbin", "bin"), file("usr/sbin/x")], kind=UnsafeArchive, match="sbin")


@pytest.mark.parametrize("lower", [file("a"), device("a", 1, 3)])
def test_a_path_below_a_file_is_refused(site: Site, lower: tuple[tarfile.TarInfo, bytes]) -> None:
    error = site.refused([lower, file("a/b")], kind=UnsafeArchive, match="leads through a")
    assert "a/b" in str(error)


def test_links_in_a_circle_are_refused(site: Site) -> None:
    site.refused([symlink("a", "b"), symlink("b", "a")], [file("a/x")], kind=UnsafeArchive, match="40 links")


# ── what is not OCI's ──


def test_aufs_own_files_are_there_to_be_linked_to_alone(site: Site) -> None:
    """Acceptance case 23: two names, one inode, nothing of aufs."""
    done = site.extract(
        [file(".wh..wh.aufs", b"", mode=0o444), folder(".wh..wh.plnk", 0o700), folder(".wh..wh.orph"),
         file(".wh..wh.plnk/12.34", b"linked"), file(".wh..wh.orph/gone"),
         hard_link("a", ".wh..wh.plnk/12.34"), hard_link("b", ".wh..wh.plnk/12.34")],
        [file("c")],
    )  # fmt: skip
    assert site.names() == ["a", "b", "c"]
    assert (site.root / "a").stat().st_ino == (site.root / "b").stat().st_ino
    assert ((site.root / "a").read_bytes(), done.census.hard_links) == (b"linked", 1)


OVERLAY = [device("d/x", 0, 0), folder("e", xattrs={"trusted.overlay.opaque": b"y"}), file("e/new")]


@pytest.mark.parametrize("entry", OVERLAY[:2])
def test_overlays_marks_are_an_injection(site: Site, entry: tuple[tarfile.TarInfo, bytes]) -> None:
    """Acceptance case 33."""
    error = site.refused([entry], kind=UnsafeArchive, match="overlay file systems")
    assert "--as-whiteout" in str(error)


def test_overlays_marks_are_whiteouts_where_they_are_asked_for(site: Site) -> None:
    lower = [file("d/x"), file("d/y"), file("e/old"), file("e/older")]
    site.extract(lower, OVERLAY, as_whiteout=True)
    assert site.names() == ["d", "d/y", "e", "e/new"]


def test_content_that_overlay_has_elsewhere_is_refused_always(site: Site) -> None:
    redirected = folder("d", xattrs={"trusted.overlay.redirect": b"/x"})
    site.refused([redirected], kind=UnsafeArchive, match="redirect", as_whiteout=True)


def test_names_that_the_file_system_takes_for_one_are_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.plumbing.extraction.folds_names", lambda handle: handle >= 0)
    for layers in ([[file("d/Makefile"), file("d/makefile")]], [[file("A/x")], [file("a/y")]]):
        site.refused(*layers, kind=UnsafeArchive, match="but for case or accents")
    site.refused([file("x")], [file(".wh.X")], kind=UnsafeArchive, match="but for case or accents")
    site.extract([file("d/Makefile"), file("e/makefile")], [file("d/Makefile"), file(".wh.e")])
    assert site.names() == ["d", "d/Makefile"]
