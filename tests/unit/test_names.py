from __future__ import annotations

from dataclasses import replace

import pytest

from tests.archives import IMAGE_NAME, ONE, REF_NAME, TWO, image
from tests.pictures import modern
from toolkit.bundles.names import merged, name_annotations, split_tag, tags
from toolkit.image import Finding

ONE_IMAGE, OTHER = image(ONE), image(TWO)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ubuntu:14.04", ("ubuntu", "14.04")),
        ("ubuntu", ("ubuntu", "latest")),
        ("registry.example:5000/team/app:2.1", ("registry.example:5000/team/app", "2.1")),
        ("registry.example:5000/team/app", ("registry.example:5000/team/app", "latest")),
        ("localhost/app:1", ("localhost/app", "1")),
    ],
)
def test_a_name_is_split_at_its_tag_and_not_at_a_port(name: str, expected: tuple[str, str]) -> None:
    assert split_tag(name) == expected


def test_digests_are_no_names() -> None:
    assert tags(["a:1", "a@sha256:" + "0" * 64, "b:2"]) == ["a:1", "b:2"]


@pytest.mark.parametrize(
    ("name", "familiar", "normalised"),
    [
        ("ubuntu:14.04", "ubuntu:14.04", "docker.io/library/ubuntu:14.04"),
        ("docker.io/library/ubuntu:14.04", "ubuntu:14.04", "docker.io/library/ubuntu:14.04"),
        ("quay.example/a/b:1", "quay.example/a/b:1", "quay.example/a/b:1"),
        ("team/app:1", "team/app:1", "docker.io/team/app:1"),
    ],
)
def test_a_name_is_told_to_oci_readers_and_to_containerd(name: str, familiar: str, normalised: str) -> None:
    assert name_annotations(name) == {REF_NAME: familiar, IMAGE_NAME: normalised}


@pytest.mark.parametrize("name", ["Team/App:1", "a:" + "t" * 129, "d/_/x:1"])
def test_a_name_that_is_no_reference_is_kept_as_it_stands(name: str) -> None:
    assert name_annotations(name) == {REF_NAME: name}


def test_one_image_asked_for_twice_is_one_image_with_both_names() -> None:
    images = [modern(ONE_IMAGE, "b:1"), modern(OTHER, "aa:1"), modern(ONE_IMAGE, "a:1", "b:1")]
    for order in (images, images[::-1]):
        assert [image.names for image in merged(order)] == [("a:1", "b:1"), ("aa:1",)]


def test_images_without_a_name_come_last_in_the_order_of_the_request() -> None:
    for nameless in ([ONE_IMAGE, OTHER], [OTHER, ONE_IMAGE]):
        found = merged([*map(modern, nameless), modern(image(ONE, TWO), "z:1")])
        assert [str(each.top.digest) for each in found[1:]] == [each.digest for each in nameless]


def test_what_was_noticed_of_either_is_kept_once() -> None:
    first, second = Finding("x", "one"), Finding("x", "two")
    images = [
        replace(modern(ONE_IMAGE, "a:1"), findings=(first,)),
        replace(modern(ONE_IMAGE, "b:1"), findings=(first, second)),
    ]
    assert [image.findings for image in merged(images)] == [(first, second)]
