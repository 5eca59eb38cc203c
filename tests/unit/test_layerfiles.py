from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

from tests.layers import SOME_TIME, device, file, folder, hard_link, layer, member, symlink
from toolkit.errors import CorruptContent, UnsafeArchive
from toolkit.plumbing.filefacts import IMPLIED, OPAQUE, WHITEOUT, FileFacts, Row
from toolkit.plumbing.filetable import FileTable
from toolkit.plumbing.layerfiles import hash_files, list_files
from toolkit.plumbing.odd import Odd
from toolkit.plumbing.tarball import Entries
from toolkit.plumbing.tarreader import StreamReader

VECTORS = Path(__file__).parents[1] / "data" / "vectors"
Members = tuple[tuple[tarfile.TarInfo, bytes], ...]


def entries(tar: bytes) -> Entries:
    return Entries(StreamReader(iter([tar])), "layer x", allow_sparse=True)


def listed(tar: bytes, *, hashed: bool = True) -> tuple[dict[bytes, Row], Odd]:
    with FileTable() as table:
        odd = list_files(entries(tar), 0, table, "layer x", hashed=hashed)
        return {row.key: row for row in table.rows()}, odd


def facts_of(*members: tuple[tarfile.TarInfo, bytes]) -> dict[bytes, FileFacts]:
    rows, odd = listed(layer(*members))
    assert odd == Odd()
    return {key: row.facts for key, row in rows.items() if row.facts}


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def refusal(*members: tuple[tarfile.TarInfo, bytes]) -> str:
    with pytest.raises(UnsafeArchive) as raised:
        listed(layer(*members))
    return str(raised.value)


def test_every_fact_of_a_file_is_noted() -> None:
    odd_mode = 0o104755  # Docker 0.7 wrote the file type into the mode
    made = file("a", b"12345", mode=odd_mode, uid=7, gid=8, mtime=1.5)
    assert facts_of(folder("x/"), made)[b"a"] == FileFacts(
        "file", 5, 0o4755, 7, 8, 1, 500_000_000, b"", 0, 0, b"", sparse=False, body=1
    )


def test_every_kind_of_entry_is_noted_by_what_counts_of_it() -> None:
    found = facts_of(
        folder("f/", 0o1777), symlink("s", "/to", devmajor=3), device("c", 1, 3),
        device("b", 8, 0, tarfile.BLKTYPE), member("p", tarfile.FIFOTYPE),
    )  # fmt: skip
    told = {key: (each.kind, each.mode, each.target, each.major, each.minor) for key, each in found.items()}
    assert told == {
        b"f": ("folder", 0o1777, b"", 0, 0),
        b"s": ("symlink", 0, b"/to", 0, 0),
        b"c": ("character device", 0o644, b"", 1, 3),
        b"b": ("block device", 0o644, b"", 8, 0),
        b"p": ("fifo", 0o644, b"", 0, 0),
    }
    assert {each.mtime for each in found.values()} == {SOME_TIME}


def test_xattrs_are_equal_whatever_their_order() -> None:
    one, two = {"user.a": b"1", "user.b": b"2"}, {"user.b": b"2", "user.a": b"1"}
    found = facts_of(
        file("x", xattrs=one), file("y", xattrs=two), file("z", xattrs={"user.a": b"12"}), file("n")
    )
    assert found[b"x"].xattrs == found[b"y"].xattrs != found[b"z"].xattrs
    assert found[b"n"].xattrs == b""


def test_contents_are_hashed_where_they_are_asked_for() -> None:
    tar = layer(file("a", b"12345"), file("empty", b""), file("b", b"x" * 3_000_000))
    rows, _ = listed(tar)
    assert [rows[key].digest for key in (b"a", b"empty", b"b")] == [
        sha256(b"12345"),
        None,
        sha256(b"x" * 3_000_000),
    ]
    assert {row.digest for row in listed(tar, hashed=False)[0].values()} == {None}


def test_contents_may_be_hashed_later_by_number() -> None:
    tar = layer(file("a", b"1"), file("b", b"2"), hard_link("c", "b"), file("d", b"3"))
    with FileTable() as table:
        list_files(entries(tar), 0, table, "layer x", hashed=False)
        hash_files(entries(tar), 0, table, [1, 1, 3])
        digests = [row.digest for row in table.rows()]
    assert digests == [None, sha256(b"2"), sha256(b"2"), sha256(b"3")]


@pytest.mark.parametrize("name", ["./a/b", "/a/b", "a//b", "a/./b", "./a/b/"])
def test_a_path_is_the_same_however_it_is_written(name: str) -> None:
    assert set(facts_of(folder(name))) == {b"a\0b"}


def test_a_name_is_bytes() -> None:
    assert set(facts_of(file("\udcff\n"), file("a\\b"))) == {b"\xff\n", b"a\\b"}


@pytest.mark.parametrize("name", ["./", ".", "/"])
def test_the_top_folder_is_passed_over(name: str) -> None:
    assert set(facts_of(folder(name), file("x"))) == {b"x"}


def test_whiteouts_are_marks_of_what_they_hide() -> None:
    rows, _ = listed(
        layer(folder("a/"), file("a/.wh.b"), file("c/.wh..wh..opq"), file(".wh..wh..opq"), file(".wh.d"))
    )
    assert {key: row.marks for key, row in rows.items()} == {
        b"": OPAQUE, b"a": IMPLIED, b"a\0b": WHITEOUT, b"c": IMPLIED | OPAQUE, b"d": WHITEOUT,
    }  # fmt: skip


def test_a_whiteout_is_known_by_its_name_whatever_it_is() -> None:
    rows, _ = listed(
        layer(folder(".wh.a/"), file(".wh.b", b"content"), symlink(".wh.c", "x"), file("d/.wh..wh.e"))
    )
    marks = {key: row.marks for key, row in rows.items() if row.marks == WHITEOUT}
    assert set(marks) == {b"a", b"b", b"c", b"d\0.wh.e"}


def test_a_prefix_on_a_folder_in_a_path_is_a_name_like_any_other() -> None:
    assert set(facts_of(file(".wh.a/b"))) == {b".wh.a\0b"}


def test_a_hard_link_is_what_it_leads_to() -> None:
    found = facts_of(
        file("a", b"123", mode=0o600), hard_link("b", "./a", mode=0o777), hard_link("c", "/b"),
        symlink("s", "a"), hard_link("t", "s"),
    )  # fmt: skip
    assert found[b"b"] == found[b"c"] == found[b"a"]
    assert found[b"t"] == found[b"s"]
    rows, _ = listed(layer(file("a", b"123"), hard_link("b", "a")))
    assert rows[b"b"].digest == sha256(b"123")


def test_a_hard_link_into_aufs_own_folder_is_what_it_leads_to() -> None:
    found = facts_of(file(".wh..wh.plnk/12.34", b"123"), hard_link("a", ".wh..wh.plnk/12.34"))
    assert (found[b"a"].kind, found[b"a"].size) == ("file", 3)


@pytest.mark.parametrize("target", ["lower", "later", "a", "folder", "/", ".wh.gone"])
def test_a_hard_link_to_what_is_not_there_before_it_stays_one_and_is_noted(target: str) -> None:
    rows, odd = listed(layer(folder("folder/"), file(".wh.gone"), hard_link("a", target), file("later")))
    facts = rows[b"a"].facts
    assert facts is not None
    assert (facts.kind, facts.target) == ("hard link", target.encode())
    assert odd == Odd(1, "a")


def test_a_sparse_file_is_noted_as_one() -> None:
    for vector in ("sparse-gnu.tar", "sparse-pax.tar"):
        rows, _ = listed((VECTORS / vector).read_bytes())
        assert [row.facts.sparse for row in rows.values() if row.facts and row.facts.kind == "file"] == [True]


def test_a_layer_that_docker_committed_is_listed_as_gnu_tar_lists_it() -> None:
    rows, odd = listed((VECTORS / "commit-layer-overlay2.tar").read_bytes())
    assert odd == Odd()
    assert {key: row.marks for key, row in rows.items() if not row.facts} == {
        b"dir": WHITEOUT,
        b"etc\0a": WHITEOUT,
    }
    assert rows[b"opq"].marks & OPAQUE
    told = {
        key: (facts.kind, facts.mode, facts.size, facts.target, facts.major, facts.minor)
        for key, row in rows.items()
        if (facts := row.facts)
    }
    assert told == {
        b"etc": ("folder", 0o755, 0, b"", 0, 0),
        b"etc\0dv": ("block device", 0o640, 0, b"", 300, 70000),
        b"etc\0fifo": ("fifo", 0o644, 0, b"", 0, 0),
        b"etc\0h1": ("file", 0o644, 1, b"", 0, 0),
        b"etc\0h2": ("file", 0o644, 1, b"", 0, 0),
        b"etc\0s": ("symlink", 0, 0, b"h1", 0, 0),
        b"opq": ("folder", 0o755, 0, b"", 0, 0),
        b"opq\0n": ("file", 0o644, 1, b"", 0, 0),
    }


# ── hostile ──


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ((file("a/../../x"),), r"layer x: a/../../x: name b'a/../../x' leads out of its folder"),
        ((hard_link("a", "../x"),), r"layer x: a: name b'../x' leads out of its folder"),
        ((file("."),), "layer x: .: would replace the root folder"),
        ((file("a"), file("./a")), "layer x: ./a: stands twice in the layer, and engines choose differently"),
        ((file("a"), folder("a/")), "layer x: a/: stands twice in the layer, and engines choose differently"),
        ((file("a/.wh."),), "layer x: a/.wh.: is a whiteout of nothing"),
        ((file(".wh.."),), "layer x: .wh..: is a whiteout of nothing"),
        ((device("a", 0, 0),), "layer x: a: is the device 0:0, which overlay file systems take for a whiteout"),
        ((file("a/" * 3000 + "b"),), "expected at most 4096"),
    ],
)  # fmt: skip
def test_what_engines_would_settle_in_two_ways_is_refused(members: Members, sentence: str) -> None:
    assert sentence in refusal(*members)


def test_a_folder_may_stand_twice_and_the_last_one_counts() -> None:
    assert facts_of(folder("a/", 0o700), file("a/b"), folder("a/", 0o755))[b"a"].mode == 0o755


def test_a_path_of_the_longest_length_is_noted_with_all_the_folders_above_it() -> None:
    rows, _ = listed(layer(file("a/" * 2047 + "bc")))
    assert len(rows) == 2048


def test_a_layer_that_is_cut_is_corrupt() -> None:
    with pytest.raises(CorruptContent, match=r"layer x: byte \d+: the archive ends too early"):
        listed(layer(file("a", b"x" * 2000))[:1500])


@pytest.mark.parametrize("name", ["Lpax", "badpax", "neg", "paxL", "twox"])
def test_a_header_that_readers_disagree_on_is_refused_with_its_place(name: str) -> None:
    with pytest.raises(CorruptContent, match="layer x: tar header at byte "):
        listed((VECTORS / f"hdr-{name}.tar").read_bytes())
