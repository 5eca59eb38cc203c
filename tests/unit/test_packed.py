"""Bundles that are compressed as a whole: the same tar inside, and nothing left where something fails."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.archives import ONE, TWO, image, layout, written
from tests.follow import read, words
from toolkit.bundles import FORMATS, create_bundle, open_bundle
from toolkit.bundles.packed import SUFFIXES, compression_of, loads_packed, packed_file, target_for
from toolkit.errors import StoreError
from toolkit.event import Event
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.plumbing.files import atomic_file, write_all
from toolkit.ports import Source

FORMAT_NAMES = [format_.name for format_ in FORMATS if format_.members_of]


def zstd_reads(packed: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed), read_across_frames=True) as reader:
        return reader.read()


READ: dict[str, Callable[[bytes], bytes]] = {
    ".tar.gz": gzip.decompress,
    ".tgz": gzip.decompress,
    ".tar.zst": zstd_reads,
    ".tar.xz": lzma.decompress,
    ".tar.bz2": bz2.decompress,
    ".TAR.GZ": gzip.decompress,
}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return open_bundle(written(tmp_path / "in.tar", layout(("app:1", image(ONE, TWO)))))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("format_name", FORMAT_NAMES)
@pytest.mark.parametrize("suffix", READ)
def test_the_name_says_how_the_same_tar_is_packed(
    source: Source, out: Path, suffix: str, format_name: str
) -> None:
    copy(source, create_bundle(out / "plain.tar", format_name), ["app:1"])
    copy(source, create_bundle(out / f"b{suffix}", format_name), ["app:1"])
    assert READ[suffix]((out / f"b{suffix}").read_bytes()) == (out / "plain.tar").read_bytes()
    assert verify(open_bundle(out / f"b{suffix}")).ok
    assert {path.name for path in out.iterdir()} == {"plain.tar", f"b{suffix}"}


def test_the_same_image_gives_the_same_bytes(source: Source, out: Path) -> None:
    for name in ("a.tar.gz", "b.tar.gz"):
        copy(source, create_bundle(out / name), ["app:1"])
    assert (out / "a.tar.gz").read_bytes() == (out / "b.tar.gz").read_bytes()


def test_other_names_are_not_packed() -> None:
    for name in ("b.tar", "b", "b.gz.tar", "gz", ".gz"):
        assert compression_of(Path(name)) == ""
        assert target_for(Path(name)) is atomic_file
        assert loads_packed(Path(name)) == []
    assert set(SUFFIXES.values()) == {"gzip", "zstd", "xz", "bzip2"}


def test_it_is_told_who_reads_it() -> None:
    (gzipped,), (zstd,) = loads_packed(Path("b.tar.gz")), loads_packed(Path("b.tar.zst"))
    assert "docker load unpacks gzip, other tools may not" in gzipped.problem
    assert "docker load unpacks zstd since version 23" in zstd.problem


def test_nothing_is_there_until_it_is_whole_and_nothing_where_it_fails(out: Path) -> None:
    path = out / "b.tar.gz"
    path.write_bytes(b"before")
    with (  # noqa: PT012 - it is the block that is left
        pytest.raises(ZeroDivisionError),
        packed_file(path, "gzip") as handle,
    ):
        write_all(handle, ONE)
        assert path.read_bytes() == b"before"
        _ = 1 // 0
    assert path.read_bytes() == b"before"
    assert os.listdir(out) == ["b.tar.gz"]


def test_a_bundle_that_was_not_finished_leaves_nothing(source: Source, out: Path) -> None:
    with (
        pytest.raises(StoreError, match="was left before it was finished"),
        create_bundle(out / "b.tar.zst").receive([source.image("app:1")], {}),
    ):
        pass
    assert os.listdir(out) == []


def test_the_mode_is_that_of_any_new_file(source: Source, out: Path) -> None:
    before = os.umask(0o027)
    try:
        copy(source, create_bundle(out / "b.tar.gz"), ["app:1"])
    finally:
        os.umask(before)
    assert (out / "b.tar.gz").stat().st_mode & 0o777 == 0o640


def test_progress_counts_every_byte_of_the_tar(source: Source, out: Path) -> None:
    told: list[Event] = []
    target = target_for(out / "b.tar.gz", told.append)
    copy(source, create_bundle(out / "b.tar.gz", target=target), ["app:1"])
    plain = gzip.decompress((out / "b.tar.gz").read_bytes())
    assert read(told) == {"b.tar.gz": len(plain)}
    assert words(told) == ["blob.begun", "blob.done"]
