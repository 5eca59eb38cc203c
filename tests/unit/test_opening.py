"""Bundles out of files, pipes and standard input, plain and compressed; what is none is named."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import pty
import random
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import zstandard

from tests.archives import ONE, TWO, tar
from tests.descriptors import open_descriptors
from toolkit.bundles import opening
from toolkit.bundles.opening import STANDARD_INPUT, opened
from toolkit.errors import CorruptContent, NotFound, StoreError, ToolkitError, Unsupported, UsageError
from toolkit.plumbing.files import Stamp

CONTENT = tar({"a": ONE, "noise": random.Random(1).randbytes(1 << 20), "zeros": bytes(2 << 20)})
PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
every_packing = pytest.mark.parametrize("pack", PACK.values(), ids=PACK.keys())


@contextmanager
def standing_in(handle: int) -> Iterator[None]:
    """Make a descriptor standard input."""
    before = os.dup(0)
    os.dup2(handle, 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)


@contextmanager
def sent(content: bytes) -> Iterator[int]:
    """The end of a pipe that this content comes out of."""
    reader, writer = os.pipe()

    def send() -> None:
        with suppress(BrokenPipeError), open(writer, "wb", buffering=0) as stream:
            stream.write(content)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield reader
    finally:
        os.close(reader)
        sender.join()


def content_of(path: Path | None) -> bytes:
    """Return all of what was opened, read from behind: as only a file can be."""
    found = opened(path)
    size = os.fstat(found.handle).st_size
    return os.pread(found.handle, size // 2, 0) + os.pread(found.handle, size, size // 2)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that is empty before and after, and no descriptor that stays open."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = open_descriptors()
    yield folder
    assert os.listdir(folder) == []
    assert open_descriptors() == before


@every_packing
def test_what_comes_by_standard_input_is_read_as_from_a_file(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path, packed = tmp_path / "b", pack(CONTENT)
    path.write_bytes(packed)
    assert content_of(path) == CONTENT
    with open(path, "rb") as file, standing_in(file.fileno()):
        assert content_of(None) == CONTENT
    with sent(packed) as pipe, standing_in(pipe):
        assert content_of(None) == CONTENT
    with sent(packed) as pipe, standing_in(pipe):
        assert content_of(Path("/dev/stdin")) == CONTENT


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_how_a_file_stood_when_it_was_read_goes_with_it(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "b"
    path.write_bytes(pack(CONTENT))
    before, found = Stamp.of(path), opened(path)
    assert found.file_stamp() == before
    os.utime(path, ns=(1, 1))
    is_plain = pack(CONTENT) == CONTENT
    assert found.file_stamp() == (Stamp.of(path) if is_plain else before)
    found.close()


def test_a_file_that_is_changed_while_it_is_unpacked_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.gz"
    path.write_bytes(gzip.compress(CONTENT))
    before = Stamp.of(path)

    def touching(*words: object) -> int:
        os.utime(path, ns=(1, 1))
        return unpacked(*words)  # type: ignore[arg-type]

    unpacked = opening._unpacked
    monkeypatch.setattr(opening, "_unpacked", touching)
    found = opened(path)
    assert found.file_stamp() == Stamp.of(path) != before
    found.close()


def test_a_plain_file_is_read_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(CONTENT)
    with open(path, "rb") as file, standing_in(file.fileno()):
        assert os.fstat(opened(None).handle).st_ino == path.stat().st_ino


def test_standard_input_begins_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"read before" + CONTENT)
    with open(tmp_path / "b", "rb", buffering=0) as file, standing_in(file.fileno()):
        os.read(0, len(b"read before"))
        assert content_of(None) == CONTENT


@every_packing
def test_a_pipe_with_a_name_is_waited_for(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Timer(0.2, (tmp_path / "pipe").write_bytes, [pack(CONTENT)])
    writer.start()
    assert content_of(tmp_path / "pipe") == CONTENT
    writer.join()


def test_a_writer_that_is_slow_or_was_there_first_is_heard(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    gate = threading.Event()

    def write() -> None:
        with open(tmp_path / "pipe", "wb", buffering=0) as pipe:
            gate.wait(0.1)  # it is there, and has nothing yet
            pipe.write(CONTENT[:100])
            gate.wait(0.1)
            pipe.write(CONTENT[100:])

    writer = threading.Thread(target=write)
    writer.start()
    assert content_of(tmp_path / "pipe") == CONTENT
    writer.join()
    hold = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(hold, tar({"a": ONE}))
    closer = threading.Timer(0.2, os.close, [hold])
    closer.start()
    assert content_of(tmp_path / "pipe") == tar({"a": ONE})
    closer.join()


def test_a_socket_may_be_standard_input() -> None:
    ours, theirs = socket.socketpair()

    def send() -> None:
        with ours:
            ours.sendall(CONTENT)

    sender = threading.Thread(target=send)
    sender.start()
    with standing_in(theirs.fileno()):
        assert content_of(None) == CONTENT
    sender.join()
    theirs.close()


def test_a_pipe_that_does_not_wait_is_read_all_the_same() -> None:
    with sent(CONTENT) as pipe, standing_in(pipe):
        os.set_blocking(0, False)
        assert content_of(None) == CONTENT


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"standard input: is empty, expected a bundle; did the command before it fail\?"),
        (b'{"a": 1}', "standard input: is a JSON document, not an image bundle"),
        (b"PK\x03\x04....word/document.xml", "standard input: is a Microsoft Word document, not"),
        (b"%PDF-1.4" + bytes(2000), "standard input: is a PDF document, not an image bundle"),
        (gzip.compress(b"no tar " * 1000), "standard input: is gzip-compressed data that is no tar, not"),
    ],
)
def test_what_is_no_bundle_is_named(content: bytes, sentence: str) -> None:
    with sent(content) as pipe, standing_in(pipe), pytest.raises(Unsupported, match=f"^{sentence}"):
        opened(None)


def test_compressed_data_that_is_cut_or_damaged_is_refused() -> None:
    packed = gzip.compress(CONTENT)
    for content in (packed[:-1], packed[:100], packed[:50_000] + b"x" + packed[50_001:]):
        with sent(content) as pipe, standing_in(pipe), pytest.raises(CorruptContent, match=STANDARD_INPUT):
            opened(None)


def test_a_terminal_is_refused_and_not_waited_for() -> None:
    ours, theirs = pty.openpty()
    with standing_in(theirs):
        for path in (None, Path("/dev/stdin")):
            with pytest.raises(UsageError, match="is a terminal, expected a bundle; send one"):
                opened(path)
    os.close(ours)
    os.close(theirs)


def test_folders_and_devices_are_named(tmp_path: Path) -> None:
    for path, phrase in ((tmp_path, "a directory"), (Path("/dev/zero"), "a device")):
        with pytest.raises(Unsupported, match=f"{path}: is {phrase}, not an image bundle"):
            opened(path)
    folder = os.open(tmp_path, os.O_RDONLY)
    with standing_in(folder), pytest.raises(Unsupported, match="standard input: is a directory, not"):
        opened(None)
    os.close(folder)
    with open("/dev/null", "rb") as nothing, standing_in(nothing.fileno()), pytest.raises(Unsupported):
        opened(None)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        opened(tmp_path / "no")


def test_a_missing_temporary_folder_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    with sent(tar({"a": TWO})) as pipe, standing_in(pipe), pytest.raises(ToolkitError, match="/no/such"):
        opened(None)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
@every_packing
def test_a_temporary_folder_that_is_full_is_one_sentence(
    temporary: Path, pack: Callable[[bytes], bytes]
) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", temporary], check=True)
    try:
        with sent(pack(CONTENT)) as pipe, standing_in(pipe), pytest.raises(StoreError) as refused:
            opened(None)
        sentence = (
            f"temporary file in {temporary} for standard input: no space left on device; free some space"
        )
        assert str(refused.value).startswith(sentence)
    finally:
        subprocess.run(["umount", temporary], check=True)


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        ("127.0.0.1:5000/team/app:2", "an image of a registry is docker://127.0.0.1:5000/team/app:2"),
        ("quay.io/app:1", "an image of a registry is docker://quay.io/app:1"),
        ("v1.2/app.tar", ""),
        ("out/app:1", ""),
        ("/srv/app.tar", ""),
    ],
)
def test_an_image_name_where_a_file_belongs_is_told_its_place(place: str, advice: str) -> None:
    with pytest.raises(NotFound) as caught:
        opened(Path(place))
    assert (caught.value.subject, caught.value.advice) == (place, advice)


@pytest.mark.parametrize("at", [0, 100, 124, 148, 156, 257, 300, 511])
def test_a_tar_whose_first_header_was_damaged_is_corrupt_and_not_another_thing(
    tmp_path: Path, at: int
) -> None:
    whole = tar({"oci-layout": b"{}"})
    path = tmp_path / "a.tar"
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
    with pytest.raises(CorruptContent, match="begins with a damaged tar header"):
        opened(path)
