"""Header blocks: read back by our reader, by CPython and by GNU tar, and equal to what Docker wrote."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UnsafeArchive, Unsupported
from toolkit.plumbing.tarball import Entry, StreamReader, entries
from toolkit.plumbing.tarwriter import END, entry_header, header, padding

VECTORS = Path(__file__).parent.parent / "data" / "vectors"


def fields(entry: Entry) -> dict[str, object]:
    names = "mode uid gid mtime mtime_ns linkname uname gname major minor xattrs"
    return {name: getattr(entry, name) for name in names.split()} | {"size": entry.stated_size}


def again(entry: Entry) -> bytes:
    return entry_header(entry.name, entry.type, **fields(entry))  # type: ignore[arg-type]


def read_back(content: bytes) -> list[Entry]:
    return list(entries(StreamReader(iter([content])), "x.tar"))


def test_a_layer_of_docker_is_written_byte_for_byte() -> None:
    content = (VECTORS / "commit-layer-overlay2.tar").read_bytes()
    written, raw = bytearray(), bytearray()
    walked = entries(StreamReader(iter([content])), "x.tar")
    for entry in walked:
        written += again(entry)
        for block in walked.body():
            written += block
        written += padding(entry.size)
        raw.clear()
    assert bytes(written) + END == content


@pytest.mark.parametrize("kind", ["file", "directory", "symlink", "hardlink"])
@pytest.mark.parametrize(
    "name",
    ["a", "d/" + "n" * 98, "p" * 100 + "/" + "n" * 50, "n" * 101, "ü", "a\\b", "n\udcff", "-", "a b\nc"],
)
def test_members_of_our_archives_read_the_same_everywhere(kind: str, name: str, tmp_path: Path) -> None:
    link = "l" * 150 if kind in ("symlink", "hardlink") else ""
    size = 700 if kind == "file" else 0
    head = header(name, kind, size, linkname=link)
    content = head + bytes(size) + padding(size) + END
    (ours,) = read_back(content)
    raw_name = name.encode(errors="surrogateescape")
    assert ours.name == raw_name + (b"/" if kind == "directory" else b"")
    assert (ours.size, ours.uid, ours.gid, ours.mtime, ours.uname, ours.gname) == (size, 0, 0, 0, b"", b"")
    assert ours.linkname == link.encode()
    with tarfile.open(fileobj=io.BytesIO(content), encoding="utf-8", errors="surrogateescape") as tar:
        (theirs,) = tar.getmembers()
    assert (theirs.name, theirs.linkname, theirs.size, theirs.mode) == (name, link, size, ours.mode)
    (tmp_path / "x.tar").write_bytes(content)
    command = ["tar", "--quoting-style=literal", "--no-wildcards", "-tf", str(tmp_path / "x.tar")]
    listed = subprocess.run(command, check=True, capture_output=True)
    assert listed.stdout == ours.name + b"\n"
    assert listed.stderr == b""


def test_ustar_is_used_wherever_it_fits() -> None:
    assert len(header("n" * 100, "file")) == 512
    assert len(header("p" * 155 + "/" + "n" * 100, "file")) == 512
    assert len(header("n" * 101, "file")) == 1536
    assert len(header("p" * 156 + "/" + "n" * 100, "file")) == 1536
    assert len(header("a", "file", 8**11 - 1)) == 512
    assert len(header("a", "file", 8**11)) == 1536


def test_a_plain_header_is_these_bytes() -> None:
    expected = tarfile.TarInfo("etc/")
    expected.type, expected.mode = tarfile.DIRTYPE, 0o755
    block = bytearray(expected.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict"))
    block[148:156] = b" " * 8
    block[329:345] = b"0000000\0" * 2  # Go writes device numbers for every type
    block[148:156] = b"%06o\0 " % sum(block)
    assert header("etc", "directory") == header("etc/", "directory") == bytes(block)


def test_modes_are_the_usual_ones_unless_told() -> None:
    modes = {kind: read_back(header("a", kind) + END)[0].mode for kind in ("file", "directory", "symlink")}
    assert modes == {"file": 0o644, "directory": 0o755, "symlink": 0o777}
    assert read_back(header("a", "file", mode=0o600, mtime=5) + END)[0].mode == 0o600


NAME = st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name)
TEXT = st.binary(max_size=120).filter(lambda text: b"\0" not in text)
XATTR = st.binary(min_size=1, max_size=20).filter(lambda name: not {0, 61} & set(name))


@given(
    name=NAME,
    type_=st.sampled_from([b"0", b"1", b"2", b"3", b"4", b"5", b"6"]),
    numbers=st.tuples(st.integers(0, 2**32 - 2), st.integers(0, 2**32 - 2), st.integers(-(2**40), 2**40)),
    size=st.integers(0, 2**40),
    mode=st.integers(0, 0o177777),
    mtime_ns=st.sampled_from([0, 0, 1, 500_000_000, 999_999_999]),
    texts=st.tuples(TEXT, TEXT, TEXT),
    device=st.tuples(st.integers(0, 4095), st.integers(0, 2**20)),
    xattrs=st.dictionaries(XATTR, st.binary(max_size=30), max_size=3),
)
def test_any_entry_is_read_back_as_it_was(  # noqa: PLR0917
    name: bytes, type_: bytes, numbers: tuple[int, int, int], size: int, mode: int, mtime_ns: int,
    texts: tuple[bytes, bytes, bytes], device: tuple[int, int], xattrs: dict[bytes, bytes],
) -> None:  # fmt: skip
    uid, gid, mtime = numbers
    linkname, uname, gname = texts
    head = entry_header(
        name, type_, size=size, mode=mode, uid=uid, gid=gid, mtime=mtime, mtime_ns=mtime_ns, linkname=linkname,
        uname=uname, gname=gname, major=device[0], minor=device[1], xattrs=xattrs,
    )  # fmt: skip
    entry = next(entries(StreamReader(iter([head])), "x.tar"))
    assert (entry.name, entry.type, entry.stated_size, entry.mode) == (name, type_, size, mode)
    assert (entry.uid, entry.gid, entry.mtime, entry.mtime_ns) == (uid, gid, mtime, mtime_ns)
    assert (entry.linkname, entry.uname, entry.gname) == texts
    assert (entry.major, entry.minor, entry.xattrs) == (*device, xattrs)
    assert again(entry) == head


def test_owners_times_and_xattrs_are_what_cpython_reads() -> None:
    head = entry_header(
        b"d/\xc3\xbc" + b"x" * 200, b"0", uid=3_000_000, gid=4_000_000, mtime=-2, mtime_ns=500_000_000,
        uname=b"\xc3\xbc", gname=b"g" * 40, xattrs={b"user.b": b"1", b"security.capability": b"\x01\x00\n="},
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(head + END), encoding="utf-8", errors="surrogateescape") as tar:
        (member,) = tar.getmembers()
    assert member.name == "d/ü" + "x" * 200
    assert (member.uid, member.gid, member.mtime) == (3_000_000, 4_000_000, -1.5)
    assert (member.uname, member.gname) == ("ü", "g" * 40)
    assert member.pax_headers["SCHILY.xattr.security.capability"] == "\x01\0\n="
    assert list(member.pax_headers) == sorted(member.pax_headers)


@pytest.mark.parametrize("name", ["", "a\0b", "a\ud800"])
def test_names_that_no_tar_can_hold_are_refused(name: str) -> None:
    with pytest.raises(UnsafeArchive):
        header(name, "file")


def test_a_link_with_a_nul_is_refused() -> None:
    with pytest.raises(UnsafeArchive):
        header("a", "symlink", linkname="b\0c")


def test_facts_that_no_tar_can_hold_are_unsupported() -> None:
    with pytest.raises(Unsupported, match="major device number"):
        entry_header(b"a", b"3", major=8**7)
    with pytest.raises(Unsupported, match="mode"):
        entry_header(b"a", b"0", mode=-1)
    with pytest.raises(Unsupported, match="xattr"):
        entry_header(b"a", b"0", xattrs={b"user.a=b": b""})
    with pytest.raises(Unsupported, match="PAX header"):
        entry_header(b"a", b"0", xattrs={b"user.%d" % i: bytes(60_000) for i in range(20)})


def test_padding_fills_the_block() -> None:
    assert [len(padding(size)) for size in (0, 1, 511, 512, 513)] == [0, 511, 1, 0, 511]
