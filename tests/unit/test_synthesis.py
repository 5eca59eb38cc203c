from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toolkit import gojson, mediatype
from toolkit.ancestry import V1Layer
from toolkit.digest import EMPTY_LAYER, Digest
from toolkit.errors import InvalidDocument, UnsafeArchive
from toolkit.image import Image, Layer, Proof
from toolkit.migration import LegacyImage, migrated_config
from toolkit.model import Config, Descriptor, Manifest
from toolkit.synthesis import losses, own_chain, saved_chain, told_chain, v1_json_for_bundle

DATA = Path(__file__).parents[1] / "data"
SAVES = sorted((DATA / "saves").iterdir())
TOLD_WHOLE = ["build-copies", "import", "import-changes", "legacy"]  # no empty_layer, sorted, all told


def image_of(raw: bytes) -> Image:
    config = Config.from_bytes(raw)
    body = {
        "schemaVersion": 2,
        "config": Descriptor.of(mediatype.OCI_CONFIG, raw).to_json(),
        "layers": [Descriptor(mediatype.OCI_LAYER, one, 1024).to_json() for one in config.diff_ids],
    }
    return Image(Manifest.from_bytes(gojson.encode(body)), config)


def saved(name: str) -> Image:
    return image_of((DATA / "saves" / name / "config.json").read_bytes())


def modern(**members: Any) -> Image:
    history = [{"created": "2024-01-02T03:04:05Z", "created_by": "one", "author": "A", "comment": "c"}]
    rootfs = {"type": "layers", "diff_ids": [str(EMPTY_LAYER)]}
    body = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs, "history": history}
    return image_of(json.dumps(body | members).encode())


def legacy(compression: str = "") -> Image:
    config = saved("legacy").config
    layers = [V1Layer.from_bytes(path.read_bytes()) for path in (DATA / "v1json").iterdir()]
    chain = sorted(layers, key=lambda layer: str(layer.node.value["created"]))
    tars = tuple(Layer(layer.id, 1024) for layer in chain)
    proofs = {
        layer.id: Proof(
            Digest.of(str(diff_id).encode()) if compression else diff_id, 1024, diff_id, compression
        )
        for layer, diff_id in zip(chain, config.diff_ids, strict=True)
    }
    (image,) = LegacyImage((), tuple(chain), tars).proven(proofs).images()
    return image


def annotated(image: Image, number: int, **facts: str | None) -> Image:
    layers = [layer.to_json() for layer in image.manifest.layers]
    told = layers[number]["annotations"] | {f"io.lading.v1.{key}": value for key, value in facts.items()}
    layers[number]["annotations"] = {key: value for key, value in told.items() if value is not None}
    body = {"schemaVersion": 2, "config": image.manifest.config.to_json(), "layers": layers}
    return Image(Manifest.from_bytes(gojson.encode(body)), image.config)


@pytest.mark.parametrize("folder", SAVES, ids=lambda path: path.name)
def test_a_saved_chain_is_what_docker_20_10_saves(folder: Path) -> None:
    expected = [
        (path.stem.partition("-")[2], path.read_bytes()) for path in sorted(folder.glob("[0-9]*.json"))
    ]
    chain = saved_chain(saved(folder.name))
    assert [(layer.id, layer.raw) for layer in chain] == expected
    assert [layer.parent for layer in chain] == ["", *(layer.id for layer in chain[:-1])]


@pytest.mark.parametrize("name", TOLD_WHOLE)
def test_rule_r_gives_the_config_of_a_told_chain_back(name: str) -> None:
    image = saved(name)
    chain = told_chain(image)
    assert migrated_config(chain, image.config.diff_ids) == image.config.raw
    assert losses(image, chain) == []


def test_a_told_chain_is_linked_and_named_by_content() -> None:
    image = saved("build-copies")
    chain = told_chain(image)
    assert [layer.parent for layer in chain] == ["", *(layer.id for layer in chain[:-1])]
    assert len({layer.id for layer in chain}) == len(chain) == 3
    assert chain == told_chain(image)
    assert chain[-1].id not in {layer.id for layer in told_chain(saved("build-empty-below"))}


def test_a_told_layer_carries_its_history_item() -> None:
    image = modern(
        history=[
            {"created": "2024-01-02T03:04:05.60Z", "created_by": "RUN x", "author": "A", "comment": "c"},
            {"created": "2024-01-02T03:04:06Z", "created_by": "ENV a=b", "empty_layer": True},
            {"created": "2024-01-02T03:04:07Z", "created_by": "COPY y"},
        ],
        rootfs={"type": "layers", "diff_ids": [str(EMPTY_LAYER)] * 2},
        custom={"kept": 1.50},
    )
    base, top = told_chain(image)
    assert {key: base.node.value[key] for key in base.node.value if key != "id"} == {
        "created": "2024-01-02T03:04:05.6Z",
        "author": "A",
        "comment": "c",
        "container_config": {"Cmd": ["RUN x"]},
        "architecture": "amd64",
        "os": "linux",
    }
    assert top.node.value["container_config"] == {"Cmd": ["COPY y"]}
    assert top.node.value["created"] == "2024-01-02T03:04:07Z"
    assert b'"custom":{"kept":1.5}' in top.raw
    assert not {"rootfs", "history"} & set(top.node.value)


def test_a_layer_without_history_is_told_without() -> None:
    (only,) = told_chain(modern(history=[]))
    assert only.node.value["created"] == "1970-01-01T00:00:00Z"
    assert "container_config" not in only.node.value


def test_what_a_config_calls_its_parent_is_no_parent() -> None:
    foreign = {"id": "cd" * 32, "parent": "ab" * 32, "parent_id": "sha256:" + "ef" * 32}
    for chain in (saved_chain(modern(**foreign)), told_chain(modern(**foreign))):
        assert [layer.parent for layer in chain] == [""]
        assert chain[0].id != "cd" * 32


def test_a_config_that_docker_cannot_read_makes_no_chain() -> None:
    with pytest.raises(InvalidDocument, match=r"config\.Env"):
        saved_chain(modern(config={"Env": "A=b"}))
    with pytest.raises(InvalidDocument, match="RFC 3339"):
        told_chain(modern(history=[{"created": "yesterday"}]))


def test_an_image_without_layers_has_no_chain() -> None:
    image = modern(rootfs={"type": "layers", "diff_ids": []}, history=[])
    assert saved_chain(image) == told_chain(image) == []
    assert own_chain(image) is None
    assert "no layers" in losses(image, [])[0].problem


def test_losses_name_what_v1_layers_cannot_carry() -> None:
    image = saved("build-empty-items")
    chain = told_chain(image)
    new = Digest.of(migrated_config(chain, image.config.diff_ids))
    changed, *reasons = losses(image, chain)
    assert changed.severity == "warning"
    assert str(new) in changed.problem
    assert str(image.config.image_id) in changed.subject
    assert "v1 layers cannot carry its history items without a layer (2)" in [one.problem for one in reasons]


def test_losses_name_members_and_order() -> None:
    image = modern(custom=1)
    problems = [one.problem for one in losses(image, told_chain(image))]
    assert any("custom" in problem for problem in problems)
    ordered = saved("import").config
    unsorted_raw = gojson.join(dict(reversed(gojson.raw_members(ordered.raw).items())))
    problems = [one.problem for one in losses(image_of(unsorted_raw), told_chain(image_of(unsorted_raw)))]
    assert problems[-1] == "the keys of its config come back in Docker's order"


@pytest.mark.parametrize("compression", ["", "gzip"])
def test_a_legacy_image_gives_its_own_layers_back(compression: str) -> None:
    chain = own_chain(legacy(compression))
    assert chain is not None
    for layer in chain:
        assert layer.raw == (DATA / "v1json" / f"{layer.id}.json").read_bytes()
    assert losses(legacy(compression), chain) == []


def test_an_image_that_was_not_legacy_has_no_own_chain() -> None:
    assert own_chain(saved("legacy")) is None
    assert own_chain(annotated(legacy(), 2, json=None)) is None


def test_annotations_of_another_image_are_refused() -> None:
    raw = (DATA / "v1json" / f"{own_top()}.json").read_bytes().replace(b"2015", b"2016")
    with pytest.raises(UnsafeArchive, match="another image"):
        own_chain(annotated(legacy(), 3, json=base64.b64encode(raw).decode()))


@pytest.mark.parametrize("number", [0, 1, 3])
def test_annotations_out_of_order_are_refused(number: int) -> None:
    image = legacy()
    other = image.manifest.layers[2].annotations
    with pytest.raises(UnsafeArchive, match="out of its place"):
        own_chain(annotated(image, number, json=other["io.lading.v1.json"], id=other["io.lading.v1.id"]))


def test_a_base_layer_with_a_strong_parent_is_refused() -> None:
    image = modern()
    raw = json.dumps({"docker_version": "1.9.1", "parent_id": "sha256:" + "ab" * 32}).encode()
    layer = V1Layer.from_bytes(raw, "cd" * 32)
    descriptor = image.manifest.layers[0].annotated(layer.annotations())
    config = Config.from_bytes(migrated_config([layer], [EMPTY_LAYER]))
    with pytest.raises(UnsafeArchive, match="out of its place"):
        own_chain(Image(replace(image.manifest, layers=(descriptor,)), config))


def test_a_json_that_names_its_layer_goes_into_a_bundle_as_it_is() -> None:
    for path in (DATA / "v1json").iterdir():
        assert v1_json_for_bundle(V1Layer.from_bytes(path.read_bytes())) == path.read_bytes()


@pytest.mark.parametrize(
    ("raw", "parent", "expected"),
    [
        ('{"os":"linux"}', "", '{"id":"ID","os":"linux"}'),
        ('{"os":"linux"}', "PARENT", '{"id":"ID","parent":"PARENT","os":"linux"}'),
        ("{}", "PARENT", '{"id":"ID","parent":"PARENT"}'),
        ('{"id":"","n":1.50}', "", '{"id":"ID","n":1.50}'),
        ('{"id":"ID","n":1}', "PARENT", '{"id":"ID","parent":"PARENT","n":1}'),
    ],
)
def test_a_json_of_a_strong_id_gets_its_names(raw: str, parent: str, expected: str) -> None:
    def written(text: str) -> str:
        return text.replace("PARENT", "cd" * 32).replace("ID", "ab" * 32)

    layer = V1Layer.from_bytes(written(raw).encode(), "ab" * 32, written(parent))
    named = v1_json_for_bundle(layer)
    assert named.decode() == written(expected)
    again = V1Layer.from_bytes(named)
    assert (again.id, again.parent) == (layer.id, layer.parent)
    assert migrated_config([again], [EMPTY_LAYER]) == migrated_config([layer], [EMPTY_LAYER])


def own_top() -> str:
    chain = own_chain(legacy())
    assert chain is not None
    return chain[-1].id


def test_a_camelcase_json_that_does_not_name_its_parent_gets_it_in_camelcase() -> None:
    raw = b'{"Author": "<me>", "Id": "' + b"a" * 64 + b'", "Parent": ""}'
    layer = V1Layer.from_bytes(raw, parent="b" * 64)
    put = v1_json_for_bundle(layer)
    assert put == b'{"Id":"' + b"a" * 64 + b'","Parent":"' + b"b" * 64 + b'","Author":"<me>"}'
    assert V1Layer.from_bytes(put).parent == "b" * 64
