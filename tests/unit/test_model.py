from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.digest import Digest
from toolkit.document import Node
from toolkit.errors import InvalidDocument, Mismatch, UnsafeArchive
from toolkit.mediatype import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
)
from toolkit.model import Config, Descriptor, Index, Manifest, media_type_of
from toolkit.platform import Platform

A = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
B = "sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
CONFIG = {"mediaType": OCI_CONFIG, "digest": A, "size": 2}
LAYER = {"mediaType": OCI_LAYER, "digest": B, "size": 3}
MANIFEST = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": CONFIG, "layers": [LAYER]}
INDEX = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{**LAYER, "mediaType": OCI_MANIFEST}]}


def raw(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_manifest_is_parsed_and_keeps_its_bytes() -> None:
    spaced = json.dumps({**MANIFEST, "unknown": [1.50]}, indent=3).encode() + b"\n"
    manifest = Manifest.from_bytes(spaced)
    assert manifest.raw == spaced
    assert manifest.descriptor == Descriptor(OCI_MANIFEST, Digest.of(spaced), len(spaced))
    assert manifest.config == Descriptor(OCI_CONFIG, Digest.parse(A), 2)
    assert manifest.layers == (Descriptor(OCI_LAYER, Digest.parse(B), 3),)
    assert manifest.is_image


def test_a_manifest_of_another_config_is_no_image() -> None:
    artifact = {**MANIFEST, "config": {**CONFIG, "mediaType": "application/vnd.oci.empty.v1+json"}}
    assert not Manifest.from_bytes(raw(artifact)).is_image


def test_a_manifest_may_leave_its_media_type_to_its_descriptor() -> None:
    bare = {key: value for key, value in MANIFEST.items() if key != "mediaType"}
    assert Manifest.from_bytes(raw(bare), DOCKER_MANIFEST).media_type == DOCKER_MANIFEST


def test_subject_and_annotations_are_read() -> None:
    manifest = Manifest.from_bytes(raw({**MANIFEST, "subject": CONFIG, "annotations": {"a": "b"}}))
    assert manifest.subject == Descriptor(OCI_CONFIG, Digest.parse(A), 2)
    assert manifest.annotations == {"a": "b"}


# CVE-2021-41190: one document that one reader takes for a manifest and another for an index.
@pytest.mark.parametrize(
    "extra",
    [
        {"manifests": []},
        {"manifests": None},
        {"Manifests": []},
        {"manifest\u017f": []},
        {"fsLayers": []},
        {"history": []},
    ],
    ids=str,
)
def test_a_manifest_that_could_pass_for_something_else_is_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(UnsafeArchive):
        Manifest.from_bytes(raw({**MANIFEST, **extra}))


@pytest.mark.parametrize(
    "extra",
    [{"config": CONFIG}, {"layers": []}, {"layers": None}, {"Layers": []}, {"fsLayers": []}, {"history": []}],
    ids=str,
)
def test_an_index_that_could_pass_for_something_else_is_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(UnsafeArchive):
        Index.from_bytes(raw({**INDEX, **extra}))


def test_a_document_of_another_media_type_is_refused() -> None:
    with pytest.raises(
        InvalidDocument, match=f"mediaType: is {OCI_INDEX}, expected {OCI_MANIFEST}$".replace("+", r"\+")
    ):
        Manifest.from_bytes(raw({**MANIFEST, "mediaType": OCI_INDEX}))
    with pytest.raises(InvalidDocument, match="mediaType: is "):
        Index.from_bytes(raw(INDEX), DOCKER_LIST)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schemaVersion": 1}, "schemaVersion: is 1, expected 2"),
        ({"schemaVersion": True}, "schemaVersion: int required, found bool"),
        ({"schemaVersion": 2.0}, "schemaVersion: int required, found float"),
        ({"config": None}, "config: dict required, found NoneType"),
        ({"config": []}, "config: dict required, found list"),
        ({"layers": {}}, "layers: list required, found dict"),
        ({"layers": [[]]}, r"layers\[0\]: object required, found list"),
        ({"layers": [{**LAYER, "size": -1}]}, r"layers\[0\]\.size: is -1, expected 0 or more"),
        ({"layers": [{**LAYER, "size": True}]}, r"layers\[0\]\.size: int required, found bool"),
        ({"layers": [{**LAYER, "size": "3"}]}, r"layers\[0\]\.size: int required, found str"),
        ({"layers": [{**LAYER, "size": 3.0}]}, r"layers\[0\]\.size: int required, found float"),
        ({"layers": [{**LAYER, "size": None}]}, r"layers\[0\]\.size: int required, found NoneType"),
        (
            {"layers": [{**LAYER, "digest": "sha256:../../x"}]},
            r"layers\[0\]\.digest: 'sha256:\.\./\.\./x': is not",
        ),
        ({"layers": [{**LAYER, "platform": "linux"}]}, r"layers\[0\]\.platform: dict required, found str"),
        ({"annotations": {"a": 1}}, r"annotations\.a: str required, found int"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidDocument, match=f"^manifest sha256:[0-9a-f]{{64}}: {problem}"):
        Manifest.from_bytes(raw({**MANIFEST, **change}))


def test_a_descriptor_in_a_second_spelling_is_refused() -> None:
    with pytest.raises(UnsafeArchive, match="Digest is a second spelling"):
        Descriptor.from_node(Node({**LAYER, "Digest": A}, "it"))


def test_an_index_keeps_platforms_and_its_bytes() -> None:
    entry = {
        **LAYER,
        "mediaType": OCI_MANIFEST,
        "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
    }
    document = raw({**INDEX, "manifests": [entry], "annotations": {"a": "b"}})
    index = Index.from_bytes(document)
    assert index.raw == document
    assert index.manifests[0].platform == Platform("linux", "arm", "v7")
    assert index.annotations == {"a": "b"}


def test_bytes_that_are_not_what_was_described_are_refused() -> None:
    wanted = Descriptor.of(OCI_LAYER, b"abc")
    assert wanted.check(b"abc") == b"abc"
    with pytest.raises(Mismatch, match=r"size is 2, expected 3$"):
        wanted.check(b"ab")
    with pytest.raises(Mismatch, match=r"^layer 1: digest is sha256:[0-9a-f]{64}, expected sha256:ba7816bf"):
        wanted.check(b"abd", "layer 1")


def test_annotations_are_added_beside_those_there() -> None:
    one = Descriptor.of(OCI_LAYER, b"abc", annotations={"a": "1", "b": "1"})
    assert one.annotated({"b": "2"}).annotations == {"a": "1", "b": "2"}
    assert one.annotations == {"a": "1", "b": "1"}


texts = st.text(max_size=12)
descriptors = st.builds(
    Descriptor,
    texts,
    st.binary(max_size=4).map(Digest.of),
    st.integers(0, 2**63 - 1),
    st.none() | st.builds(Platform, st.just("linux"), texts, texts),
    st.dictionaries(texts, texts, max_size=3),
    st.dictionaries(st.sampled_from(["urls", "data", "artifactType"]), st.lists(texts) | texts, max_size=2),
)


@pytest.mark.property
@given(descriptors)
def test_a_descriptor_that_was_written_is_read_back(descriptor: Descriptor) -> None:
    again = Descriptor.from_node(Node(json.loads(json.dumps(descriptor.to_json())), "it"))
    assert again == descriptor
    assert hash(again) == hash(descriptor)


@pytest.mark.property
@given(st.lists(descriptors, max_size=3), st.integers(0, 4))
def test_a_manifest_s_bytes_are_never_encoded_again(layers: list[Descriptor], indent: int) -> None:
    value = {**MANIFEST, "layers": [layer.to_json() for layer in layers]}
    document = json.dumps(value, indent=indent, ensure_ascii=False).encode()
    manifest = Manifest.from_bytes(document)
    assert (manifest.raw, list(manifest.layers)) == (document, layers)


def test_a_config_is_parsed_and_keeps_its_bytes() -> None:
    document = raw(
        {
            "architecture": "arm64",
            "os": "linux",
            "variant": "v8",
            "created": "2015-07-10T00:13:44.35Z",
            "config": {"Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [A, B]},
            "history": [
                {"created_by": "ADD", "created": None},
                {"empty_layer": True, "author": "a", "comment": "c"},
            ],
        }
    )
    config = Config.from_bytes(document)
    assert config.raw == document
    assert config.image_id == Digest.of(document)
    assert config.platform == Platform("linux", "arm64", "v8")
    assert [str(digest) for digest in config.diff_ids] == [A, B]
    assert [(item.created_by, item.empty_layer, item.author) for item in config.history] == [
        ("ADD", False, ""),
        ("", True, "a"),
    ]
    assert config.created == "2015-07-10T00:13:44.35Z"
    assert config.value["config"] == {"Cmd": ["/bin/sh"]}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rootfs": None}, "rootfs: dict required, found NoneType"),
        ({"rootfs": {"diff_ids": [A, 1]}}, r"rootfs\.diff_ids\[1\]: str required, found int"),
        ({"rootfs": {"diff_ids": [A, "x"]}}, r"rootfs\.diff_ids\[1\]\.diff_id: 'x': is not a digest"),
        ({"history": [{"empty_layer": 1}]}, r"history\[0\]\.empty_layer: bool required, found int"),
        ({"architecture": []}, "architecture: str required, found list"),
    ],
)
def test_a_wrong_field_of_a_config_is_named(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidDocument, match=f"^config sha256:[0-9a-f]{{64}}: {problem}"):
        Config.from_bytes(raw({"rootfs": {"type": "layers", "diff_ids": []}, **change}))


@pytest.mark.parametrize("document", [{"RootFS": {}}, {"rootfs": {"diff_ids": [], "Diff_Ids": [A]}}])
def test_a_config_in_a_second_spelling_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(UnsafeArchive, match="second spelling"):
        Config.from_bytes(raw({"rootfs": {"diff_ids": []}, **document}))


def test_an_index_that_lists_nothing_says_so() -> None:
    assert Index.from_bytes(raw({**INDEX, "manifests": []})).manifests == ()
    assert Index.from_bytes(raw({**INDEX, "manifests": None})).manifests == ()  # as Go writes an empty list
    bare = {key: value for key, value in INDEX.items() if key != "manifests"}
    with pytest.raises(InvalidDocument, match="manifests: is missing, expected a list"):
        Index.from_bytes(raw({**bare, "nanifests": []}))


@pytest.mark.parametrize(
    ("members", "media_type"),
    [
        ({"mediaType": "application/x", "schemaVersion": 2, "layers": []}, "application/x"),
        ({"schemaVersion": 1, "fsLayers": []}, DOCKER_SCHEMA1),
        ({"schemaVersion": 2, "manifests": []}, OCI_INDEX),
        ({"schemaVersion": 2, "manifests": None}, OCI_INDEX),
        ({"schemaVersion": 2, "config": {}, "layers": []}, OCI_MANIFEST),
    ],
)
def test_a_document_says_itself_what_it_is_or_its_members_do(
    members: dict[str, object], media_type: str
) -> None:
    assert media_type_of(Node(members, "x")) == media_type
