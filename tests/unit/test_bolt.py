"""Databases are built here from the description of the format (tests/bolts.py), not by our reader's words."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bolts import (
    BRANCH,
    IS_BUCKET,
    LEAF,
    SIZE,
    Tree,
    branch,
    bucket,
    damaged,
    database,
    header,
    leaf,
    meta,
    opened,
    padded,
)  # fmt: skip
from toolkit.errors import CorruptContent, ToolkitError, UnsafeArchive
from toolkit.plumbing import bolt
from toolkit.plumbing.bolt import Bolt, Bucket, fnv1a

TREE: dict[bytes, bytes | dict[bytes, bytes]] = {
    b"small": {b"a": b"1", b"b": b""},
    b"big": {b"%05d" % number: b"value %d" % number for number in range(700)},
    b"plain": b"just a value",
    b"long": b"x" * 3 * SIZE,
    b"none": {},
}
ONE_LEAF = [(0, b"a", b"1"), (0, b"b", b"2"), (0, b"c", b"3")]


def found(raw: bytes) -> dict[bytes, object]:
    with opened(raw) as database_:
        return everything(database_.root)


def everything(place: Bucket) -> dict[bytes, object]:
    return {key: everything(value) if isinstance(value, Bucket) else value for key, value in place.items()}


def file(*pages: bytes, root: int = 3, count: int = 0, size: int = SIZE) -> bytes:
    """Return a file of these pages from number 3 on."""
    content = b"".join(pages)
    number = count or 3 + len(content) // size
    metas = [meta(each, root, number, each, size=size) for each in (0, 1)]
    return b"".join(metas) + bytes(size) + content


@pytest.mark.parametrize(
    ("size", "keys"), [(1024, 2), (1024, 5000), (4096, 2), (4096, 7), (4096, 5000), (65536, 50)]
)
@pytest.mark.parametrize("inline", [True, False])
def test_what_was_written_is_read(size: int, keys: int, inline: bool) -> None:  # noqa: FBT001
    tree: Tree = TREE
    assert found(database(tree, size=size, keys=keys, inline=inline)) == TREE


def test_keys_come_in_ascending_order_from_however_many_pages() -> None:
    with opened(database(TREE, keys=3)) as database_:
        big = database_.root.bucket(b"big")
        assert big is not None
        assert [key for key, _ in big.items()] == sorted(TREE[b"big"])


def test_a_bucket_is_found_by_its_name_and_a_value_is_none() -> None:
    with opened(database(TREE)) as database_:
        small = database_.root.bucket(b"small")
        assert small is not None
        assert small.values() == TREE[b"small"]
        assert (database_.root.bucket(b"plain"), database_.root.bucket(b"other")) == (None, None)
        assert [name for name, _ in database_.root.buckets()] == [b"big", b"none", b"small"]
        assert set(database_.root.values()) == {b"long", b"plain"}


def test_the_checksum_is_fnv_1a() -> None:
    # The test vectors of the FNV draft.
    assert [fnv1a(raw) for raw in (b"", b"a", b"foobar")] == [
        0xCBF29CE484222325,
        0xAF63DC4C8601EC8C,
        0x85944171F73967E8,
    ]


def two_states(first: bytes, second: bytes) -> bytes:
    """Return a file whose older state is page 3, and its newer one page 4."""
    return first + second + bytes(SIZE) + leaf(3, [(0, b"old", b"")]) + leaf(4, [(0, b"new", b"")])


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        (meta(0, 4, 5, 8), meta(1, 3, 5, 7), b"new"),
        (meta(0, 3, 5, 6), meta(1, 4, 5, 7), b"new"),
        (meta(0, 4, 5, 8, checksum=1), meta(1, 3, 5, 7), b"old"),
        (meta(0, 3, 5, 6), meta(1, 4, 5, 7, checksum=1), b"old"),
        (meta(0, 3, 5, 6), bytes(SIZE), b"old"),
        (bytes(SIZE), meta(1, 4, 5, 7), b"new"),
        (meta(0, 4, 5, 8, magic=1), meta(1, 3, 5, 7), b"old"),
        (meta(0, 4, 5, 8, version=3), meta(1, 3, 5, 7), b"old"),
    ],
)
def test_the_newer_meta_page_that_is_whole_counts(first: bytes, second: bytes, key: bytes) -> None:
    assert found(two_states(first, second)) == {key: b""}


@pytest.mark.parametrize("size", [1024, 2048, 65536])
def test_the_second_meta_page_is_found_at_any_size_of_page(size: int) -> None:
    raw = database({b"a": b"1"}, size=size)
    assert found(damaged(raw, 0, bytes(size))) == {b"a": b"1"}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "the first ends at byte 0, expected 80 or more"),
        (bytes(3 * SIZE), "the first has the magic 0x00000000, expected 0xed0cdaed"),
        (meta(0, 3, 4, version=1) + bytes(SIZE), "the first has version 1, expected 2"),
        (meta(0, 3, 4, checksum=5) + bytes(SIZE), "expected 0x0000000000000005"),
        (meta(0, 3, 4, size=SIZE)[:79], "the first ends at byte 79, expected 80 or more"),
        (padded(meta(0, 3, 4, size=1000)), "tells of pages of 1000 bytes, expected a power of two"),
        (
            padded(meta(0, 3, 4, size=SIZE)[:16] + b"\xed\x0c\xda\xed"),
            "has the magic 0xedda0ced, expected 0xed0cdaed",
        ),
    ],
)
def test_what_has_no_whole_meta_page_is_no_database(raw: bytes, problem: str) -> None:
    with pytest.raises(CorruptContent, match=f"^meta.db: is no bbolt database.*{problem}$") as caught:
        found(raw)
    assert caught.value.exit_code == 5


def element(number: int, **numbers: int) -> bytes:
    """Return page 3, a leaf of three keys, with a number of its element `number` changed."""
    names = ("flags", "pos", "ksize", "vsize")
    raw = leaf(3, ONE_LEAF)
    at = 16 + 16 * number
    told = dict(zip(names, struct.unpack_from("<IIII", raw, at), strict=True)) | numbers
    return damaged(raw, at, struct.pack("<IIII", *told.values()))


DAMAGES: dict[str, tuple[bytes, str]] = {
    "root past the last page": (file(leaf(3, ONE_LEAF), root=4), "names page 4, expected 2 to 3"),
    "root is a meta page": (file(leaf(3, ONE_LEAF), root=1), "names page 1, expected 2 to 3"),
    "huge root": (file(leaf(3, ONE_LEAF), root=2**64 - 1), "names page 18446744073709551615, expected 2"),
    "child past the last page": (file(branch(3, [(b"a", 9)])), "names page 9, expected 2 to 3"),
    "child is a meta page": (file(branch(3, [(b"a", 1)])), "names page 1, expected 2 to 3"),
    "bucket past the last page": (
        file(leaf(3, [(IS_BUCKET, b"a", bucket(77))])), "names page 77, expected 2 to 3"),
    "another page's number": (file(leaf(4, ONE_LEAF)), "page 3 of meta.db: calls itself page 4, expected 3"),
    "a free page": (file(padded(header(3, 0x10, 0))), "is of kind 0x10, expected 0x1 or 0x2"),
    "two kinds": (file(padded(header(3, BRANCH | LEAF, 0))), "is of kind 0x3, expected 0x1 or 0x2"),
    "huge count": (
        file(damaged(leaf(3, ONE_LEAF), 10, b"\xff\xff")),
        "tells of 65535 keys, expected as many as fit in 4096 bytes"),
    "branch without children": (file(branch(3, [])), "is a branch of 0 keys, expected one or more"),
    "position outside of the page": (file(element(2, pos=SIZE)), "has a key at 4144 to 4146, expected 64 to"),
    "huge position": (file(element(0, pos=2**32 - 1)), "has a key at 4294967311"),
    "position in the table": (file(element(1, pos=0)), "has a key at 32 to 34, expected 64 to 4096"),
    "key outside of the page": (file(element(0, ksize=SIZE)), "has a key at 64 to"),
    "value outside of the page": (file(element(0, vsize=2**32 - 1)), "has a key at 64 to 4294967360"),
    "keys out of order": (
        file(leaf(3, [(0, b"b", b""), (0, b"a", b"")])), "has the key b'a' out of order beside b'b'"),
    "a key twice": (file(leaf(3, [(0, b"a", b""), (0, b"a", b"x")])), "has the key b'a' out of order"),
    "a child's keys before their range": (
        file(branch(3, [(b"b", 4)]), leaf(4, ONE_LEAF)), "page 4 of meta.db: has the key b'a' out of order"),
    "a child's keys after their range": (
        file(branch(3, [(b"a", 4), (b"b", 5)]), leaf(4, ONE_LEAF), leaf(5, ONE_LEAF[1:])),
        "page 4 of meta.db: has the key b'b' out of order"),
    "a bucket too short": (
        file(leaf(3, [(IS_BUCKET, b"a", bytes(15))])), "bucket b'a' is 15 bytes, expected 16 or more"),
    "an inline page too short": (
        file(leaf(3, [(IS_BUCKET, b"a", bucket(0, bytes(15)))])),
        "a page in a page of meta.db: is 15 bytes, expected 16 or more"),
    "an inline branch": (
        file(leaf(3, [(IS_BUCKET, b"a", bucket(0, branch(0, [(b"a", 3)])[:64]))])),
        "a page in a page of meta.db: is of kind 0x1, expected 0x2"),
    "an inline huge count": (
        file(leaf(3, [(IS_BUCKET, b"a", bucket(0, header(0, LEAF, 9)))])), "tells of 9 keys"),
    "cut short": (file(leaf(3, ONE_LEAF))[:-1], "is 16383 bytes, expected at least 16384; it was cut short"),
    "cut at the meta pages": (file(leaf(3, ONE_LEAF))[: 2 * SIZE], "is 8192 bytes, expected at least 16384"),
    "overflow past the last page": (
        file(damaged(leaf(3, ONE_LEAF), 12, b"\x01")), "names page 4, expected 2 to 3"),
}  # fmt: skip

DANGERS: dict[str, tuple[bytes, str]] = {
    "a cycle": (file(branch(3, [(b"a", 4)]), branch(4, [(b"a", 3)])), "page 3 is below itself"),
    "a page that is its own child": (file(branch(3, [(b"a", 3)])), "page 3 is below itself"),
    "too deep": (
        file(*(branch(number, [(b"a", number + 1)]) for number in range(3, 30)), leaf(30, ONE_LEAF)),
        "is a tree deeper than 16 pages at page 19"),
    "a bucket in itself": (
        file(leaf(3, [(IS_BUCKET, b"a", bucket(3))])), "has buckets nested deeper than 16"),
    "huge overflow": (
        file(damaged(leaf(3, ONE_LEAF), 12, b"\xff\xff\xff\xff")),
        "page 3 is 17592186044416 bytes, expected at most 4194304"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_one_sentence(name: str) -> None:
    raw, problem = DAMAGES[name]
    with pytest.raises(CorruptContent) as caught:
        found(raw)
    assert problem in str(caught.value)
    assert "meta.db" in caught.value.subject
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("name", DANGERS)
def test_what_would_cost_too_much_is_unsafe(name: str) -> None:
    raw, problem = DANGERS[name]
    with pytest.raises(UnsafeArchive) as caught:
        found(raw)
    assert problem in str(caught.value)


@pytest.mark.parametrize(("bound", "value"), [("KEYS", 100), ("ALL_BYTES", 3 * SIZE)])
def test_one_page_that_many_name_is_bounded_in_all(
    monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(bolt, bound, value)
    names = [(IS_BUCKET, b"%02d" % number, bucket(4)) for number in range(50)]
    with pytest.raises(UnsafeArchive, match=f"has more than {value}"):
        found(file(leaf(3, names), leaf(4, ONE_LEAF)))


def test_a_damaged_page_costs_only_what_lies_on_it() -> None:
    raw = file(
        leaf(3, [(IS_BUCKET, b"a", bucket(4)), (IS_BUCKET, b"b", bucket(5))]), bytes(SIZE), leaf(5, [])
    )
    with opened(raw) as database_:
        good = database_.root.bucket(b"b")
        assert good is not None
        assert good.values() == {}


def test_a_file_that_the_system_cannot_read_is_a_store_error(tmp_path: Path) -> None:
    handle = os.open(tmp_path / "x", os.O_WRONLY | os.O_CREAT)
    try:
        os.write(handle, database({}))
        with pytest.raises(ToolkitError) as caught:
            Bolt(handle, "meta.db")
        assert caught.value.exit_code == 7
    finally:
        os.close(handle)


NESTED = database(
    {b"v1": {b"ns": {b"images": {b"a": {b"target": {b"digest": b"sha256:0"}}}, b"x": b"1"}}},
    size=1024,
    keys=2,
)


@given(st.lists(st.tuples(st.integers(0, len(NESTED) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_raise_errors_of_ours_only(flips: list[tuple[int, int]]) -> None:
    raw = bytearray(NESTED)
    for at, byte in flips:
        raw[at] = byte
    with suppress(CorruptContent):
        found(bytes(raw))


@given(st.binary(max_size=200), st.integers(0, len(NESTED)))
def test_any_bytes_raise_errors_of_ours_only(noise: bytes, at: int) -> None:
    for raw in (noise, NESTED[:at], NESTED[:at] + noise, damaged(NESTED, at, noise)):
        with suppress(CorruptContent):
            found(raw)


@given(
    st.integers(2, 40).flatmap(
        lambda keys: st.tuples(
            st.just(keys),
            st.dictionaries(
                st.binary(min_size=1, max_size=60),
                st.one_of(st.binary(max_size=300), st.dictionaries(st.binary(min_size=1), st.binary())),
                max_size=60,
            ),
        )
    )
)
def test_any_tree_is_read_as_it_was_written(case: tuple[int, dict[bytes, bytes | Tree]]) -> None:
    keys, tree = case
    assert found(database(tree, size=1024, keys=keys)) == tree
