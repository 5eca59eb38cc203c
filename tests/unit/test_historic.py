from __future__ import annotations

import gzip
import json

import pytest

from tests.archives import sha256
from tests.registries import BASE, EMPTY, IDS, TOP, schema1, three_layers
from toolkit import mediatype
from toolkit.digest import Digest
from toolkit.errors import CorruptContent
from toolkit.historic import HistoricImage, historic_outline
from toolkit.image import Layer, Proof, placeholder
from toolkit.schema1 import Schema1
from toolkit.synthesis import own_chain

BLOBS = {sha256(content): content for content in (BASE, EMPTY, TOP)}


def historic(*, thrown_away: bool) -> HistoricImage:
    raw = schema1(three_layers(thrown_away=thrown_away))
    found = Schema1.from_bytes(raw, Digest.parse(sha256(raw)))
    packed = mediatype.layer_type("gzip")
    stack = [Layer(str(one), len(BLOBS[str(one)]), one, media_type=packed) for one in found.blobs]
    return HistoricImage(("old:1",), found, tuple(stack))


def proofs(image: HistoricImage) -> dict[str, Proof]:
    return {
        layer.key: Proof(
            Digest.parse(layer.key),
            layer.size,
            Digest.of(gzip.decompress(BLOBS[layer.key])),
            "gzip",
        )
        for layer in image.layers
    }


def test_the_config_is_the_one_that_docker_makes_when_it_pulls_the_manifest() -> None:
    """Keys sorted, the top json's own members kept, `throwaway` gone, every entry in the history."""
    image = historic(thrown_away=True)
    (picture,) = image.proven(proofs(image)).images()
    diff_ids = ",".join(f'"{Digest.of(gzip.decompress(blob))}"' for blob in (BASE, TOP))
    created = '"created":"2015-07-10T00:13:44.35Z"'
    assert picture.config.raw.decode() == (
        '{"architecture":"amd64","config":{"Cmd":["/bin/sh"],"Env":["A=\\u003cb\\u003e"]},'
        f'"container_config":{{"Cmd":["make c"]}},{created},"custom":1,"docker_version":"1.10.0",'
        f'"history":[{{{created},"created_by":"make a"}},'
        f'{{{created},"created_by":"make b","empty_layer":true}},{{{created},"created_by":"make c"}}],'
        f'"os":"linux","rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}}}}'
    )
    assert [str(layer.digest) for layer, _ in picture.layers] == [sha256(BASE), sha256(TOP)]
    assert own_chain(picture) is None


def test_where_every_entry_has_its_layer_the_v1_jsons_are_carried_along() -> None:
    image = historic(thrown_away=False)
    (picture,) = image.proven(proofs(image)).images()
    chain = own_chain(picture)
    assert chain is not None
    assert [layer.id for layer in chain] == list(IDS[:3])
    assert [layer.raw for layer in chain] == [layer.raw for layer in image.schema1.chain]


def test_the_documents_are_as_long_before_any_digest_is_known() -> None:
    image = historic(thrown_away=True)
    before = image.proven({layer.key: placeholder(layer) for layer in image.layers})
    after = image.proven(proofs(image))
    lengths = [[len(each.raw) for each in found.documents.values()] for found in (before, after)]
    assert lengths[0] == lengths[1]


def test_a_layer_that_stands_twice_is_one_blob_and_two_layers() -> None:
    entries = three_layers(thrown_away=False)
    entries[1] = (sha256(BASE), entries[1][1])
    raw = schema1(entries)
    found = Schema1.from_bytes(raw, Digest.parse(sha256(raw)))
    stack = tuple(Layer(str(one), len(BLOBS[str(one)]), one) for one in found.blobs)
    image = HistoricImage((), found, stack)
    assert [layer.key for layer in image.layers] == [sha256(BASE), sha256(TOP)]
    proven = image.proven(proofs(image))
    assert len(proven.images()[0].layers) == 3
    assert len(proven.blobs) == 2


def test_an_outline_tells_history_sizes_and_the_digest_it_is_known_by() -> None:
    image = historic(thrown_away=True)
    outline = historic_outline(image)
    assert outline.id == str(image.schema1.digest)
    assert [line.history.created_by for line in outline.layers] == ["make a", "make b", "make c"]
    assert [line.history.empty_layer for line in outline.layers] == [False, True, False]
    assert [line.size for line in outline.layers] == [len(BASE), 0, len(TOP)]
    assert outline.size == len(BASE) + len(TOP)
    assert outline.platform == "linux/amd64"


def test_an_image_without_any_layer_has_a_config_all_the_same() -> None:
    only = [(sha256(EMPTY), {**three_layers(thrown_away=True)[0][1], "throwaway": True})]
    raw = schema1(only)
    found = Schema1.from_bytes(raw, Digest.parse(sha256(raw)))
    (picture,) = HistoricImage((), found, ()).proven({}).images()
    assert json.loads(picture.config.raw)["rootfs"] == {"type": "layers"}


def test_layers_of_another_manifest_are_refused() -> None:
    image = historic(thrown_away=True)
    with pytest.raises(CorruptContent, match="layers that are not its own"):
        HistoricImage((), image.schema1, image.stack[:1])
