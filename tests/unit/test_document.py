from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.digest import Digest
from toolkit.document import Allowance, Node, load, load_any, values_in
from toolkit.errors import CorruptContent, InvalidDocument, UnsafeArchive

DEPTH, LIMIT = 64, 4 << 20


def refused(raw: bytes) -> str:
    with pytest.raises(InvalidDocument) as caught:
        load_any(raw, "it")
    return str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{} {}",
        b"{}x",
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":"\n"}',
        b'{"a":"\\x41"}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',  # a surrogate, as UTF-8 must not have it
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"nan",
    ],
)
def test_what_is_not_strict_json_is_refused(raw: bytes) -> None:
    assert refused(raw).startswith("it: is not valid JSON (")


@pytest.mark.parametrize("raw", [b'{"a":1,"a":1}', b'[{"x":{"b":1,"a":2,"b":3}}]', b'{"a":1,"\\u0061":2}'])
def test_a_key_that_stands_twice_is_refused(raw: bytes) -> None:
    assert "stands twice" in refused(raw)


def test_a_key_that_stands_twice_among_many_is_found_quickly() -> None:
    many = ",".join(f'"{number}":1' for number in range(100_000))
    started = time.monotonic()
    assert "key '99999' stands twice" in refused(f'{{{many},"99999":1}}'.encode())
    assert time.monotonic() - started < 10  # comparing each with each takes minutes


def test_a_lone_surrogate_in_a_key_is_refused() -> None:
    refused(b'{"\\ud800":1}')
    assert load(b'{"\\ud83d\\ude00":1}', "it").value == {"\U0001f600": 1}


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0, -1])
def test_an_integer_of_64_bits_is_read(number: int) -> None:
    assert load_any(str(number).encode(), "it") == number


@pytest.mark.parametrize("text", [str(2**63), str(-(2**63) - 1), "9" * 5_000, "-" + "9" * 5_000])
def test_a_larger_integer_is_refused(text: str) -> None:
    assert "64 bits" in refused(text.encode())


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_bounded(opening: bytes, closing: bytes) -> None:
    load_any(opening * DEPTH + b"1" + closing * DEPTH, "it")
    for depth in (DEPTH + 1, 900, 100_000):
        with pytest.raises(
            UnsafeArchive, match=r"^it: is nested deeper than 64 levels, expected at most that; "
        ):
            load_any(opening * depth + b"1" + closing * depth, "it")


def test_unfinished_nesting_is_refused() -> None:
    with pytest.raises(CorruptContent):
        load_any(b"[" * 100_000, "it")


def test_a_document_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(UnsafeArchive, match=f"expected at most {LIMIT}; .lading. document_limit says so$"):
        load(b" " * (LIMIT + 1), "it")
    with pytest.raises(UnsafeArchive, match=r"^it: is 3 bytes, expected at most 2$"):
        load(b"{ }", "it", 2)


@pytest.mark.parametrize(
    ("raw", "name"), [(b"[]", "array"), (b"1", "number"), (b"null", "null"), (b'"a"', "string")]
)
def test_a_document_is_an_object(raw: bytes, name: str) -> None:
    with pytest.raises(InvalidDocument, match=f"^it: is a JSON {name}, expected an object$"):
        load(raw, "it")


@pytest.mark.parametrize("key", ["LAYERS", "Layers", "layer\u017f"])
def test_a_second_spelling_that_go_would_read_is_refused(key: str) -> None:
    node = Node({key: []}, "it")
    with pytest.raises(UnsafeArchive, match="second spelling"):
        node.only_as_written(["layers"])


def test_the_kelvin_sign_is_a_k_for_go() -> None:
    with pytest.raises(UnsafeArchive, match="second spelling"):
        Node({"\u212aey": 1}, "it", "top.").only_as_written(["key"])


@pytest.mark.parametrize("key", ["layers", "layer", "läyers", "layers ", "LAYERS2"])
def test_other_keys_may_stand(key: str) -> None:
    Node({key: []}, "it").only_as_written(["layers"])


def test_a_member_has_exactly_its_type() -> None:
    node = load(b'{"size":true,"name":"x","deep":{"list":[{"n":1},{"n":"y"}]},"none":null}', "it")
    with pytest.raises(InvalidDocument, match=r"^it: size: int required, found bool$"):
        node.get("size", int)
    with pytest.raises(InvalidDocument, match=r"^it: absent: str required, found NoneType$"):
        node.get("absent", str)
    _, second = node.child("deep").children("list")
    with pytest.raises(InvalidDocument, match=r"^it: deep\.list\[1\]\.n: int required, found str$"):
        second.get("n", int)
    assert (node.optional("none", str), node.optional("absent", str), node.get("name", str)) == (
        None,
        None,
        "x",
    )


def test_lists_and_maps_are_read_by_element() -> None:
    node = load(b'{"a":["x",1],"b":{"k":1},"c":[1],"d":null,"e":["x"],"f":{"k":"v"}}', "it")
    assert (node.texts("e"), node.texts("d"), node.texts("g")) == (["x"], [], [])
    assert (node.text_map("f"), node.text_map("d")) == ({"k": "v"}, {})
    assert list(node.children("d")) == []
    with pytest.raises(InvalidDocument, match=r"^it: a\[1\]: str required, found int$"):
        node.texts("a")
    with pytest.raises(InvalidDocument, match=r"^it: b\.k: str required, found int$"):
        node.text_map("b")
    with pytest.raises(InvalidDocument, match=r"^it: c\[0\]: object required, found int$"):
        list(node.children("c"))


def test_a_parser_s_failure_is_a_fact_about_the_document() -> None:
    with pytest.raises(InvalidDocument, match=r"^it: top.digest: 'x': is not a digest"):
        Node({"digest": "x"}, "it", "top.").parsed("digest", Digest.parse)


scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@pytest.mark.property
@given(values)
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert load_any(json.dumps(value).encode(), "it") == value


@pytest.mark.property
@given(
    st.binary(max_size=300) | st.text('{}[]",:0123456789eE+-.\\u\ttruefalsn ', max_size=60).map(str.encode)
)
def test_garbage_is_read_or_refused_with_an_error_of_ours(raw: bytes) -> None:
    with suppress(CorruptContent):
        load_any(raw, "it")


def test_documents_that_are_bounded_each_are_bounded_together() -> None:
    by_bytes, by_values = Allowance("a.tar", 8, 100), Allowance("a.tar", 100, 3)
    by_bytes.take(b'"1234"')
    by_values.take(b'{"a":[1,2]}')  # of about three values
    for spent in (by_bytes, by_values):
        with pytest.raises(UnsafeArchive, match=r"^a\.tar: names documents of more than"):
            spent.take(b"[1]")


@pytest.mark.parametrize(("raw", "many"), [(b"{}", 1), (b"[1,2]", 2), (b'{"a":[],"b":{}}', 4), (b"1", 0)])
def test_values_are_counted_without_parsing(raw: bytes, many: int) -> None:
    assert values_in(raw) == many


@pytest.mark.parametrize("key", ["sixe", "Size", "ize ", "size\0"])
def test_a_known_key_with_one_letter_changed_is_damage(key: str) -> None:
    node = Node({"digest": "x", key: 1}, "it", "top.")
    if len(key) != len("size") or key == "ize ":
        node.undamaged(("size", "digest"))
        return
    with pytest.raises(InvalidDocument, match=f"^it: top: has '{key}', expected 'size'; it was damaged$"):
        node.undamaged(("size", "digest"))


def test_a_key_that_is_near_a_known_one_that_is_there_is_a_key_of_its_own() -> None:
    Node({"data": "x", "date": "2015"}, "it").undamaged(("data",))
