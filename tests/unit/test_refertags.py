from __future__ import annotations

import pytest

from tests.archives import ONE, TWO, artifact, image, index, signature
from tests.pictures import modern
from toolkit.bundles.refertags import (
    cosign_tags,
    list_tag,
    names_beside,
    of_their_own,
    repository_of,
    tag_of,
)
from toolkit.digest import Digest

HEX = "ab" * 32


def test_the_tags_are_those_of_the_specification_and_of_cosign() -> None:
    digest = Digest("sha256", HEX)
    assert list_tag(digest) == f"sha256-{HEX}"
    assert cosign_tags(digest) == [f"sha256-{HEX}.{kind}" for kind in ("sig", "att", "sbom")]


def test_a_long_digest_is_cut_to_64_digits_for_a_list_and_has_no_tag_of_cosigns() -> None:
    digest = Digest("sha512", "cd" * 64)
    assert list_tag(digest) == "sha512-" + "cd" * 32
    assert cosign_tags(digest) == []


@pytest.mark.parametrize(
    ("name", "repository", "tag"),
    [
        ("app:1", "app", "1"),
        ("h:5000/team/app:2.1", "h:5000/team/app", "2.1"),
        ("h:5000/team/app", "", "h:5000/team/app"),
        (f"sha256-{HEX}.sig", "", f"sha256-{HEX}.sig"),
        (f"h:5000/app:sha256-{HEX}.sig", "h:5000/app", f"sha256-{HEX}.sig"),
    ],
)
def test_a_name_is_split_and_a_tag_may_stand_alone(name: str, repository: str, tag: str) -> None:
    assert tag_of(name) == (repository, tag)


def test_a_tag_stands_beside_each_repository_of_an_image() -> None:
    names = ["app:1", "app:2", "h:5000/x:1", f"y@sha256:{HEX}"]
    assert [repository_of(name) for name in names] == ["app", "app", "h:5000/x", "y"]
    assert names_beside(names, ["t.sig"]) == ["app:t.sig", "h:5000/x:t.sig", "y:t.sig"]
    assert names_beside([], ["t.sig"]) == ["t.sig"]
    assert names_beside(names, []) == []


def test_what_refers_to_an_image_among_others_is_none_of_its_own() -> None:
    app, other = modern(image(ONE), "app:1"), modern(image(TWO), "other:1")
    tag, picture = signature(image(ONE))
    sbom, signed = modern(artifact(image(ONE), b"sbom")), modern(picture, f"app:{tag}")
    assert of_their_own([app, other, sbom, signed]) == [app, other]
    assert of_their_own([other, sbom, signed]) == [other, sbom, signed]


def test_an_index_whose_subject_is_nonsense_is_one_of_its_own() -> None:
    odd = modern(index(artifact(None, b"x"), subject="nonsense"), "odd:1")
    assert of_their_own([odd]) == [odd]
