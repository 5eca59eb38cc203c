from __future__ import annotations

import pytest

from toolkit.digest import Digest
from toolkit.errors import Unsupported, UsageError
from toolkit.image import Layer, SourceImage
from toolkit.stores.registry.address import Address
from toolkit.stores.registry.naming import destinations, origins, refuse_collisions

DIGEST = Digest.of(b"")


class Named:
    """An image with names, and one layer."""

    def __init__(self, key: str, *names: str) -> None:
        self.names, self.layers, self.findings = names, (Layer(key, 1),), ()

    proven = None


@pytest.mark.parametrize(
    ("path", "names", "expected"),
    [
        ("//h:1", ["ubuntu:14.04"], [("ubuntu", "14.04")]),
        ("//h:1", ["quay.io/team/app:1", "team/app"], [("team/app", "1"), ("team/app", "latest")]),
        ("//h:1", ["h:1/a/b:2"], [("a/b", "2")]),
        ("//h:1", [f"app@{DIGEST}"], [("app", "")]),
        ("//h:1/x", ["ubuntu:14.04", "ubuntu:trusty"], [("x", "14.04"), ("x", "trusty")]),
        ("//h:1/x", [], [("x", "")]),
        ("//h:1/x:2", ["ubuntu:14.04", "ubuntu:trusty"], [("x", "2")]),
        (f"//h:1/x@{DIGEST}", ["ubuntu:14.04"], [("x", "")]),
        ("//docker.io", ["ubuntu:1"], [("library/ubuntu", "1")]),
    ],
)  # fmt: skip
def test_an_image_goes_where_its_name_or_the_place_says(
    path: str, names: list[str], expected: list[tuple[str, str]]
) -> None:
    assert destinations(Address.parse(path), names, f"docker:{path}") == expected


def test_an_image_without_a_name_needs_a_repository() -> None:
    with pytest.raises(Unsupported, match=r"write docker://h/REPOSITORY:TAG; .*--referrers"):
        destinations(Address.parse("//h"), [], "docker://h")


def test_a_name_that_is_no_reference_cannot_be_held() -> None:
    with pytest.raises(Unsupported, match=r"which is no reference; give it one: --tag NEW"):
        destinations(Address.parse("//h/x"), ["Odd Name"], "docker://h/x")


def test_two_images_under_one_tag_are_refused() -> None:
    images: list[SourceImage] = [Named("one", "a/app:1"), Named("two", "b/app:1")]  # type: ignore[list-item]
    refuse_collisions(Address.parse("//h"), images, "docker://h")
    with pytest.raises(UsageError, match="would have a/app:1 and b/app:1 both as x:1"):
        refuse_collisions(Address.parse("//h/x"), images, "docker://h/x")
    refuse_collisions(Address.parse("//h/x:1"), images[:1] * 2, "docker://h/x:1")


def test_an_image_comes_from_here_by_its_name() -> None:
    assert origins(Address.parse("//h:1"), ["h:1/a:1", "b:1", "h:2/c", "!"]) == ["a"]
