from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.ancestry import AS_DOCKER, IN_FULL, PREFIX, RULES, Layersize, V1Layer
from toolkit.errors import InvalidDocument, UnsafeArchive

JSON_LIMIT = 1 << 20

ID, PARENT, OTHER = "a" * 64, "b" * 64, "c" * 64

# CVE-2014-9358
NOT_IDS = ["../../x", "a/b", "..", "a" * 63, "a" * 65, "A" * 64, "a" * 64 + "\n", "a" * 63 + "\0", "٣" * 64]


def layer(directory: str = "", below: str = "", **members: Any) -> V1Layer:
    return V1Layer.from_bytes(json.dumps(members).encode(), directory, below)


def test_a_layer_keeps_the_bytes_of_its_json() -> None:
    raw = b'{ "id" : "' + ID.encode() + b'", "Size":1.5e3 }\n'
    assert V1Layer.from_bytes(raw).raw == raw


def test_the_id_is_the_json_s_else_the_directory_s() -> None:
    assert layer(id=ID).id == ID
    assert layer(ID).id == ID  # Docker 1.8.3 and later leave it out
    with pytest.raises(InvalidDocument, match="has no id"):
        layer()


def test_the_parent_is_the_store_s_else_the_json_s_else_the_strong_one() -> None:
    assert layer(ID, OTHER, parent=PARENT).parent == OTHER
    assert layer(ID, parent="").parent == ""
    assert layer(ID, parent=PARENT, parent_id="sha256:" + OTHER).parent == PARENT
    assert layer(ID, parent_id="sha256:" + OTHER).parent == OTHER


@pytest.mark.parametrize("text", NOT_IDS)
def test_an_id_that_is_none_is_refused(text: str) -> None:
    for hostile in ({"id": text}, {"id": ID, "parent": text}):
        with pytest.raises(UnsafeArchive, match=r"expected 64 lower-case hex digits$"):
            V1Layer.from_bytes(json.dumps(hostile).encode())
    with pytest.raises(UnsafeArchive, match="id is"):
        layer(text)
    with pytest.raises(UnsafeArchive, match="parent is"):
        layer(ID, text)
    with pytest.raises(UnsafeArchive, match="parent is"):
        layer(ID, parent_id="sha256:" + text)


def test_a_second_spelling_is_refused() -> None:
    with pytest.raises(UnsafeArchive, match="ID is a second spelling"):
        layer(id=ID, ID=OTHER)


@pytest.mark.parametrize(
    "both",
    [
        {"Id": ID, "id": ID},
        {"Id": ID, "container_config": {}, "ContainerConfig": {}},
        {"Id": ID, "docker_version": "1.0.1"},
        {"Id": ID, "custom": 1},
        {"id": ID, "Comment": "2014"},
        {"Comment": "2014"},
    ],
)
def test_camelcase_is_taken_for_it_only_as_a_whole(both: dict[str, Any]) -> None:
    with pytest.raises(UnsafeArchive, match="is a second spelling of a known key"):
        layer(ID, **both)


def test_a_camelcase_json_keeps_its_bytes_and_is_read_in_full() -> None:
    raw = json.dumps({"Id": ID, "Parent": PARENT, "Comment": 2014, "DockerVersion": "1.0.1"}).encode()
    found = V1Layer.from_bytes(raw)
    assert (found.id, found.parent, found.raw, found.camelcase) == (ID, PARENT, raw, IN_FULL)
    assert found.node.value["comment"] == "2014"
    assert found.mistaken() == ["Comment"]
    again = V1Layer.from_annotations(found.annotations(), PARENT)
    assert again == found
    assert again is not None
    assert again.node.value == found.node.value


def test_docker_reads_less_of_a_camelcase_json() -> None:
    lossy = layer(
        Id=ID, Parent=PARENT, Comment="", DockerVersion="1.0.1", ContainerConfig={}
    ).as_docker_reads()
    assert (lossy.id, lossy.parent, lossy.camelcase) == (ID, PARENT, AS_DOCKER)
    assert lossy.node.value == {"id": ID, "parent": PARENT, "comment": ""}
    usual = layer(id=ID, docker_version="1.0.1")
    assert usual.as_docker_reads() is usual
    assert usual.mistaken() == []


@pytest.mark.parametrize("hostile", [{"Id": 1}, {"Id": "A" * 64}, {"Id": ID, "Parent": "../../x"}])
def test_a_camelcase_id_that_is_none_is_refused(hostile: dict[str, Any]) -> None:
    with pytest.raises(UnsafeArchive, match=r"expected 64 lower-case hex digits$"):
        layer(**hostile)


def test_an_id_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidDocument, match="id: str required, found int"):
        layer(id=1)


def test_a_json_is_bounded() -> None:
    with pytest.raises(UnsafeArchive, match=r"expected at most 1048576; \[lading\] v1_json_limit says so$"):
        V1Layer.from_bytes(b" " * (JSON_LIMIT + 1), ID)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("26484", 26484),
        ("9" * 19, 10**19 - 1),
        (None, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1\n", None),
        (" 1", None),
        ("1_000", None),
        ("0x10", None),
        ("٣", None),
        ("²", None),
        ("9" * 20, None),
        ("9" * 5000, None),
    ],
)
def test_a_layersize_is_a_decimal_number_or_nothing(text: str | None, value: int | None) -> None:
    assert Layersize(text).value == value


def test_a_descriptor_without_our_annotations_has_no_legacy_layer() -> None:
    assert V1Layer.from_annotations({"org.example": "x", PREFIX + "id": ID}, "") is None


@pytest.mark.parametrize("text", ["%%%", "YQ", "ä", "Y Q=="])
def test_an_annotation_that_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(InvalidDocument, match=f"^annotation {PREFIX}json: is not base64"):
        V1Layer.from_annotations({PREFIX + "json": text}, "")


def test_an_annotated_json_is_as_hostile_as_any() -> None:
    for raw, error in ((b"[]", InvalidDocument), (b'{"id":"../../x"}', UnsafeArchive)):
        with pytest.raises(error):
            V1Layer.from_annotations({PREFIX + "json": base64.b64encode(raw).decode()}, "")
    with pytest.raises(UnsafeArchive, match="id is"):
        V1Layer.from_annotations(
            {PREFIX + "json": base64.b64encode(b"{}").decode(), PREFIX + "id": "../x"}, ""
        )


ids = st.text("0123456789abcdef", min_size=64, max_size=64)
texts = st.text(max_size=20)
layers = st.builds(
    lambda id_, parent, said, spaces, size, proof: V1Layer(
        id_,
        parent,
        (raw := json.dumps({"id": id_, "comment": said}).encode() + b" " * spaces),
        V1Layer.from_bytes(raw).node,
        size,
        proof,
    ),
    ids,
    st.just("") | ids,
    texts,
    st.integers(0, 3),
    st.builds(Layersize, st.none() | texts, st.sampled_from(["", "aufs", "vfs"]), st.sampled_from(RULES)),
    st.sampled_from(["", "tar-split", "rebuilt"]),
)


@pytest.mark.property
@given(layers, st.dictionaries(texts, texts, max_size=2))
def test_nothing_of_a_legacy_layer_is_lost_on_a_descriptor(one: V1Layer, others: dict[str, str]) -> None:
    again = V1Layer.from_annotations({**others, **one.annotations()}, one.parent)
    assert again is not None
    assert (again, again.node.value, again.layersize) == (one, one.node.value, one.layersize)


@pytest.mark.property
@given(st.text(max_size=80))
def test_no_text_but_64_hex_digits_becomes_an_id(text: str) -> None:
    try:
        found = layer(id=text).id
    except (UnsafeArchive, InvalidDocument):
        return
    assert len(found) == 64
    assert not set(found) - set("0123456789abcdef")
