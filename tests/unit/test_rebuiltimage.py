"""An image with layers made anew: the config tells their diffIDs, and nothing else of it changes."""

from __future__ import annotations

import json

import pytest

from tests.archives import sha256
from toolkit.configured import ConfiguredImage
from toolkit.digest import Digest
from toolkit.errors import Unsupported
from toolkit.image import Layer, Proof
from toolkit.model import Config
from toolkit.stores.trees.rebuiltimage import RebuiltImage

ONE, TWO, NEW = (Digest.of(text) for text in (b"one", b"two", b"new"))


def raw(**more: object) -> bytes:
    rootfs = {"type": "layers", "diff_ids": [str(ONE), str(TWO), str(ONE)]}
    return json.dumps(
        {"os": "linux", "architecture": "amd64", "rootfs": rootfs, "odd key": [1.0, None], **more}
    ).encode()


def image(content: bytes) -> RebuiltImage:
    whole, anew = Layer(str(TWO), 5, TWO, TWO), Layer("rebuilt-x", 7)
    return RebuiltImage(
        ConfiguredImage(("a:1",), Config.from_bytes(content), (anew, whole, anew)), {"rebuilt-x": ONE}
    )


def proofs(anew: Digest) -> dict[str, Proof]:
    return {"rebuilt-x": Proof(anew, 7, anew), str(TWO): Proof(TWO, 5, TWO)}


def test_each_old_diff_id_is_replaced_where_it_stands() -> None:
    content = raw()
    proven = image(content).proven(proofs(NEW))
    (picture,) = proven.images()
    assert picture.config.raw == content.replace(str(ONE).encode(), str(NEW).encode())
    assert picture.config.diff_ids == (NEW, TWO, NEW)


def test_a_layer_that_is_whole_keeps_the_diff_id_that_one_made_anew_had_too() -> None:
    whole, one = Layer(str(TWO), 5, TWO, TWO), Layer(str(ONE), 6, ONE, ONE)
    stack = (Layer("rebuilt-x", 7), whole, one)
    mixed = RebuiltImage(ConfiguredImage(("a:1",), Config.from_bytes(raw()), stack), {"rebuilt-x": ONE})
    (picture,) = mixed.proven({**proofs(NEW), str(ONE): Proof(ONE, 6, ONE)}).images()
    assert picture.config.diff_ids == (NEW, TWO, ONE)
    assert [layer.digest for layer in picture.manifest.layers] == [NEW, TWO, ONE]


def test_layers_made_anew_in_different_ways_are_told_apart() -> None:
    other = Digest.of(b"other")
    stack = (Layer("rebuilt-x", 7), Layer(str(TWO), 5, TWO, TWO), Layer("rebuilt-y", 8))
    both = RebuiltImage(
        ConfiguredImage(("a:1",), Config.from_bytes(raw()), stack), {"rebuilt-x": ONE, "rebuilt-y": ONE}
    )
    (picture,) = both.proven({**proofs(NEW), "rebuilt-y": Proof(other, 8, other)}).images()
    assert picture.config.diff_ids == (NEW, TWO, other)


def test_the_manifest_says_which_layer_it_was() -> None:
    (picture,) = image(raw()).proven(proofs(NEW)).images()
    told = [layer.annotations for layer in picture.manifest.layers]
    assert told == [{"io.lading.made-anew": str(ONE)}, {}, {"io.lading.made-anew": str(ONE)}]


def test_the_new_image_id_is_told_with_the_old_one() -> None:
    content = raw()
    changed = content.replace(str(ONE).encode(), str(NEW).encode())
    (finding,) = image(content).proven(proofs(NEW)).findings
    assert sha256(content) in finding.problem
    assert sha256(changed) in finding.problem
    assert finding.severity == "warning"


def test_a_layer_that_came_out_as_it_was_leaves_the_image_as_it_was() -> None:
    content = raw()
    proven = image(content).proven(proofs(ONE))
    (picture,) = proven.images()
    assert picture.config.raw == content
    assert not proven.findings


def test_a_config_that_names_the_diff_id_elsewhere_is_not_touched() -> None:
    with pytest.raises(Unsupported, match=r"elsewhere than in rootfs\.diff_ids"):
        image(raw(comment=f"see {ONE}")).proven(proofs(NEW))
