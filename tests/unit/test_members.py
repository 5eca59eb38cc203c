from __future__ import annotations

import io
import tarfile

import pytest

from toolkit.bundles.members import Layout, Member, file, folder, link, once
from toolkit.digest import Digest
from toolkit.errors import UnsafeArchive
from toolkit.model import Descriptor

BLOB = b"x" * 700
BIG = Descriptor("application/octet-stream", Digest.of(BLOB), len(BLOB))
LONG = "n" * 120 + ".json"
MEMBERS = [
    folder("f"),
    file("f/a", b"12345"),
    Member("blob", blob=BIG),
    file(LONG, b""),
    link("f/l", "../blob"),
    Member("again", blob=BIG),
]


def assembled(layout: Layout) -> bytes:
    out = bytearray(b"\xff" * layout.size)
    for offset, piece in layout.pieces():
        out[offset : offset + len(piece)] = piece
    for offset in layout.places()[BIG.digest]:
        out[offset : offset + len(BLOB)] = BLOB
    return bytes(out)


def test_pieces_and_blobs_make_a_tar_without_a_gap() -> None:
    raw = assembled(Layout.of(MEMBERS))
    assert b"\xff" not in raw
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        found = {each.name: each for each in archive}
        bodies = {name: archive.extractfile(name) for name in ("f/a", "blob", "again", LONG, "f/l")}
        contents = {name: body.read() for name, body in bodies.items() if body}
    assert list(found) == ["f", "f/a", "blob", LONG, "f/l", "again"]
    assert found["f"].isdir()
    assert (found["f/l"].issym(), found["f/l"].linkname) == (True, "../blob")
    assert contents == {"f/a": b"12345", "blob": BLOB, "again": BLOB, LONG: b"", "f/l": BLOB}


def test_bodies_lie_where_the_layout_says() -> None:
    layout = Layout.of(MEMBERS[:3])  # three headers of 512, one body padded to 512
    assert layout.bodies == (512, 1024, 2048)
    assert layout.size == 2048 + 1024 + 1024
    assert layout.places() == {BIG.digest: [2048]}


def test_every_member_has_the_same_owner_and_time() -> None:
    with tarfile.open(fileobj=io.BytesIO(assembled(Layout.of(MEMBERS)))) as archive:
        facts = {(each.uid, each.gid, each.uname, each.gname, each.mtime) for each in archive}
        modes = {each.name: each.mode for each in archive}
    assert facts == {(0, 0, "", "", 0)}
    assert (modes["f"], modes["f/a"], modes["f/l"]) == (0o755, 0o644, 0o777)


def test_pieces_are_joined_between_blobs() -> None:
    layout = Layout.of(MEMBERS)
    assert len(layout.pieces()) == 3  # before, between and after the two blobs
    assert len(Layout.of([file("a", b"1")]).pieces()) == 1


def test_an_empty_blob_takes_no_room() -> None:
    empty = Descriptor("x", Digest.of(b""), 0)
    layout = Layout.of([Member("a", blob=empty), Member("b", blob=empty)])
    assert layout.places() == {empty.digest: [512, 1024]}
    assert layout.size == 2048


def test_a_member_that_is_the_same_stands_once() -> None:
    assert once([file("a", b"1"), file("b", b"1"), file("a", b"1")]) == [file("a", b"1"), file("b", b"1")]


@pytest.mark.parametrize("other", [file("a", b"2"), link("a", "b"), Member("a", blob=BIG)])
def test_one_name_with_two_contents_is_refused(other: Member) -> None:
    with pytest.raises(UnsafeArchive, match=r"^a: would stand twice"):
        once([file("a", b"1"), other])
