from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.checksums import LIMIT, ChecksumList, is_file_name
from toolkit.errors import InvalidDocument

A, B = "a" * 64, "0123456789abcdef" * 4

names = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp"], exclude_characters="/"), min_size=1
).filter(lambda name: name not in {".", ".."})
sums = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(st.dictionaries(names, sums, min_size=1, max_size=5))
def test_what_is_printed_is_read_again(listed: dict[str, str]) -> None:
    assert ChecksumList.parse(bytes(ChecksumList(listed)), "x").sums == listed


@given(st.binary(max_size=300))
def test_any_bytes_are_a_list_or_one_sentence(content: bytes) -> None:
    assert said(content).startswith("x: line ")


def said(content: bytes) -> str:
    """What is said of a list that breaks the format; of another one, that its lines are read."""
    try:
        return f"x: line {len(ChecksumList.parse(content, 'x').sums)}"
    except InvalidDocument as error:
        return str(error)


def test_what_sha256sum_writes_is_read_and_what_is_printed_it_checks(tmp_path: Path) -> None:
    for name in ("a.tar", "ü b.tar", " c", os.fsdecode(b"\xff.tar")):
        (tmp_path / name).write_text(name, errors="surrogateescape")
    written = subprocess.run("sha256sum *", shell=True, cwd=tmp_path, capture_output=True, check=True).stdout
    listed = ChecksumList.parse(written, "x")
    assert set(listed.sums) == set(os.listdir(tmp_path))
    subprocess.run(["sha256sum", "--check", "--strict"], input=bytes(listed), cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "line 1 is no checksum"),
        ("\n", "line 1 is no checksum"),
        (f"{A}  a\n\n", "line 2 is no checksum"),
        (f"{A}  a\nx", "line 2 is no checksum"),
        (f"{A} a\n", "line 1 is no checksum"),
        (f"{A}\ta\n", "line 1 is no checksum"),
        (f" {A}  a\n", "line 1 is no checksum"),
        (f"\\{A}  a\\\\b\n", "line 1 is no checksum"),  # as coreutils escape a name
        (f"SHA256 (a) = {A}\n", "line 1 is no checksum"),
        (f"{A}  \n", "line 1 is no checksum"),
        (f"{A[:-1]}  a\n", "line 1 is no checksum"),
        (f"{A}  ../a\n", "line 1 names '../a', expected a file of its folder"),
        (f"{A}  /etc/passwd\n", "line 1 names '/etc/passwd', expected"),
        (f"{A}  a/\n", "line 1 names 'a/', expected"),
        (f"{A}  ..\n", "line 1 names '..', expected"),
        (f"{A}  a\r\n", r"line 1 names 'a\r', expected"),
        (f"{A}  a\x1b[2J\n", r"line 1 names 'a\x1b[2J', expected"),
        (f"{A}  a\0\n", r"line 1 names 'a\x00', expected"),
        (f"{A}  a\n{B} *a\n", "line 2 names 'a' a second time"),
    ],
)
def test_what_is_no_list_of_files_beside_it_is_refused(content: str, problem: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        ChecksumList.parse(content.encode(), "x.sha256")
    assert str(caught.value).startswith(f"x.sha256: {problem}")


def test_large_digits_are_the_same_sum() -> None:
    assert ChecksumList.parse(f"{B.upper()} *a".encode(), "x").sums == {"a": B}


def test_a_name_that_a_line_cannot_hold_as_it_is_names_no_file() -> None:
    assert [
        is_file_name(name)
        for name in ("a", "a b\\", "", ".", "..", "a/b", "a\nb", "a\x7f", "a\x9b", "a\u202e", "a\u2028")
    ] == [
        *(True, True),
        *[False] * 9,
    ]


def test_a_list_of_as_many_lines_as_there_can_be_is_read_at_once() -> None:
    line = 64 + 2 + 5 + 1
    content = "".join(f"{B}  {number:05}\n" for number in range(LIMIT // line)).encode()
    assert len(ChecksumList.parse(content, "x").sums) == LIMIT // line
