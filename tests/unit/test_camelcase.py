from __future__ import annotations

import json
from typing import Any

import pytest

from tests.eras import BASE, CAMEL, MIDDLE, v1_json
from toolkit.camelcase import NAMES, as_docker_reads, is_camelcase, mistaken, respelt
from toolkit.document import Node, load
from toolkit.errors import InvalidDocument


def node(**members: Any) -> Node:
    return Node(members, "it")


def saved(comment: str = "2014") -> Node:
    return load(v1_json("1.0.1", BASE, CAMEL, comment), "it")


def test_what_docker_1_0_1_saved_is_camelcase() -> None:
    assert is_camelcase(saved())
    assert saved().value.keys() == NAMES.keys()


@pytest.mark.parametrize(
    "other", ["id", "ID", "container_config", "docker_version", "OS", "size", "parent_id", "custom"]
)
def test_one_key_in_another_spelling_and_it_is_none(other: str) -> None:
    assert not is_camelcase(Node({**saved().value, other: ""}, "it"))


def test_without_an_id_it_is_none() -> None:
    assert not is_camelcase(node(Size=1))
    assert is_camelcase(node(Id=BASE))


def test_every_key_gets_its_usual_name() -> None:
    told = respelt(saved("a comment")).value
    usual = json.loads(v1_json("1.0.1", BASE, "struct", "a comment"))
    assert {key: value for key, value in told.items() if value not in ("", None)} == usual
    assert set(told) == set(NAMES.values())


@pytest.mark.parametrize(
    "text", ["2014", "0", "-1", "true", "false", "[1,2]", '{"a":[null]}', "9007199254740993", '["ä"]']
)
def test_a_text_that_is_json_is_a_text_again(text: str) -> None:
    camel = node(Id=BASE, Comment=json.loads(text), Author="", Parent=None)
    assert mistaken(camel) == ["Comment"]
    assert respelt(camel).value == {"id": BASE, "comment": text, "author": "", "parent": None}


def test_an_object_is_no_text_that_was_taken_for_one() -> None:
    assert mistaken(saved("a comment")) == []
    assert mistaken(node(Id=BASE, Config={}, ContainerConfig=None, Size=1)) == []


def test_docker_finds_all_but_two_keys() -> None:
    told = as_docker_reads(saved("a comment")).value
    assert set(told) == set(NAMES.values()) - {"container_config", "docker_version"}
    assert told["comment"] == "a comment"


def test_docker_gives_up_over_a_comment_that_is_a_number() -> None:
    with pytest.raises(
        InvalidDocument, match=r"^it: Comment is 2014, no text, so Docker cannot read it; leave"
    ):
        as_docker_reads(saved())
    assert as_docker_reads(load(v1_json("1.0.1", MIDDLE, CAMEL), "it")).value["parent"] == BASE
