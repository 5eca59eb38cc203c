"""The strict header walk, against hand-made vectors, CPython's tarfile and GNU tar."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import CorruptContent, ToolkitError, UnsafeArchive, Unsupported
from toolkit.plumbing.tarball import Entries, Entry, FileReader, StreamReader, entries
from toolkit.plumbing.tarheader import is_whole, number, was_whole
from toolkit.ports import Block

VECTORS = Path(__file__).parent.parent / "data" / "vectors"


def pieces(content: bytes, size: int) -> Iterator[Block]:
    for at in range(0, len(content), size):
        yield memoryview(content)[at : at + size]


def walk(content: bytes, size: int = 1 << 20, *, limit: int = 1000, allow_sparse: bool = False) -> Entries:
    return entries(StreamReader(pieces(content, size)), "x.tar", limit=limit, allow_sparse=allow_sparse)


def block(name: bytes = b"a", size: bytes = b"0", type_: bytes = b"0", **changed: bytes) -> bytes:
    fields = {
        "mode": b"644",
        "uid": b"0",
        "gid": b"0",
        "mtime": b"0",
        "linkname": b"",
        "magic": b"ustar\x0000",
    }
    fields |= {"uname": b"", "gname": b"", "major": b"", "minor": b"", "prefix": b"", "tail": b""} | changed
    text = name.ljust(100, b"\0") + b"".join(fields[key].ljust(8, b"\0") for key in ("mode", "uid", "gid"))
    text += size.ljust(12, b"\0") + fields["mtime"].ljust(12, b"\0") + b" " * 8 + type_
    text += fields["linkname"].ljust(100, b"\0") + fields["magic"].ljust(8, b"\0")
    text += fields["uname"].ljust(32, b"\0") + fields["gname"].ljust(32, b"\0")
    text += fields["major"].ljust(8, b"\0") + fields["minor"].ljust(8, b"\0")
    text += fields["prefix"].ljust(155, b"\0") + fields["tail"].ljust(12, b"\0")
    assert len(text) == 512
    return text[:148] + b"%06o\0 " % sum(text) + text[156:]


def extension(type_: bytes, body: bytes) -> bytes:
    return block(b"ext", b"%o" % len(body), type_) + body + bytes(-len(body) % 512)


def pax(**records: str) -> bytes:
    body = b""
    for key, value in records.items():
        rest = f" {key}={value}\n".encode()
        body += b"%d" % (len(rest) + len(b"%d" % (len(rest) + 2))) + rest
    return body


END = bytes(1024)


@pytest.mark.parametrize("name", ["hdr-paxsize", "hdr-paxsizeL"])
def test_a_pax_size_governs_the_body(name: str) -> None:
    found = list(walk((VECTORS / f"{name}.tar").read_bytes()))
    assert found[0].size == 1024
    first = b"longname" if name.endswith("L") else b"outer.bin"
    assert found[0].name.startswith(first)
    assert [entry.name for entry in found[1:]] == [b"after"]


@pytest.mark.parametrize("size", [1, 7, 512, 1 << 20])
@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("hdr-twox", UnsafeArchive, "two PAX headers"),
        ("hdr-neg", CorruptContent, "size of -512"),
        ("hdr-paxL", UnsafeArchive, "PAX and a GNU long name"),
        ("hdr-Lpax", UnsafeArchive, "PAX and a GNU long name"),
        ("hdr-badpax", CorruptContent, "malformed PAX record"),
        ("sparse-pax", Unsupported, "sparse"),
        ("sparse-gnu", Unsupported, "sparse"),
    ],
)
def test_what_readers_take_differently_is_refused(
    name: str, error: type[ToolkitError], words: str, size: int
) -> None:
    with pytest.raises(error, match=rf"^x.tar: tar header at byte 0: .*{words}"):
        list(walk((VECTORS / f"{name}.tar").read_bytes(), size))


@pytest.mark.parametrize("name", ["sparse-pax", "sparse-gnu"])
def test_sparse_files_can_be_passed_over(name: str) -> None:
    walked = walk((VECTORS / f"{name}.tar").read_bytes(), allow_sparse=True)
    assert [(entry.name, entry.sparse) for entry in walked] == [(b"s", True)]
    assert walked.end == "whole"


def test_a_layer_that_docker_made_is_read_in_full() -> None:
    found = {entry.name: entry for entry in walk((VECTORS / "commit-layer-overlay2.tar").read_bytes())}
    assert {b".wh.dir", b"etc/.wh.a", b"opq/", b"opq/.wh..wh..opq"} <= found.keys()
    device = next(entry for entry in found.values() if entry.is_device)
    assert (device.name, device.type, device.major, device.minor) == (b"etc/dv", b"4", 300, 70000)
    assert found[b"etc/h1"].mode == 0o100644
    assert found[b"etc/h1"].xattrs == {b"security.capability": bytes.fromhex("01000002002000") + bytes(13)}
    assert found[b"etc/h2"].is_hard_link
    assert found[b"etc/h2"].linkname == b"etc/h1"
    assert found[b".wh.dir"].uname == b"root"
    assert next(entry for entry in found.values() if entry.is_symlink).size == 0


@pytest.mark.parametrize("name", ["commit-layer-overlay2", "dup-config", "hdr-paxsizeL"])
@pytest.mark.parametrize("size", [1, 100, 513, 1 << 20])
def test_raw_bytes_and_bodies_make_the_same_tar_again(name: str, size: int) -> None:
    content = (VECTORS / f"{name}.tar").read_bytes()
    again = bytearray()
    walked = entries(StreamReader(pieces(content, size)), "x.tar", raw=again.extend)
    for _ in walked:
        for body in walked.body():
            again += body
    assert sha256(again).digest() == sha256(content).digest()


def test_the_bytes_before_a_body_belong_to_its_entry() -> None:
    content = extension(b"L", b"long\0") + block(size=b"3") + b"abc" + bytes(509) + block(b"b") + END
    raw, seen = bytearray(), []
    for entry in entries(StreamReader(iter([content])), "x.tar", raw=raw.extend):
        seen.append((entry.name, entry.header_offset, entry.data_offset, entry.next_offset, len(raw)))
        raw.clear()
    assert seen == [(b"long", 0, 1536, 2048, 1536), (b"b", 2048, 2560, 2560, 509 + 512)]
    assert bytes(raw) == END


def made_by_tarfile(format_: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format_) as tar:
        for name, type_, facts in TREE if format_ == tarfile.USTAR_FORMAT else TREE + LONG:
            info = tarfile.TarInfo(name)
            info.type = type_
            for key, value in facts.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    return stream.getvalue()


TREE: list[tuple[str, bytes, dict[str, object]]] = [
    ("./", tarfile.DIRTYPE, {"mode": 0o755}),
    ("d/", tarfile.DIRTYPE, {"mode": 0o1777, "mtime": 1}),
    ("d/file", tarfile.REGTYPE, {"size": 1000, "uid": 1000, "gid": 2097151, "mtime": 8589934591}),
    ("d/empty", tarfile.AREGTYPE, {"uname": "someone", "gname": "some"}),
    ("d/" + "p" * 90 + "/" + "n" * 90, tarfile.REGTYPE, {"size": 511}),
    ("d/link", tarfile.SYMTYPE, {"linkname": "../../etc/passwd"}),
    ("d/hard", tarfile.LNKTYPE, {"linkname": "d/file"}),
    ("d/null", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3}),
    ("d/disk", tarfile.BLKTYPE, {"devmajor": 8, "devminor": 1}),
    ("d/pipe", tarfile.FIFOTYPE, {}),
]
LONG: list[tuple[str, bytes, dict[str, object]]] = [
    ("l/" + "ü" * 200, tarfile.REGTYPE, {"size": 513, "uid": 3_000_000, "gid": 2**32 - 2}),
    ("l/link", tarfile.SYMTYPE, {"linkname": "t" * 300}),
    ("l/both" + "x" * 300, tarfile.LNKTYPE, {"linkname": "h" * 300}),
    ("l/after", tarfile.REGTYPE, {"size": 1}),
]


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("size", [100, 1 << 20])
def test_well_formed_archives_read_as_in_python(format_: int, size: int) -> None:
    content = made_by_tarfile(format_)
    walked = walk(content, size)
    ours = [(e.name.rstrip(b"/"), e.type, e.size, *facts_of(e)) for e in walked]
    assert walked.end == "whole"
    assert not walked.trailing_nonzero
    with tarfile.open(fileobj=io.BytesIO(content), errors="surrogateescape", encoding="utf-8") as tar:
        theirs = [
            (m.name.encode(), b"0" if m.type == b"\0" else m.type, m.size, m.mode, m.uid, m.gid, m.mtime,
             m.linkname.encode(), m.uname.encode(), m.gname.encode(), m.devmajor, m.devminor, m.offset_data)
            for m in tar
        ]  # fmt: skip
    assert ours == theirs


def facts_of(entry: Entry) -> tuple[object, ...]:
    return (
        entry.mode, entry.uid, entry.gid, entry.mtime, entry.linkname,
        entry.uname, entry.gname, entry.major, entry.minor, entry.data_offset,
    )  # fmt: skip


@pytest.mark.parametrize("format_", ["v7", "ustar", "oldgnu", "gnu", "posix"])
def test_what_gnu_tar_writes_is_read(format_: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    (tree / "folder" / "file").write_bytes(b"hello\n" * 300)
    (tree / "folder" / "link").symlink_to("file")
    os.link(tree / "folder" / "file", tree / "folder" / "twin")
    deep = "n" * (60 if format_ == "v7" else 120)
    (tree / deep).write_bytes(b"")
    archive = tmp_path / "x.tar"
    command = ["tar", f"--format={format_}", "--sort=name", "-C", str(tree), "-cf", str(archive), "."]
    if format_ == "ustar":
        (tree / deep).rename(tree / "folder" / deep[:90])
    subprocess.run(command, check=True)
    handle = os.open(archive, os.O_RDONLY)
    try:
        found = list(entries(FileReader(handle, 0, archive.stat().st_size), "x.tar"))
    finally:
        os.close(handle)
    listed = subprocess.run(["tar", "-tf", str(archive)], check=True, capture_output=True).stdout
    assert [entry.name for entry in found] == listed.splitlines()
    sizes = {entry.name: entry.size for entry in found}
    assert sizes[b"./folder/file"] == 1800
    assert sizes[b"./folder/twin"] == 0


def outcome(content: bytes, size: int) -> object:
    walked = walk(content, size)
    try:
        return list(walked), walked.end, walked.trailing, walked.trailing_nonzero
    except ToolkitError as error:
        return type(error), str(error)


HEADER = block(b"name", b"5") + b"hello" + bytes(507)


@given(
    start=st.sampled_from(
        [b"", HEADER, HEADER + bytes(512), extension(b"x", pax(mtime="1.5")), HEADER + END]
    ),
    garbage=st.binary(max_size=1500),
    size=st.integers(1, 1200),
)
def test_garbage_ends_in_a_verdict_that_no_chunking_changes(start: bytes, garbage: bytes, size: int) -> None:
    assert outcome(start + garbage, size) == outcome(start + garbage, 1 << 20)


@given(at=st.integers(0, 9727), value=st.integers(0, 255), size=st.integers(100, 3000))
def test_a_flipped_byte_raises_nothing_but_our_errors(at: int, value: int, size: int) -> None:
    content = bytearray((VECTORS / "commit-layer-overlay2.tar").read_bytes())
    content[at] = value
    assert outcome(bytes(content), size) == outcome(bytes(content), 1 << 20)


@pytest.mark.parametrize("cut", [0, 511, 512, 600, 1023, 1024, 1600])
def test_a_file_reads_like_a_stream(cut: int, tmp_path: Path) -> None:
    content = (HEADER + HEADER)[: 2048 - cut]
    path = tmp_path / "x.tar"
    path.write_bytes(b"before" + content + b"behind")
    handle = os.open(path, os.O_RDONLY)
    try:
        walked = entries(FileReader(handle, 6, len(content)), "x.tar")
        found: object = [entry.data_offset - 6 for entry in walked], walked.end
    except CorruptContent as error:
        found = type(error)
    finally:
        os.close(handle)
    walked = walk(content)
    try:
        expected: object = [entry.data_offset for entry in walked], walked.end
    except CorruptContent as error:
        expected = type(error)
    assert found == expected


def test_bodies_are_read_or_left(tmp_path: Path) -> None:
    sizes = [0, 1, 511, 512, 513, 70_000, 3_000_000, 4, 4]
    content = b"".join(
        block(b"%d" % i, b"%o" % size) + bytes([i]) * size + bytes(-size % 512)
        for i, size in enumerate(sizes)
    )
    path = tmp_path / "x.tar"
    path.write_bytes(content + END)
    handle = os.open(path, os.O_RDONLY)
    for wanted in (range(9), range(0, 9, 2), range(1, 9, 3), ()):
        walked = entries(FileReader(handle, 0, path.stat().st_size), "x.tar")
        for i, entry in enumerate(walked):
            if i in wanted:
                assert b"".join(walked.body()) == bytes([i]) * sizes[i]
            assert (entry.name, entry.size) == (b"%d" % i, sizes[i])
        assert walked.count == 9
    os.close(handle)


@pytest.mark.parametrize(
    ("content", "end", "trailing", "nonzero"),
    [
        (b"", "missing", 0, False),
        (HEADER, "missing", 0, False),
        (HEADER[:-507], "missing", 0, False),
        (HEADER + bytes(512), "single", 0, False),
        (HEADER + END, "whole", 0, False),
        (END, "whole", 0, False),
        (HEADER + END + bytes(8192), "whole", 8192, False),
        (HEADER + END + bytes(100) + b"x", "whole", 101, True),
    ],
)
def test_the_end_tells_how_it_looked(content: bytes, end: str, trailing: int, nonzero: object) -> None:
    walked = walk(content)
    list(walked)
    assert (walked.end, walked.trailing, walked.trailing_nonzero) == (end, trailing, nonzero)
    assert list(walked) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x", "not a tar archive"),
        (b"x" * 512, "not a tar archive"),
        (HEADER + b"x" * 512, "tar header at byte 1024: its checksum is wrong; it follows '"),
        (HEADER + bytes(512) + HEADER, "readers treat|one zero block"),
        (HEADER + bytes(512) + b"\0", "end block has 1 bytes"),
        (HEADER + b"x" * 100, "last header has 100 bytes"),
        (HEADER[:516], "byte 516: .* 1 bytes of a body are missing"),
        (extension(b"x", pax(mtime="1")) + END, "does not follow"),
        (extension(b"x", pax(mtime="1"))[:520], "extension header has"),
        (block(b""), "empty name"),
        (block(prefix=b"") + block(size=b"9"), "octal"),
        (block(mode=b"6_4"), "octal"),
        (block(uid=b"+1"), "octal"),
        (block(size=b"\xff" * 12), "size of -1"),
        (block(size=b"\x80" + b"\x7f" * 11), "64 bits"),
        (block(size=b"\x80\0\0\0" + b"\x7f" + b"\xff" * 7), "size of 9223372036854775807"),
        (extension(b"x", pax(size="9223372036854775807")) + block(), "size of 9223372036854775807"),
        (extension(b"L", b"\0\0") + block(), "empty GNU"),
    ],
)
def test_broken_archives_are_refused_with_the_place(content: bytes, words: str) -> None:
    with pytest.raises(CorruptContent, match=words):
        list(walk(content))


@pytest.mark.parametrize(
    "content",
    [
        extension(b"L", b"one\0") + extension(b"L", b"two\0") + block(),
        extension(b"K", b"one\0") + extension(b"K", b"two\0") + block(type_=b"2"),
        extension(b"L", b"one\0two\0") + block(),
        extension(b"x", pax(linkpath="a")) + extension(b"K", b"b\0") + block(type_=b"2"),
        extension(b"g", pax(path="a")) + block(),
        extension(b"g", pax(size="1")) + block(),
        extension(b"g", pax(linkpath="a")) + block(),
        extension(b"g", pax(mtime="1")) * 2 + block(),
        extension(b"x", pax(mtime="1")) + extension(b"g", pax(mtime="2")) + block(),
        block(b"ext", b"%o" % (4 << 30), b"x"),
        block(b"ext", b"%o" % ((1 << 20) + 1), b"L"),
        block(b"ext", b"\xff" * 12, b"x"),
        extension(b"x", pax(**{f"SCHILY.xattr.user.{i}": "v" for i in range(129)})) + block(),
        extension(b"x", pax(**{"SCHILY.xattr.user.big": "v" * 65537})) + block(),
    ],
)
def test_ambiguous_and_oversized_headers_are_unsafe(content: bytes) -> None:
    with pytest.raises(UnsafeArchive, match=r"^x.tar: "):
        list(walk(content + END))


def test_a_global_header_changes_no_entry() -> None:
    (entry,) = walk(extension(b"g", pax(comment="x", mtime="5", uid="7")) + block() + END)
    assert (entry.mtime, entry.uid, entry.xattrs) == (0, 0, {})


@pytest.mark.parametrize("type_", [b"7", b"Z", b"V", b"M", b"X", b"\xff", b"D", b"9"])
def test_unknown_types_are_unsupported(type_: bytes) -> None:
    with pytest.raises(Unsupported, match="of type"):
        list(walk(block(type_=type_) + END))


def test_a_sparse_map_may_take_more_blocks() -> None:
    header = bytearray(block(size=b"5", type_=b"S", magic=b"ustar  \0"))
    header[482] = 1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    content = bytes(header) + bytes(504) + b"\x01" + bytes(7) + bytes(512) + HEADER[512:] + block(b"b") + END
    found = list(walk(content, allow_sparse=True))
    assert [(entry.name, entry.data_offset) for entry in found] == [(b"a", 1536), (b"b", 2560)]


def test_links_and_directories_have_no_body_but_keep_their_stated_size() -> None:
    content = b"".join(block(b"a", b"144", type_) for type_ in (b"1", b"2", b"5", b"3", b"6")) + END
    assert [(entry.size, entry.stated_size) for entry in walk(content)] == [(0, 100)] * 5


def test_an_old_regular_type_is_a_file_or_a_folder_by_its_slash() -> None:
    found = list(walk(block(b"a", type_=b"\0") + block(b"b/", type_=b"\0") + block(b"c/") + END))
    assert [(entry.type, entry.raw_type) for entry in found] == [(b"0", b"\0"), (b"5", b"\0"), (b"0", b"0")]


def test_prefixes_are_read_by_the_magic_they_stand_under() -> None:
    old_go = block(b"n", magic=b"ustar  \0", prefix=b"usr/share")
    gnu_times = block(b"n", magic=b"ustar  \0", prefix=b"14000000000\x0014000000000")
    star = block(
        b"n", prefix=b"usr".ljust(131, b"\0") + b"14000000000 14000000000 ", tail=bytes(8) + b"tar\0"
    )
    v7 = block(b"n", magic=b"", prefix=b"usr", uname=b"me")
    content = block(b"n", prefix=b"usr") + old_go + gnu_times + star + v7 + END
    assert [entry.name for entry in walk(content)] == [b"usr/n", b"usr/share/n", b"n", b"usr/n", b"n"]


def test_a_signed_checksum_is_accepted_too() -> None:
    header = bytearray(block(b"\xff\xfe\x80"))
    signed = sum(byte - 256 * (byte > 127) for byte in header[:148] + header[156:]) + 8 * 32
    header[148:156] = b"%06o\0 " % signed
    assert is_whole(bytes(header))
    header[148:156] = b"%06o\0 " % (signed + 1)
    assert not is_whole(bytes(header))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"0000644\0", 0o644),
        (b"   644 \0", 0o644),
        (b"644\0junk", 0o644),
        (b"\0\0\0\0\0\0\0\0", 0),
        (b"        ", 0),
        (b"\x80\0\0\0\x01\0\0\0", 2**24),
        (b"\xff" * 12, -1),
        (b"\xff" * 8, -1),
        (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 2**63 - 1),
    ],
)
def test_numbers_are_octal_or_base_256(field: bytes, value: int) -> None:
    assert number(field) == value


def test_pax_owners_times_and_names_win() -> None:
    records = pax(path="näme/", uid="4294967294", gid="3000000", mtime="-1.5", uname="ü", linkpath="l")
    (entry,) = walk(extension(b"x", records) + block(b"short", type_=b"5", uid=b"1", mtime=b"7") + END)
    assert entry.name == "näme/".encode()
    assert (entry.uid, entry.gid, entry.mtime, entry.mtime_ns) == (4294967294, 3000000, -2, 500_000_000)
    assert (entry.uname, entry.linkname, entry.is_directory) == ("ü".encode(), b"l", True)


def test_too_many_entries_are_refused() -> None:
    with pytest.raises(UnsafeArchive, match="more than 3 entries"):
        list(walk(block() * 4 + END, limit=3))


def test_a_block_that_is_used_again_by_its_maker_is_read_right() -> None:
    content = HEADER * 50 + END

    def reused() -> Iterable[Block]:
        buffer = bytearray(700)
        for at in range(0, len(content), 700):
            piece = content[at : at + 700]
            buffer[: len(piece)] = piece
            yield memoryview(buffer)[: len(piece)]

    walked = entries(StreamReader(iter(reused())), "x.tar")
    assert [(entry.name, b"".join(map(bytes, walked.body()))) for entry in walked] == [
        (b"name", b"hello")
    ] * 50


JUNK = {
    "padding": HEADER[:-1] + b"x" + END,
    "padding of an extension": extension(b"x", pax(mtime="1"))[:-1] + b"x" + block() + END,
    "behind the end": HEADER + END + b"x",
    "behind zeros behind the end": HEADER + END + bytes(9000) + b"x",
    "behind a checksum": block()[:155] + b"x" + block()[156:] + END,
}


@pytest.mark.parametrize("what", JUNK)
@pytest.mark.parametrize("size", [1, 512, 1 << 20])
def test_junk_that_nobody_reads_is_allowed_in_layers_alone(what: str, size: int) -> None:
    content = JUNK[what]
    assert len(list(walk(content, size))) == 1
    with pytest.raises(CorruptContent, match="it was damaged, or something was put there"):
        list(Entries(StreamReader(pieces(content, size)), "x.tar", allow_junk=False))


def test_a_block_that_was_a_header_is_told_from_one_that_was_none() -> None:
    whole = block(magic=b"")
    assert not any(map(was_whole, (bytes(512), b"x" * 512, b"12345\0 " * 64, os.urandom(512))))
    for at in range(512):
        for bit in range(8):
            damaged = whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
            assert was_whole(damaged) or 148 <= at < 156
    ustar = block()
    assert all(was_whole(ustar[:at] + b"?" + ustar[at + 1 :]) for at in range(148, 156))
