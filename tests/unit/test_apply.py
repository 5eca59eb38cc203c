"""Layers unpacked into folders; what they must become is what Docker 1.9.1's code makes of them.

Hostile layers are named after the flaw that each kind once was (formats G.1, G.2).
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.layers import SOME_TIME, device, file, folder, hard_link, layer, member, symlink
from toolkit.errors import CorruptContent, MissingMember, ToolkitError, UnsafeArchive, Unsupported
from toolkit.plumbing.apply import OWN_CHANGES, WHOLE_TREE, Manner, apply
from toolkit.plumbing.assembly import assemble
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.tarsplit import TarSplit
from toolkit.plumbing.tarsplit_writer import TarSplitWriter
from toolkit.plumbing.tree import Tree

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: layers have owners and devices"),
]
MANNERS = [pytest.param(OWN_CHANGES, id="own changes"), pytest.param(WHOLE_TREE, id="whole tree")]
FACTS = {"uid": 3_000_000, "gid": 4_000_000, "mode": 0o4711}
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


class Place:
    """A folder inside another one that holds a secret, and layers applied to it."""

    def __init__(self, outside: Path) -> None:
        self.outside, self.top, self.split = outside, outside / "top", outside / "split.gz"
        self.top.mkdir()
        (outside / "secret").write_text("secret")

    def take(self, manner: Manner, *members: tuple[tarfile.TarInfo, bytes], tar: bytes = b"") -> int:
        tar = tar or layer(*members)
        blocks: Iterator[bytes] = iter([tar[:700], tar[700:]])
        handle = os.open(self.split, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            with Tree(self.top, "layer") as tree:
                return apply(blocks, tree, manner, TarSplitWriter(handle), "layer")
        finally:
            os.close(handle)

    def given_back(self) -> bytes:
        handle = os.open(self.split, os.O_RDONLY)
        try:
            size = os.fstat(handle).st_size
            with Tree(self.top) as tree:
                split = TarSplit(lambda: Extent(handle, 0, size, "split"), "split")
                return b"".join(map(bytes, assemble(split, tree)))
        finally:
            os.close(handle)

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.top)) for path in self.top.rglob("*"))

    def untouched(self) -> bool:
        secret = self.outside / "secret"
        return (
            secret.read_text() == "secret"
            and stat.S_IMODE(secret.stat().st_mode) == 0o644
            and secret.stat().st_nlink == 1
            and {path.name for path in self.outside.iterdir()} <= {"secret", "top", "split.gz"}
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(params=MANNERS)
def manner(request: pytest.FixtureRequest) -> Manner:
    assert isinstance(request.param, Manner)
    return request.param


# ── what an entry becomes ──


def test_a_file_has_its_content_owner_mode_time_and_capability(place: Place, manner: Manner) -> None:
    place.take(manner, file("a", b"hello", xattrs={"security.capability": CAPABILITY}, **FACTS))
    facts = (place.top / "a").stat()
    assert (place.top / "a").read_bytes() == b"hello"
    assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (3_000_000, 4_000_000, 0o4711)
    assert facts.st_mtime_ns == SOME_TIME * 10**9
    assert os.getxattr(place.top / "a", "security.capability") == CAPABILITY


def test_a_folder_keeps_its_time_though_files_follow(place: Place, manner: Manner) -> None:
    place.take(manner, folder("d", 0o2775, gid=8), file("d/a"), folder("d/e"), file("d/e/b"))
    facts = (place.top / "d").stat()
    assert (facts.st_gid, stat.S_IMODE(facts.st_mode)) == (8, 0o2775)
    assert facts.st_mtime_ns == (place.top / "d/e").stat().st_mtime_ns == SOME_TIME * 10**9


def test_a_fraction_of_a_second_stays(place: Place, manner: Manner) -> None:
    info, content = file("a")
    info.pax_headers = {"mtime": "1436480000.123456789"}
    place.take(manner, (info, content))
    assert (place.top / "a").stat().st_mtime_ns == 1436480000123456789


@pytest.mark.parametrize("seconds", [0, -1, -(2**40), 2**40])
def test_a_time_far_away_is_no_error(place: Place, seconds: int) -> None:
    info, content = file("a")
    info.pax_headers = {"mtime": str(seconds)}
    place.take(OWN_CHANGES, (info, content), folder("d"))
    if seconds in {0, -1}:
        assert (place.top / "a").stat().st_mtime_ns == seconds * 10**9


def test_links_fifos_and_devices_are_made(place: Place, manner: Manner) -> None:
    place.take(
        manner,
        symlink("absolute", "/etc/passwd", uid=7),
        symlink("dangling", "no/such/place"),
        member("fifo", tarfile.FIFOTYPE, mode=0o622),
        device("null", 1, 3),
        device("disk", 259, 70_000, tarfile.BLKTYPE),
    )
    assert os.readlink(place.top / "absolute") == "/etc/passwd"
    link = (place.top / "absolute").lstat()
    assert (link.st_uid, link.st_mtime_ns) == (7, SOME_TIME * 10**9)
    assert stat.filemode((place.top / "fifo").lstat().st_mode) == "prw--w--w-"
    assert (place.top / "null").lstat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK((place.top / "disk").lstat().st_mode)
    assert (place.top / "disk").lstat().st_rdev == os.makedev(259, 70_000)


def test_a_hard_link_is_a_second_name_and_keeps_the_capability(place: Place, manner: Manner) -> None:
    place.take(
        manner,
        file("a", xattrs={"security.capability": CAPABILITY}),
        hard_link("b", "a"),
        hard_link("c", "./b"),
        hard_link("d", "/a"),
    )
    assert len({(place.top / name).stat().st_ino for name in "abcd"}) == 1
    assert os.getxattr(place.top / "d", "security.capability") == CAPABILITY


def test_a_hard_link_to_a_link_links_the_link(place: Place, manner: Manner) -> None:
    place.take(manner, symlink("a", "/etc/passwd"), hard_link("b", "a", mode=0o777, uid=5))
    assert os.readlink(place.top / "b") == "/etc/passwd"
    assert (place.top / "b").lstat().st_ino == (place.top / "a").lstat().st_ino
    assert os.stat("/etc/passwd").st_uid == 0


@pytest.mark.parametrize(("manner", "mode"), [(OWN_CHANGES, 0o755), (WHOLE_TREE, 0o600)])
def test_folders_without_an_entry_have_dockers_modes(place: Place, manner: Manner, mode: int) -> None:
    place.take(manner, file("a/b/c"))
    modes = {stat.S_IMODE((place.top / name).stat().st_mode) for name in ("a", "a/b")}
    assert modes == {mode}


@pytest.mark.parametrize(("manner", "mode"), [(OWN_CHANGES, 0o755), (WHOLE_TREE, 0o1777)])
def test_the_root_entry_counts_for_whole_trees_only(place: Place, manner: Manner, mode: int) -> None:
    place.top.chmod(0o755)
    place.take(manner, folder("./", 0o1777), file("./a"))
    assert stat.S_IMODE(place.top.stat().st_mode) == mode
    assert place.names() == ["a"]


def test_names_may_be_any_bytes(place: Place, manner: Manner) -> None:
    names = ["back\\slash", "c:d", "new\nline", "\udcff\udcfe", "NAÏVE", "NAI\u0308VE"]
    place.take(manner, *(file(name) for name in names))
    assert sorted(os.listdir(place.top)) == sorted(names)


def test_a_bad_umask_spoils_nothing(place: Place, manner: Manner) -> None:
    old = os.umask(0o077)
    try:
        place.take(manner, folder("d"), file("d/a"), member("f", tarfile.FIFOTYPE), file("e/b"))
    finally:
        os.umask(old)
    assert stat.S_IMODE((place.top / "d").stat().st_mode) == 0o755
    assert stat.S_IMODE((place.top / "f").stat().st_mode) == 0o644
    assert stat.S_IMODE((place.top / "e").stat().st_mode) == manner.implied_mode


# ── the tar comes back ──


def everything() -> bytes:
    long = "d" * 90 + "/" + "f" * 120
    return layer(
        folder("./"),
        folder("etc"),
        file("etc/a<b>&", b"x" * 1000),
        file("naïve", b""),
        file("\udcff", b"raw"),
        file(long, b"long"),
        hard_link("link", "etc/a<b>&"),
        symlink("sym", "etc"),
        device("null", 1, 3),
        file("big", os.urandom(300_000)),
        file("etc/.wh.gone", b""),
        file("opaque/.wh..wh..opq", b""),
        file("owner", b"o", **FACTS),
    )


@pytest.mark.parametrize("cut", [0, 512, 1024])
def test_the_exact_tar_is_given_back(place: Place, manner: Manner, cut: int) -> None:
    tar = everything() if not cut else everything().rstrip(b"\0")
    tar += bytes(-len(tar) % 512) + bytes(1024 - cut if cut else 0)
    place.take(manner, tar=tar)
    assert place.given_back() == tar


def test_bytes_behind_the_end_are_given_back(place: Place, manner: Manner) -> None:
    tar = everything() + os.urandom(1_500_000)
    place.take(manner, tar=tar)
    assert place.given_back() == tar


def test_a_links_stated_size_does_not_spoil_the_tar_split(place: Place, manner: Manner) -> None:
    tar = bytearray(layer(file("a", b"x" * 512), hard_link("b", "a")))
    header = 1024
    tar[header + 124 : header + 136] = b"00000000144\0"
    tar[header + 148 : header + 156] = b" " * 8
    tar[header + 148 : header + 156] = b"%06o\0 " % sum(tar[header : header + 512])
    assert place.take(manner, tar=bytes(tar)) == 612  # rule S5 counts what headers state
    assert place.given_back() == tar


def test_sizes_add_up_as_rule_s5_says(place: Place, manner: Manner) -> None:
    assert (
        place.take(manner, file("a", b"12345"), folder("d"), symlink("s", "target"), file("d/b", b"1")) == 6
    )


# ── whiteouts ──


def lower(place: Place) -> None:
    place.take(
        WHOLE_TREE,
        folder("d"), file("d/old"), folder("d/sub"), file("d/sub/old"), file("f"), symlink("s", "d"),
    )  # fmt: skip


def test_own_changes_keep_whiteouts_as_the_files_they_are(place: Place) -> None:
    place.take(OWN_CHANGES, folder("d"), file("d/.wh.old", b"", mode=0o444), file("d/.wh..wh..opq", b"kept"))
    assert place.names() == ["d", "d/.wh..wh..opq", "d/.wh.old"]
    assert stat.S_IMODE((place.top / "d/.wh.old").stat().st_mode) == 0o444


def test_own_changes_keep_aufs_own_files(place: Place) -> None:
    tar = layer(
        file(".wh..wh.aufs", b""),
        folder(".wh..wh.plnk", 0o700),
        file(".wh..wh.plnk/12.34", b"linked"),
        hard_link("a", ".wh..wh.plnk/12.34"),
    )
    place.take(OWN_CHANGES, tar=tar)
    assert (place.top / "a").stat().st_nlink == 2
    assert place.given_back() == tar


def test_a_whiteout_takes_away_what_is_below(place: Place) -> None:
    lower(place)
    place.take(WHOLE_TREE, file("d/.wh.sub", b""), file(".wh.f", b""), file(".wh.nothing", b""))
    assert place.names() == ["d", "d/old", "s"]


def test_a_whiteout_of_a_link_leaves_its_target(place: Place) -> None:
    lower(place)
    place.take(WHOLE_TREE, file(".wh.s", b""))
    assert "s" not in place.names()
    assert "d/sub/old" in place.names()


@pytest.mark.parametrize("mark_first", [1, 0])
def test_an_opaque_folder_hides_what_is_below_and_keeps_what_comes(place: Place, mark_first: int) -> None:
    lower(place)
    mark = file("d/.wh..wh..opq", b"")
    rest = [folder("d"), file("d/new"), file("d/sub/new")]
    place.take(WHOLE_TREE, *([mark, *rest] if mark_first else [*rest, mark]))
    assert place.names() == ["d", "d/new", "d/sub", "d/sub/new", "f", "s"]


def test_an_opaque_root_hides_everything(place: Place) -> None:
    lower(place)
    place.take(WHOLE_TREE, file(".wh..wh..opq", b""), file("new"))
    assert place.names() == ["new"]


def test_a_whiteout_before_its_name_makes_room(place: Place) -> None:
    lower(place)
    place.take(WHOLE_TREE, file("d/.wh.sub", b""), folder("d/sub"), file("d/sub/new"))
    assert place.names() == ["d", "d/old", "d/sub", "d/sub/new", "f", "s"]


@pytest.mark.parametrize("later", [file(".wh.a", b""), file(".wh.b", b"")])
def test_a_whiteout_of_what_the_layer_brings_is_refused(
    place: Place, later: tuple[tarfile.TarInfo, bytes]
) -> None:
    with pytest.raises(UnsafeArchive, match="takes away"):
        place.take(WHOLE_TREE, file("a"), file("b/c"), later)


@pytest.mark.parametrize("name", [".wh.", "d/.wh..", ".wh...", "d/.wh..wh."])
def test_a_whiteout_of_nothing_is_refused(place: Place, manner: Manner, name: str) -> None:
    with pytest.raises(UnsafeArchive):
        place.take(manner, folder("d"), file(name, b""))


@pytest.mark.parametrize(
    "members",
    [
        [file(".wh.a", b"content")],
        [file(".wh..wh.plnk/1.2", b"content")],
        [file(".wh..wh.aufs", b""), hard_link("a", ".wh..wh.plnk/1.2")],
    ],
)
def test_what_a_whole_tree_could_not_give_back_is_refused(
    place: Place, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    with pytest.raises(Unsupported, match="aufs"):
        place.take(WHOLE_TREE, *members)


def test_a_whiteout_through_a_link_is_refused(place: Place) -> None:
    lower(place)
    with pytest.raises(UnsafeArchive):
        place.take(WHOLE_TREE, file("s/.wh.old", b""))
    assert (place.top / "d/old").exists()


# ── replacing what is below ──


@pytest.mark.parametrize("new", [file("x"), symlink("x", "f"), folder("x"), member("x", tarfile.FIFOTYPE)])
@pytest.mark.parametrize("old", ["f", "d", "s"])
def test_anything_may_replace_anything(place: Place, old: str, new: tuple[tarfile.TarInfo, bytes]) -> None:
    lower(place)
    new[0].name = old
    before = (place.top / old).lstat()
    place.take(WHOLE_TREE, new)
    after = (place.top / old).lstat()
    merged = stat.S_ISDIR(before.st_mode) and new[0].isdir()
    assert (
        stat.S_IFMT(after.st_mode)
        == {
            tarfile.REGTYPE: stat.S_IFREG,
            tarfile.SYMTYPE: stat.S_IFLNK,
            tarfile.DIRTYPE: stat.S_IFDIR,
            tarfile.FIFOTYPE: stat.S_IFIFO,
        }[new[0].type]
    )
    assert ("d/sub/old" in place.names()) is (old != "d" or merged)


def test_a_file_that_replaces_a_second_name_leaves_the_first(place: Place) -> None:
    place.take(WHOLE_TREE, file("a", b"first"), hard_link("b", "a"))
    place.take(WHOLE_TREE, file("b", b"second"))
    assert (place.top / "a").read_bytes() == b"first"


def test_a_hard_link_to_a_lower_file_works_in_a_whole_tree(place: Place) -> None:
    lower(place)
    place.take(WHOLE_TREE, hard_link("second", "d/old"))
    assert (place.top / "second").stat().st_ino == (place.top / "d/old").stat().st_ino


def test_a_folder_that_the_layer_fills_is_not_replaced(place: Place, manner: Manner) -> None:
    with pytest.raises(UnsafeArchive, match="takes away a, which the same layer brings"):
        place.take(manner, file("a/b"), symlink("a", "/"))


# ── hostile layers ──


def refused(place: Place, manner: Manner, *members: tuple[tarfile.TarInfo, bytes]) -> ToolkitError:
    with pytest.raises(CorruptContent) as caught:
        place.take(manner, *members)
    assert place.untouched()
    assert str(caught.value).startswith("layer")
    return caught.value


def test_cve_2014_6407_a_link_and_a_file_below_it(place: Place, manner: Manner) -> None:
    refused(place, manner, symlink("a", str(place.outside)), file("a/x"))


def test_cve_2014_6407_a_hard_link_to_a_file_outside(place: Place, manner: Manner) -> None:
    for target in ("../secret", str(place.outside / "secret"), "/../secret", "a/../../secret"):
        refused(place, manner, hard_link(f"b{len(target)}", target))


def test_cve_2014_9356_writing_through_an_absolute_link(place: Place, manner: Manner) -> None:
    refused(place, manner, symlink("secret", str(place.outside / "secret")), file("secret/x", b"overwritten"))
    refused(place, manner, symlink("link", "/"), file("link/etc/lading-was-here"))
    assert not Path("/etc/lading-was-here").exists()


def test_cve_2014_9356_a_file_on_top_of_a_link_below_replaces_it(place: Place) -> None:
    place.take(WHOLE_TREE, symlink("a", str(place.outside / "secret")))
    place.take(WHOLE_TREE, file("a", b"overwritten"))
    assert place.untouched()
    assert (place.top / "a").read_bytes() == b"overwritten"


def test_cve_2020_27833_a_chain_of_links(place: Place, manner: Manner) -> None:
    refused(place, manner, folder("d"), symlink("d/up", ".."), symlink("d/a", "up/up"), file("d/a/x"))


@pytest.mark.parametrize("name", ["./", ".", ".//."])
def test_cve_2021_29136_the_root_becomes_a_link(place: Place, manner: Manner, name: str) -> None:
    refused(place, manner, symlink(name, "/"))
    assert place.top.is_dir()


def test_cve_2021_32760_a_mode_for_a_file_outside(place: Place, manner: Manner) -> None:
    place.take(
        manner,
        symlink("a", str(place.outside / "secret")),
        hard_link("b", "a", mode=0o4777, uid=7),
    )
    assert place.untouched()
    assert (place.outside / "secret").stat().st_uid == 0


def test_cve_2021_41089_folders_outside_keep_their_modes(place: Place, manner: Manner) -> None:
    before = place.outside.stat().st_mode
    place.take(manner, folder("./", 0o700), file("a/b"))
    assert place.outside.stat().st_mode == before


@pytest.mark.parametrize("name", ["link/", "link//", "link/."])
def test_cve_2026_39822_a_slash_at_the_end_follows_no_link(place: Place, name: str) -> None:
    place.take(WHOLE_TREE, symlink("link", str(place.outside)))
    place.take(WHOLE_TREE, folder(name, 0o777))
    assert place.untouched()
    assert not (place.top / "link").is_symlink()


def test_cve_2026_39822_a_slash_behind_a_links_target(place: Place, manner: Manner) -> None:
    refused(place, manner, symlink("link", str(place.outside)), hard_link("b", "link/secret"))
    refused(place, manner, symlink("link", str(place.outside / "secret")), hard_link("b", "link/secret/"))


def test_cve_2026_50163_a_hard_link_is_not_sought_in_the_working_folder(
    place: Place, manner: Manner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.outside)
    assert isinstance(refused(place, manner, hard_link("b", "secret")), MissingMember)


def test_cve_2026_17106_a_chain_of_links_across_two_layers(place: Place) -> None:
    place.take(WHOLE_TREE, folder("d"), symlink("d/up", ".."), symlink("out", "d/up/.."))
    for hostile in (file("out/x"), hard_link("b", "out/secret"), folder("out/new"), symlink("d/up/l", "x")):
        refused(place, WHOLE_TREE, hostile)


def test_own_changes_do_not_see_the_layer_below(place: Place) -> None:
    with pytest.raises(MissingMember):
        place.take(OWN_CHANGES, hard_link("a", "in/a/lower/layer"))


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "a/../x", "/"])
def test_a_name_that_leads_out_is_refused(place: Place, manner: Manner, name: str) -> None:
    assert isinstance(refused(place, manner, file(name)), UnsafeArchive)


def test_a_nul_in_a_name_is_refused(place: Place, manner: Manner) -> None:
    info, content = file("a")
    info.pax_headers = {"path": "a\0b"}
    refused(place, manner, (info, content))


@pytest.mark.parametrize("other", ["a", "./a", "a/", ".//a"])
def test_two_entries_of_one_name_are_refused(place: Place, manner: Manner, other: str) -> None:
    second = folder(other) if other.endswith("/") else file(other)
    refused(place, manner, folder("a"), second)


def test_a_path_too_long_for_linux_is_refused(place: Place, manner: Manner) -> None:
    assert isinstance(refused(place, manner, file("a/" * 3000 + "b")), UnsafeArchive)


@pytest.mark.parametrize("facts", [{"uid": -1}, {"uid": 2**32 - 1}, {"gid": 2**32}])
def test_an_owner_no_linux_has_is_refused(place: Place, manner: Manner, facts: dict[str, int]) -> None:
    info, content = file("a")
    info.pax_headers = {key: str(value) for key, value in facts.items()}
    refused(place, manner, (info, content))


def test_the_largest_owner_is_set(place: Place, manner: Manner) -> None:
    place.take(manner, file("a", uid=2**32 - 2, gid=2**32 - 2))
    assert (place.top / "a").stat().st_uid == 2**32 - 2


@pytest.mark.parametrize("major_minor", [(0, 0), (1 << 12, 0), (1, 1 << 20)])
def test_a_device_that_overlay_or_nobody_knows_is_refused(
    place: Place, manner: Manner, major_minor: tuple[int, int]
) -> None:
    refused(place, manner, device("a", *major_minor))


@pytest.mark.parametrize(
    "name", ["trusted.overlay.opaque", "user.overlay.redirect", "trusted.overlay.metacopy"]
)
def test_an_xattr_of_overlay_is_refused(place: Place, manner: Manner, name: str) -> None:
    refused(place, manner, folder("d", xattrs={name: b"y"}))


def test_a_link_to_nothing_at_all_is_refused(place: Place, manner: Manner) -> None:
    refused(place, manner, symlink("a", ""))


def test_a_hard_link_to_a_folder_is_refused(place: Place, manner: Manner) -> None:
    refused(place, manner, folder("d"), hard_link("b", "d"))
    refused(place, manner, folder("e"), hard_link("b", "./"))


def test_a_cut_layer_is_an_error(place: Place, manner: Manner) -> None:
    with pytest.raises(CorruptContent):
        place.take(manner, tar=layer(file("a", b"x" * 2000))[:1500])


def test_a_file_the_file_system_cannot_name_is_one_sentence(place: Place, manner: Manner) -> None:
    with pytest.raises(ToolkitError, match="file name too long"):
        place.take(manner, file("n" * 300))


def test_tar_split_lines_name_files_as_the_tar_does(place: Place, manner: Manner) -> None:
    place.take(manner, folder("./etc/"), file("./etc/a"))
    text = gzip.decompress(place.split.read_bytes()).decode()
    assert '"name":"./etc/"' in text
    assert '"name":"./etc/a","size":7,' in text
