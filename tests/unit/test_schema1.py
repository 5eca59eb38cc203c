from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.archives import encode, sha256
from tests.registries import BASE, EMPTY, IDS, TOP, schema1, signed, three_layers, v1
from toolkit.digest import Digest
from toolkit.errors import InvalidDocument, Mismatch, ToolkitError, UnsafeArchive, Unsupported
from toolkit.schema1 import Schema1, proven_payload

A, B, C, D = IDS
SUM = sha256(BASE)
PAYLOAD = schema1(three_layers(thrown_away=True))
DIGEST = Digest.parse(sha256(PAYLOAD))


def parsed(raw: bytes) -> Schema1:
    return Schema1.from_bytes(raw, Digest.parse(sha256(raw)))


def test_entries_come_base_first_and_those_thrown_away_have_no_blob() -> None:
    found = parsed(PAYLOAD)
    assert [layer.id for layer in found.chain] == [A, B, C]
    assert list(map(str, found.blobs)) == [sha256(BASE), sha256(TOP)]
    assert found.empty == {B}


def test_an_empty_layer_that_is_not_thrown_away_is_a_layer() -> None:
    found = parsed(schema1(three_layers(thrown_away=False)))
    assert list(map(str, found.blobs)) == [sha256(BASE), sha256(EMPTY), sha256(TOP)]
    assert not found.empty


def test_a_signed_manifest_is_known_by_its_payload() -> None:
    found = Schema1.from_bytes(signed(PAYLOAD), DIGEST)
    assert found.raw == PAYLOAD
    assert found == parsed(PAYLOAD)


@pytest.mark.parametrize("raw", [PAYLOAD + b" ", signed(PAYLOAD.replace(b"amd64", b"arm64"))])
def test_another_payload_is_refused(raw: bytes) -> None:
    with pytest.raises(Mismatch, match=f"expected {DIGEST}"):
        proven_payload(raw, DIGEST)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda raw: raw, ""),
        (lambda raw: raw.replace(b"c2ln", b"c2lm"), ""),  # no key to hold it against
        (lambda raw: raw[:-2] + b',"comment":"x"' + raw[-2:], "unsigned data changed: it tells other things"),
    ],
)
def test_what_was_changed_around_the_payload_is_said_and_does_not_count(change: Any, says: str) -> None:
    found = Schema1.from_bytes(change(signed(PAYLOAD)), DIGEST)
    assert (found.raw, bool(found.altered)) == (PAYLOAD, bool(says))
    assert says in found.altered


@pytest.mark.parametrize("key", ["manifests", "layers", "config"])
def test_a_key_of_another_kind_around_the_payload_is_refused(key: str) -> None:
    raw = signed(PAYLOAD)
    with pytest.raises(UnsafeArchive, match=f"has '{key}'"):
        Schema1.from_bytes(raw[:-2] + f',"{key}":[]'.encode() + raw[-2:], DIGEST)


def tail(text: bytes = b"\n}") -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ([{"formatLength": -1, "formatTail": tail()}], "formatLength is -1"),
        ([{"formatLength": 1 << 40, "formatTail": tail()}], "formatLength is 1099511627776"),
        ([{"formatLength": True, "formatTail": tail()}], "int required, found bool"),
        ([{"formatLength": "3", "formatTail": tail()}], "int required, found str"),
        ([{"formatLength": 3}], "str required"),
        ([{"formatLength": 3, "formatTail": "?"}], "formatTail: has characters"),
        ([{"formatLength": 3, "formatTail": "A"}], "formatTail: is not base64url"),
        ([{"formatLength": n, "formatTail": tail()} for n in (3, 4)], "signatures of 2 payloads"),
        ([{"formatLength": 3, "formatTail": tail(t)} for t in (b"}", b"\n}")], "signatures of 2 payloads"),
    ],
)
def test_a_signature_that_does_not_tell_one_payload_is_refused(
    headers: list[dict[str, Any]], sentence: str
) -> None:
    with pytest.raises(ToolkitError, match=sentence) as caught:
        proven_payload(signed(PAYLOAD, *headers), DIGEST)
    assert caught.value.exit_code in {5, 6}


@pytest.mark.parametrize(
    "members", [{"layers": []}, {"manifests": []}, {"config": {}}, {"fslayers": []}, {"History": []}]
)
def test_what_could_pass_for_another_manifest_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(UnsafeArchive):
        parsed(schema1([(SUM, v1(A))], **members))


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"fsLayers": []}, "has 0 fsLayers and 1 items of history"),
        ({"history": [], "fsLayers": []}, "has 0 fsLayers and 0 items"),
        ({"schemaVersion": 2}, "schemaVersion: is 2, expected 1"),
        ({"mediaType": "application/vnd.oci.image.manifest.v1+json"}, "mediaType: is application/vnd.oci"),
        ({"history": [{"v1Compatibility": "{"}]}, "is not valid JSON"),
        ({"fsLayers": [{"blobSum": "sha256:../x"}]}, "blobSum: 'sha256:../x': is not a digest"),
    ],
)
def test_a_broken_manifest_is_told_in_one_sentence(members: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidDocument, match=sentence):
        parsed(schema1([(SUM, v1(A))], **members))


@pytest.mark.parametrize(
    ("bodies", "sentence"),
    [
        ([v1(A, D)], "aaaaaaaaaaaa of it stands on layer dddddddddddd, expected none"),
        ([v1(A), v1(B)], "bbbbbbbbbbbb of it stands on no parent, expected aaaaaaaaaaaa"),
        (
            [v1(A), v1(B, A), v1(C, A)],
            "cccccccccccc of it stands on layer aaaaaaaaaaaa, expected bbbbbbbbbbbb",
        ),
        ([v1(A), v1(B, A), v1(A, B)], "lists layer aaaaaaaaaaaa twice"),
        ([v1("../../etc")], "expected 64 lower-case hex digits"),
    ],
)
def test_entries_that_are_no_chain_are_refused(bodies: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(UnsafeArchive, match=sentence):
        parsed(schema1([(SUM, body) for body in bodies]))


def test_of_an_id_that_stands_twice_in_a_row_the_lower_one_counts() -> None:
    found = parsed(schema1([(SUM, v1(A)), (sha256(TOP), v1(A)), (sha256(EMPTY), v1(B, A))]))
    assert [layer.id for layer in found.chain] == [A, B]
    assert list(map(str, found.blobs)) == [SUM, sha256(EMPTY)]


def test_layers_known_by_their_tarsum_are_unsupported() -> None:
    raw = schema1([("tarsum.v1+sha256:" + "0" * 64, v1(A))])
    with pytest.raises(Unsupported, match="names a layer by its tarsum"):
        parsed(raw)


def test_values_hidden_in_the_texts_of_a_history_are_counted() -> None:
    body = encode({**v1(A), "x": [0] * 15_000}).decode()
    raw = schema1([], fsLayers=[{"blobSum": SUM}] * 20, history=[{"v1Compatibility": body}] * 20)
    raw = raw.replace(b"0,", rb"0\u002c")  # a comma of the json within, and none of the document
    assert len(raw) < 4 << 20
    with pytest.raises(UnsafeArchive, match="values together"):
        parsed(raw)


def test_a_chain_of_too_many_layers_is_refused() -> None:
    ids = [f"{number:064x}" for number in range(1025)]
    pairs = zip(ids, ("", *ids), strict=False)
    raw = schema1([(SUM, {"id": own, "parent": parent}) for own, parent in pairs])
    assert json.loads(raw)["schemaVersion"] == 1
    with pytest.raises(UnsafeArchive, match="has 1025 layers"):
        parsed(raw)


def test_half_a_character_in_a_history_is_told_as_such() -> None:
    raw = encode({**json.loads(PAYLOAD), "history": [{"v1Compatibility": "\ud800"}] * 3})
    with pytest.raises(InvalidDocument, match="has half a character in a v1Compatibility"):
        parsed(raw)
