"""PAX records, by the examples of POSIX and the rules of Go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import CorruptContent, ToolkitError, UnsafeArchive
from toolkit.plumbing.pax import format_records, format_time, parse_records, parse_time, whole_number


def test_a_record_counts_its_own_length() -> None:
    assert format_records({b"mtime": b"1", b"atime": b"1.5"}) == b"13 atime=1.5\n11 mtime=1\n"
    assert format_records({b"k": b"v" * 93}) == b"99 k=" + b"v" * 93 + b"\n"
    assert format_records({b"k": b"v" * 94}) == b"101 k=" + b"v" * 94 + b"\n"


@given(
    st.dictionaries(st.binary(min_size=1).filter(lambda key: not {0, 61} & set(key)), st.binary(min_size=1))
)
def test_records_survive_writing_and_reading(records: dict[bytes, bytes]) -> None:
    names = {b"path", b"linkpath", b"uname", b"gname"} & records.keys()
    if not any(b"\0" in records[name] for name in names):
        assert parse_records(format_records(records)) == records


@pytest.mark.parametrize(
    "body",
    [
        b"99 path=evil\n",
        b"12 path=evil\n",
        b"13 path=evil.",
        b"13 pathevil.\n",
        b"6 =x1\n",
        b" 13 path=evil\n",
        b"+13 path=evil\n",
        b"0 path=evil\n",
        b"2 \n",
        b"1_3 path=evil\n",
        b"9" * 5000 + b" path=evil\n",
        b"\0" * 13,
        b"8 size=\n",
        b"8 path=\n",
    ],
)
def test_malformed_records_are_refused(body: bytes) -> None:
    with pytest.raises(CorruptContent):
        parse_records(body)


def test_a_nul_in_a_name_is_unsafe_but_not_in_an_xattr() -> None:
    with pytest.raises(UnsafeArchive, match="NUL"):
        parse_records(b"12 path=a\0b\n")
    assert parse_records(b"25 SCHILY.xattr.user.a=\0\n") == {b"SCHILY.xattr.user.a": b"\0"}


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_but_our_errors(body: bytes) -> None:
    try:
        parse_records(body)
        parse_time(body, "mtime")
    except ToolkitError:
        pass


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (b"0", (0, 0)),
        (b"1350244992.023960108", (1350244992, 23960108)),
        (b"1.5", (1, 500_000_000)),
        (b"-1.5", (-2, 500_000_000)),
        (b"-0.5", (-1, 500_000_000)),
        (b"-1", (-1, 0)),
    ],
)
def test_times_have_fractions_and_signs(text: bytes, time: tuple[int, int]) -> None:
    assert parse_time(text, "mtime") == time
    assert format_time(*time) == text


@pytest.mark.parametrize("text", [b"", b"x", b"1.x", b"1e3", b"1.-5", b".5", b"1_0", b"9" * 30])
def test_what_is_no_time_is_refused(text: bytes) -> None:
    with pytest.raises(CorruptContent):
        parse_time(text, "mtime")


@pytest.mark.parametrize(
    "text", [b"", b"-", b"--1", b"+1", b"1 ", b"0x10", b"9223372036854775808", b"9" * 5000]
)
def test_what_is_no_number_of_64_bits_is_refused(text: bytes) -> None:
    with pytest.raises(CorruptContent):
        whole_number(text, "uid")
