from __future__ import annotations

from tests.webpages import a_layer, a_platform, an_image, an_index, digest
from toolkit.pages.images import LayerFacts, artifacts_of, images_of, referrers_of, stacks_of

BASE, TOP = a_layer("base", 100), a_layer("top", 20)


def test_an_image_with_two_names_is_one() -> None:
    one = an_image(["app:1"], BASE, TOP)
    (found,) = images_of([one, {**one, "names": ["app:stable", "app:1"]}])
    assert found.names == ("app:1", "app:stable")
    assert (found.platform, found.size, found.index) == ("linux/amd64", 120, "")
    assert (found.image_id, found.manifest) == (digest(("image ID", "app:1")), one["digest"])
    assert [layer.digest for layer in found.layers] == [digest("base"), digest("top")]
    assert not found.is_legacy


def test_each_platform_of_an_index_is_an_image() -> None:
    index = an_index(["app:1"], a_platform("a", BASE), a_platform("b", BASE, TOP, platform="linux/arm64"))
    first, other = images_of([index])
    assert (first.platform, other.platform) == ("linux/amd64", "linux/arm64")
    assert first.index == other.index == digest(("index", "app:1"))
    assert [stack.names for stack in stacks_of([first, other])] == [
        ("app:1 linux/amd64",),
        ("app:1 linux/arm64",),
    ]


def test_a_manifest_that_two_names_lead_to_is_one_stack() -> None:
    platform = a_platform("a", BASE)
    alone = {"names": ["app:1-amd64"], "digest": platform["manifest"], "platforms": [platform]}
    (stack,) = stacks_of(images_of([an_index(["app:1"], platform), alone]))
    assert stack.names == ("app:1", "app:1-amd64")
    assert stack.layers == ((digest("base"), 100),)


def test_an_image_without_a_name_is_shown_as_docker_shows_it() -> None:
    image = an_image(["x"], BASE)
    (stack,) = stacks_of(images_of([{**image, "names": []}]))
    assert stack.names == ("<none>",)


def test_of_very_many_names_some_are_shown() -> None:
    (found,) = images_of([an_image([f"app:{number}" for number in range(1208)], BASE)])
    assert len(found.names) == 1208
    assert found.shown_names == (*(f"app:{number}" for number in range(8)), "and 1,200 more")


def test_what_a_legacy_store_said_is_told() -> None:
    size = {"recorded": "1655", "driver": "aufs", "rule": "S3"}
    layers = [
        a_layer(1, 5, v1_id="a" * 64, layersize=size, proof="tar-split"),
        a_layer(2, 5, v1_id="b" * 64, layersize={**size, "rule": ""}, proof="rebuilt"),
        a_layer(3, 5, v1_id="c" * 64, layersize=None, proof=""),
        a_layer(4, 5, v1_id="d" * 64, layersize={**size, "driver": ""}, proof=""),
        a_layer(5, 5),
    ]
    assert [(facts.layersize, facts.proof) for facts in map(LayerFacts.of, layers)] == [
        ("1655 by S3 (aufs)", "tar-split"),
        ("1655 by no rule (aufs)", "rebuilt"),
        ("not recorded", ""),
        ("1655 by S3 (unknown driver)", ""),
        ("", ""),
    ]
    (found,) = images_of([an_image(["app:1"], *layers)])
    assert found.is_legacy
    assert found.layersizes == "2 by S3, 1 by no rule, 1 not recorded"


def test_what_is_no_image_is_an_artifact() -> None:
    chart = {"names": ["chart:1"], "digest": digest("chart"), "platforms": []}
    (found,) = artifacts_of([chart, an_image(["app:1"], BASE), {**chart, "names": ["chart:2"]}])
    assert (found.names, found.digest) == (("chart:1", "chart:2"), digest("chart"))
    assert len(images_of([chart])) == 0


def test_a_referrer_is_told_once_however_many_names_its_image_has() -> None:
    signature = {
        "digest": digest("s"),
        "artifact_type": "a/b",
        "subject": digest("t"),
        "tags": ["sha256-x.sig"],
    }
    images = [an_image([name], BASE, referrers=[signature]) for name in ("app:1", "app:2")]
    (found,) = referrers_of([*images, an_image(["app:3"], TOP)])
    assert (found.artifact_type, found.digest, found.subject) == ("a/b", digest("s"), digest("t"))
    assert found.tags == ("sha256-x.sig",)
