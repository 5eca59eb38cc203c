"""What tricks engines in a layer is found while its bytes pass, however they are cut."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archives import LAYER, ONE, image, layout, sha256, written
from tests.layers import device, file, folder, hard_link, layer, member, symlink
from toolkit.bundles import open_bundle
from toolkit.errors import UnsafeArchive
from toolkit.limits import Limits, hold
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.plumbing.tarball import Entries, StreamReader
from toolkit.plumbing.watch import NO_TAR, SPARSE_FILE, Watch
from toolkit.stores.layout import LayoutStore

VECTORS = Path(__file__).parents[1] / "data" / "vectors"
SIZES = [1, 100, 511, 512, 513, 1 << 20]


def watched(content: bytes, size: int = 1 << 20) -> list[str]:
    watch = Watch("layer x")
    for at in range(0, len(content), size):
        watch(memoryview(content)[at : at + size])
    return watch.notes


HARMLESS = layer(
    folder("./"), folder("etc/", 0o1777), file("etc/a..b"), file(".wh.gone", b""), file("etc/.wh..wh..opq", b""),
    file(".wh..wh.plnk/12.34"), symlink("up", "../../etc"), hard_link("b", "/etc/a..b"), device("null", 1, 3),
    file("n" * 300, uid=2**32 - 2, gid=3_000_000, xattrs={"security.capability": b"\1\0\0\2" + bytes(16)}),
    member("pipe", tarfile.FIFOTYPE), file("/absolute"), file(".wh.a/b"),
)  # fmt: skip
UNSAFE = {
    "whiteout of nothing": (file(".wh.", b""), "layer x: .wh.: is a whiteout of nothing"),
    "whiteout of the folder": (file("d/.wh..", b""), "is a whiteout of nothing"),
    "whiteout of its parent": (file("d/.wh...", b""), "is a whiteout of nothing"),
    "whiteout of aufs": (file(".wh..wh.", b""), "is a whiteout of nothing"),
    "overlay's whiteout": (device("x", 0, 0), "layer x: x: is the device 0:0"),
    "overlay's opaque": (folder("d", xattrs={"trusted.overlay.opaque": b"y"}), "has the xattr b'trusted.overlay"),
    "rootless overlay's": (folder("d", xattrs={"user.overlay.opaque": b"y"}), "has the xattr b'user.overlay"),
    "out of the root": (file("a/../../x"), "leads out of its folder"),
    "a link out of the root": (hard_link("a", "../../etc/shadow"), "leads out of its folder"),
    "the root is a link": (symlink("./", "/tmp"), "would replace the root folder"),
    "an owner that is none": (file("a", uid=2**32), "has the uid 4294967296"),
    "a device that is none": (device("a", 1 << 12, 0), "which no Linux has"),
    "a link to nothing": (symlink("a", ""), "is a link to an empty name"),
}  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_what_is_in_every_layer_passes(size: int) -> None:
    assert watched(HARMLESS, size) == []
    assert watched((VECTORS / "commit-layer-overlay2.tar").read_bytes(), size) == []
    assert watched(bytes(1024), size) == watched(b"", size) == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("what", UNSAFE)
def test_what_engines_make_different_things_of_is_refused(what: str, size: int) -> None:
    entry, problem = UNSAFE[what]
    for content in (layer(entry), layer(file("before", b"x" * 3000), entry, file("after"))):
        with pytest.raises(UnsafeArchive, match=problem):
            watched(content, size)


@pytest.mark.parametrize("name", ["hdr-twox", "hdr-paxL", "hdr-Lpax"])
def test_a_header_that_readers_take_differently_is_refused_with_its_place(name: str) -> None:
    content = layer(file("a", b"x" * 600))[:1536] + (VECTORS / f"{name}.tar").read_bytes()
    for size in SIZES:
        with pytest.raises(UnsafeArchive, match=r"^layer x: tar header at byte 1536: has "):
            watched(content, size)


def test_an_extension_of_gigabytes_is_refused_before_it_comes() -> None:
    header = bytearray(tarfile.TarInfo("x").tobuf())
    header[156:157], header[124:136] = b"x", b"%011o\0" % (4 << 30)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(UnsafeArchive, match="an extension header of 4294967296 bytes"):
        watched(bytes(header))


def test_more_entries_than_any_layer_has_are_refused() -> None:
    hold(Limits(entry=3))
    three = layer(file("a"), folder("b"), symlink("c", "d"))
    assert watched(three) == []
    with pytest.raises(UnsafeArchive, match="layer x: has more than 3 entries"):
        watched(three[:2048] + three)


@pytest.mark.parametrize("name", ["sparse-gnu", "sparse-pax"])
@pytest.mark.parametrize("size", SIZES)
def test_a_sparse_file_is_noted_and_what_follows_it_looked_at(name: str, size: int) -> None:
    content = (VECTORS / f"{name}.tar").read_bytes()
    assert watched(content, size) == [SPARSE_FILE]
    *_, last = Entries(StreamReader(iter([content])), "x", allow_sparse=True)
    with pytest.raises(UnsafeArchive, match="whiteout of nothing"):
        watched(content[: last.next_offset] + layer(file(".wh.")), size)


@pytest.mark.parametrize(
    "content",
    [b"no tar" * 1000, layer(file("a"))[:1024] + b"x" * 512, (VECTORS / "hdr-neg.tar").read_bytes()],
)
def test_what_is_no_tar_is_noted(content: bytes) -> None:
    (note,) = watched(content)
    assert note.startswith(NO_TAR)


def test_what_stands_behind_the_end_is_not_looked_at() -> None:
    assert watched(HARMLESS + layer(file(".wh."))) == []


@given(size=st.integers(1, 3000), at=st.integers(0, 9727), value=st.integers(0, 255))
def test_no_cut_changes_what_is_found(size: int, at: int, value: int) -> None:
    content = bytearray((VECTORS / "commit-layer-overlay2.tar").read_bytes())
    content[at] = value

    def found(size: int) -> object:
        try:
            return watched(bytes(content), size)
        except UnsafeArchive as error:
            return str(error)

    assert found(size) == found(1 << 20)


PACKED: dict[str, Callable[[bytes], bytes]] = {"": bytes, "+gzip": gzip.compress}


@pytest.mark.parametrize("packing", PACKED)
def test_an_image_with_such_a_layer_is_neither_verified_nor_carried(tmp_path: Path, packing: str) -> None:
    tars = [ONE, layer(device("x", 0, 0))]
    blobs = [PACKED[packing](tar) for tar in tars]
    picture = image(*blobs, diff_ids=list(map(sha256, tars)), media_types=[LAYER + packing] * 2)
    source = open_bundle(written(tmp_path / "a.tar", layout(("app:1", picture))))
    (finding,) = verify(source).errors
    assert (finding.exit_code, "is the device 0:0" in finding.problem) == (6, True)
    with pytest.raises(UnsafeArchive, match="is the device 0:0"):
        copy(source, LayoutStore(tmp_path / "store"), ["app:1"])
    assert not (tmp_path / "store/index.json").exists()


def test_what_is_odd_and_no_danger_is_a_warning_on_every_way(tmp_path: Path) -> None:
    picture = image((VECTORS / "sparse-pax.tar").read_bytes())
    source = open_bundle(written(tmp_path / "a.tar", layout(("app:1", picture))))
    (finding,) = verify(source).findings
    assert (finding.severity, finding.problem) == ("warning", SPARSE_FILE)
    (carried,) = copy(source, LayoutStore(tmp_path / "store"), ["app:1"])
    assert carried.findings == (finding,)
