"""Sets that are written: what real programs make of the volumes, and what is left of other runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import Mismatch, StoreError
from toolkit.mirror.media.cut import Cargo
from toolkit.mirror.media.volumes import Written, write_set

NAME = "plant-7_0007"
needs_tar = pytest.mark.skipif(not shutil.which("tar"), reason="needs tar")
needs_sha256sum = pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs sha256sum")


def written(
    folder: Path, stream: bytes, volume: int = 0, step: int = 1000, *, parity: bool = False
) -> list[Written]:
    pieces = (stream[start : start + step] for start in range(0, len(stream), step))
    return write_set(folder, Cargo.of("plant-7", NAME, len(stream), [], {}), pieces, volume, parity=parity)


def joined(files: list[Written]) -> bytes:
    """The parts of the volumes, one after the other, as `tar` takes them out."""
    parts = [
        subprocess.run(["tar", "xOf", file.path, f"{NAME}.part"], check=True, capture_output=True).stdout
        for file in files
        if "parity" not in file.path.name
    ]
    return b"".join(parts)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@needs_tar
@settings(deadline=None, max_examples=25)
@given(st.integers(), st.integers(20_000, 70_000), st.integers(8000, 15_000), st.integers(1, 9000))
def test_tar_joins_any_cut_of_any_stream(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: int, volume: int, step: int
) -> None:
    folder, stream = tmp_path_factory.mktemp("set"), Random(seed).randbytes(size)
    files = written(folder, stream, volume, step)
    assert joined(files) == stream
    assert all(file.path.stat().st_size == file.size <= volume for file in files)
    shutil.rmtree(folder)


@needs_tar
def test_a_single_volume_is_the_tar_itself(tmp_path: Path) -> None:
    inner, folder = tmp_path / "inner.tar", tmp_path / "set"
    folder.mkdir()
    (tmp_path / "hello").write_text("hello\n")
    subprocess.run(["tar", "cf", inner, "-C", tmp_path, "hello"], check=True)
    [file] = written(folder, inner.read_bytes())
    listed = subprocess.run(["tar", "tf", file.path], check=True, capture_output=True, text=True).stdout
    assert listed.split() == ["volume.json", "hello"]


@needs_sha256sum
@pytest.mark.parametrize("parity", [False, True])
def test_sha256sum_checks_the_list(tmp_path: Path, *, parity: bool) -> None:
    files = written(tmp_path, os.urandom(5 << 20), 2 << 20, parity=parity)
    subprocess.run(["sha256sum", "--check", "--strict", f"{NAME}.sha256"], check=True, cwd=tmp_path)
    assert (tmp_path / f"{NAME}.sha256").read_text().count("\n") == len(files) == 3 + parity
    assert [file.sha256 for file in files] == [
        hashlib.sha256(file.path.read_bytes()).hexdigest() for file in files
    ]


@needs_tar
@pytest.mark.parametrize("volumes", [1, 2, 4, 5, 9])
def test_parity_is_the_xor_of_all_slices(tmp_path: Path, volumes: int) -> None:
    stream = os.urandom((volumes << 20) - 90_000 * volumes + 12_345)
    files = written(tmp_path, stream, 0 if volumes == 1 else 1 << 20, 300_000, parity=True)
    assert len(files) == volumes + 1
    slices = [stream] if volumes == 1 else [joined([file]) for file in files[:-1]]
    assert b"".join(slices) == stream
    expected = bytearray(max(map(len, slices)))
    for piece in slices:
        for index, byte in enumerate(piece):
            expected[index] ^= byte
    part = subprocess.run(
        ["tar", "xOf", files[-1].path, f"{NAME}.part"], check=True, capture_output=True
    ).stdout
    assert part == expected


def test_the_same_stream_makes_the_same_files(tmp_path: Path) -> None:
    stream = os.urandom(3 << 20)
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, step in ((one, 512), (two, 3_000_000)):
        folder.mkdir()
        written(folder, stream, 1 << 20, step, parity=True)
    assert {name: (one / name).read_bytes() for name in names(one)} == {
        name: (two / name).read_bytes() for name in names(two)
    }


def test_another_cut_leaves_no_volume_of_the_first(tmp_path: Path) -> None:
    for other in ("plant-7_0008.1of2.tar", "plant-7_0007.tar", "plant-7_0007.1of2.tar.txt"):
        (tmp_path / other).write_text("somebody else's")
    before = names(tmp_path)
    written(tmp_path, bytes(100_000), 20_000, parity=True)
    (tmp_path / f"{NAME}.sha256.minisig").write_text("of the first")
    written(tmp_path, bytes(100_000), 60_000)
    assert names(tmp_path) == sorted([*before, f"{NAME}.1of2.tar", f"{NAME}.2of2.tar", f"{NAME}.sha256"])


@pytest.mark.parametrize("length", [99_999, 100_001])
def test_a_stream_of_another_length_leaves_what_was_there(tmp_path: Path, length: int) -> None:
    written(tmp_path, bytes(100_000), 20_000)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    cargo = Cargo.of("plant-7", NAME, 100_000, [], {})
    with pytest.raises(Mismatch, match="100000"):
        write_set(tmp_path, cargo, iter([bytes(length)]), 30_000, parity=True)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_what_cannot_fit_is_refused_before_a_byte_is_asked_for(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield from asked
        raise AssertionError

    asked: list[bytes] = []

    facts = os.statvfs(tmp_path)
    total = 2 * facts.f_blocks * facts.f_frsize
    with pytest.raises(StoreError, match="free"):
        write_set(tmp_path, Cargo.of("plant-7", NAME, total, [], {}), pieces(), total // 3)
    assert names(tmp_path) == []
