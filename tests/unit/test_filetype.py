"""What a foreign file is called in a message."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from toolkit.plumbing.filetype import describe_file


def a_tar(format_: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format_) as tar:
        tar.addfile(tarfile.TarInfo("a"))
    return stream.getvalue()


def a_zip(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"", "an empty file"),
        (a_tar(tarfile.USTAR_FORMAT), "a tar archive"),
        (a_tar(tarfile.GNU_FORMAT), "a tar archive"),
        (gzip.compress(b"x"), "gzip-compressed data"),
        (bz2.compress(b"x"), "bzip2-compressed data"),
        (lzma.compress(b"x"), "xz-compressed data"),
        (zstandard.compress(b"x"), "zstd-compressed data"),
        (Path(sys.executable).resolve().read_bytes()[:5000], "an ELF program or library"),
        (a_zip("a", "b"), "a zip archive"),
        (a_zip("[Content_Types].xml", "_rels/.rels", "word/document.xml"), "a Microsoft Word document"),
        (a_zip("META-INF/MANIFEST.MF"), "a Java archive"),
        (b'{"layers": []}', "a JSON document"),
        (b"  [\n1, 2]", "a JSON document"),
        (b"SQLite format 3\0" + bytes(84), "a SQLite database"),
        (b"hsqs" + bytes(92), "a squashfs image"),
        (bytes(1024), "nothing but zero bytes"),
        (bytes(10_000), "a file that begins with zero bytes"),
        (b"#!/bin/sh\n", "a script"),
        (b"%PDF-1.7\n", "a PDF document"),
    ],
)
def test_a_file_is_called_by_what_it_holds(content: bytes, phrase: str, tmp_path: Path) -> None:
    assert describe_file(content) == phrase
    path = tmp_path / "file"
    path.write_bytes(content)
    assert describe_file(str(path)) == phrase


def test_what_is_no_regular_file_is_called_so_and_never_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert describe_file(str(tmp_path / "pipe")) == "a pipe"
    assert describe_file(str(tmp_path)) == "a directory"
    assert describe_file("/dev/zero") == "a device"
    assert describe_file(str(tmp_path / "missing")) == "unreadable (no such file or directory)"
    assert describe_file("a\0b").startswith("unreadable")


@given(st.binary(max_size=600))
def test_any_bytes_get_a_short_printable_phrase(content: bytes) -> None:
    phrase = describe_file(content)
    assert phrase.isprintable()
    assert 0 < len(phrase) < 90


WITHOUT_LIBMAGIC = """
import sys
sys.modules["magic"] = sys.modules["pylibmagic"] = None
from toolkit.plumbing.filetype import describe_file
print(describe_file(b"some words\\n"), describe_file(b"\\xd0\\xcf\\x11\\xe0\\xa1\\xb1\\x1a\\xe1"), describe_file(b"\\xff\\x01"), sep="|")
"""
LIGHT = "import sys, toolkit.plumbing.filetype; print({'magic', 'isal', 'zstandard', 'ctypes'} & set(sys.modules))"


def said_by(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_without_libmagic_the_words_are_poorer() -> None:
    assert said_by(WITHOUT_LIBMAGIC) == "a text file|a Microsoft Office document|a file of an unknown kind"


def test_importing_it_loads_nothing_heavy() -> None:
    assert said_by(LIGHT) == "set()"
