from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import gojson
from toolkit.document import load
from toolkit.errors import InvalidDocument

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
OBJECT = st.dictionaries(st.text(), JSON, max_size=6)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a&b>", rb'"\u003ca\u0026b\u003e"'),
        ("\u2028\u2029", rb'"\u2028\u2029"'),
        ("\b\f\n\r\t\x00\x1f", rb'"\u0008\u000c\n\r\t\u0000\u001f"'),
        ("\x7fé😀", '"\x7fé😀"'.encode()),
        ('\\b"\\', rb'"\\b\"\\"'),
        ("a\ud800b", '"a\ufffdb"'.encode()),
        ({"b": [1, None, True], "a": {}}, b'{"b":[1,null,true],"a":{}}'),
    ],
)
def test_encode_writes_what_go_1_19_writes(value: object, expected: bytes) -> None:
    assert gojson.encode(value) == expected


def test_keys_are_sorted_by_byte_value_on_demand() -> None:
    value = {"\U0001f600": 1, "\uffee": 2, "é": 3, "z": 4, "Z": 5}
    assert gojson.encode(value, sort_keys=True) == '{"Z":5,"z":4,"é":3,"\uffee":2,"\U0001f600":1}'.encode()


def test_compact_leaves_numbers_and_string_escapes_as_they_are() -> None:
    raw = b' { "a" : [ 1.50 , 1E+2,-0 ],\r\n\t"\\u0062 \\" , " : "<\xe2\x80\xa8> \\/ \\ud800" } \n'
    assert gojson.compact(raw) == (
        b'{"a":[1.50,1E+2,-0],"\\u0062 \\" , ":"\\u003c\\u2028\\u003e \\/ \\ud800"}'
    )


def test_members_are_raw_slices_under_their_decoded_names() -> None:
    raw = b' {"a" : 1.50 ,"\\u0062":{ "c" : [ "}" ] } , "d":"\\u003c,"}\n'
    assert gojson.raw_members(raw) == {"a": b"1.50", "b": b'{ "c" : [ "}" ] }', "d": b'"\\u003c,"'}
    assert gojson.raw_members(b"{ }") == {}


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"a" 1}', b'{"a":1', b'{"a":1 "b":2}', b'{"a":}', b"\xff"])
def test_what_is_no_object_has_no_members(raw: bytes) -> None:
    with pytest.raises(InvalidDocument):
        gojson.raw_members(raw)


@pytest.mark.property
@given(OBJECT)
def test_members_joined_again_are_the_same_object(value: dict[str, object]) -> None:
    raw = gojson.encode(value)
    assert gojson.join(gojson.raw_members(raw)) == raw
    assert gojson.join(gojson.members_of(value)) == raw


@pytest.mark.property
@given(OBJECT)
def test_compact_undoes_any_layout_and_changes_no_value(value: dict[str, object]) -> None:
    spread = json.dumps(value, indent=3, ensure_ascii=False).encode()
    assert load(gojson.compact(spread), "it").value == value
    assert gojson.compact(gojson.compact(spread)) == gojson.compact(spread)


@pytest.mark.parametrize("piece", [b"\\", b'\\"', b"a", b" ", b"\\\\\\"])
def test_time_grows_with_the_input_only(piece: bytes) -> None:
    raw = b'{"a":"' + piece * (1_000_000 // len(piece))  # never closed: the worst for a pattern
    begun = time.perf_counter()
    gojson.compact(raw)
    assert time.perf_counter() - begun < 5
