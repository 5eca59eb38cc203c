from __future__ import annotations

import pytest

from toolkit.errors import CorruptContent
from toolkit.stores.graph.names import keys, with_names

ONE, TWO = "1" * 64, "2" * 64
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("ubuntu:14.04", [("ubuntu", "14.04")]),
        ("docker.io/library/ubuntu:14.04", [("ubuntu", "14.04")]),
        ("index.docker.io/team/app:1", [("team/app", "1")]),
        ("registry.example:5000/team/app:2.1", [("registry.example:5000/team/app", "2.1")]),
        ("ubuntu", [("ubuntu", "latest")]),
        (f"ubuntu@{DIGEST}", [("ubuntu", DIGEST)]),
        (f"ubuntu:14.04@{DIGEST}", [("ubuntu", DIGEST), ("ubuntu", "14.04")]),
        ("Old/Name:1", [("Old/Name", "1")]),
    ],
)
def test_a_name_stands_where_docker_1_9_puts_it(name: str, places: list[tuple[str, str]]) -> None:
    assert keys(name) == places


def test_a_new_file_is_written_as_go_writes_it() -> None:
    names = {"b:2": TWO, "b:1": ONE, "a/c:1": ONE}
    assert with_names(None, names, "file") == (
        b'{"Repositories":{"a/c":{"1":"%b"},"b":{"1":"%b","2":"%b"}}}' % (b"1" * 64, b"1" * 64, b"2" * 64)
    )


def test_what_is_there_stays_and_the_same_name_moves() -> None:
    there = b'{"Repositories":{"a":{"1":"%b","%b":"x"}},"Other":1}' % (ONE.encode(), DIGEST.encode())
    assert with_names(there, {"a:1": TWO}, "file") == (
        b'{"Other":1,"Repositories":{"a":{"1":"%b","%b":"x"}}}' % (TWO.encode(), DIGEST.encode())
    )


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"Repositories":[]}', b'{"Repositories":{"a":{"1":2}}}'])
def test_a_damaged_file_is_refused_not_replaced(raw: bytes) -> None:
    with pytest.raises(CorruptContent):
        with_names(raw, {"a:1": ONE}, "file")
