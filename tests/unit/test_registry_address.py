from __future__ import annotations

import pytest

from toolkit.digest import Digest
from toolkit.errors import InvalidPlace, NotFound, ToolkitError
from toolkit.stores.registry.address import Address

DIGEST = Digest.of(b"")


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("//h:5000", Address("h:5000")),
        ("//h:5000/", Address("h:5000")),
        ("//localhost/a/b", Address("localhost", "a/b")),
        ("//h:5000/a/b:1", Address("h:5000", "a/b", "1")),
        (f"//h.example/a@{DIGEST}", Address("h.example", "a", "", DIGEST)),
        (f"//h.example/a:1@{DIGEST}", Address("h.example", "a", "1", DIGEST)),
        ("//[::1]:5000/a", Address("[::1]:5000", "a")),
        ("//docker.io/ubuntu:14.04", Address("docker.io", "library/ubuntu", "14.04")),
        ("//index.docker.io/team/app", Address("docker.io", "team/app")),
    ],
)
def test_an_address_is_a_registry_a_repository_or_an_image(path: str, address: Address) -> None:
    assert Address.parse(path) == address


@pytest.mark.parametrize(
    "path",
    ["", "h/a", "/h/a", "//", "///a", "//h:port/a", "//u:p@h/a", "//h/A", "//h/a:", "//h/a:-", "//h/a@sha256:0", "//h/a//b", "//h/:1", "//h/a?b", "//h/../a"],
)  # fmt: skip
def test_anything_else_is_no_address(path: str) -> None:
    with pytest.raises(InvalidPlace, match="docker:"):
        Address.parse(path)


def test_docker_hub_answers_elsewhere() -> None:
    assert Address.parse("//docker.io/ubuntu").api == "registry-1.docker.io"
    assert Address.parse("//h:1/a").api == "h:1"
    assert Address.parse("//docker.io/ubuntu").name("library/ubuntu", "1") == "ubuntu:1"
    assert Address.parse("//h:1/a").name("a", "", DIGEST) == f"h:1/a@{DIGEST}"


@pytest.mark.parametrize(
    ("path", "name", "meant"),
    [
        ("//h:1", "h:1/app:2", [("app", "2", "h:1/app:2")]),
        ("//h:1", "h:1/app", [("app", "latest", "h:1/app:latest")]),
        ("//h:1", "app:2", [("app", "2", "app:2"), ("library/app", "2", "app:2")]),
        ("//h:1", "team/app:2", [("team/app", "2", "team/app:2")]),
        ("//h:1", "other:1/app:2", [("app", "2", "other:1/app:2")]),
        ("//h:1", "quay.io/team/app:2", [("team/app", "2", "quay.io/team/app:2")]),
        ("//h:1/team/app", "quay.io/team/app:2", [("team/app", "2", "quay.io/team/app:2")]),
        ("//h:1/other", "quay.io/team/app:2", []),
        ("//h:1", f"app:2@{DIGEST}", [("app", str(DIGEST), f"app:2@{DIGEST}"), ("library/app", str(DIGEST), f"app:2@{DIGEST}")]),
        ("//h:1", str(DIGEST), []),
        ("//h:1", "no reference!", []),
        ("//h:1/app", "app:2", [("app", "2", "app:2")]),
        ("//h:1/library/app", "app:2", [("library/app", "2", "app:2")]),
        ("//h:1/app", "other:2", []),
        ("//h:1/app", str(DIGEST), [("app", str(DIGEST), f"h:1/app@{DIGEST}")]),
        ("//h:1/app:2", "app:2", [("app", "2", "app:2")]),
        ("//h:1/app:2", "app:3", []),
        (f"//h:1/app@{DIGEST}", "app:3", []),
        (f"//h:1/app@{DIGEST}", f"h:1/app@{DIGEST}", [("app", str(DIGEST), f"h:1/app@{DIGEST}")]),
        ("//docker.io", "ubuntu:1", [("library/ubuntu", "1", "ubuntu:1")]),
        ("//docker.io", "quay.io/ubuntu:1", []),
    ],
)  # fmt: skip
def test_a_name_is_found_with_its_host_or_without(
    path: str, name: str, meant: list[tuple[str, str, str]]
) -> None:
    found = [(each.repository, each.tag_or_digest, each.name) for each in Address.parse(path).meant(name)]
    assert found == meant


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("ubuntu:14.04", "docker://docker.io/library/ubuntu"),
        ("index.docker.io/team/app", "docker://docker.io/team/app"),
        ("h.example:5000/a/b:1", "docker://h.example:5000/a/b"),
        (f"h.example/a@{DIGEST}", "docker://h.example/a"),
        ("deadbeef", "docker://docker.io/library/deadbeef"),
        ("deadbeefdeadbeef:1", "docker://docker.io/library/deadbeefdeadbeef"),
    ],
)
def test_a_name_says_its_repository(name: str, place: str) -> None:
    assert Address.of(name).place == place
    assert Address.parse(place.removeprefix("docker:")) == Address.of(name)


@pytest.mark.parametrize(
    "name", [str(DIGEST), DIGEST.hex, DIGEST.hex[:12], f"sha256:{DIGEST.hex[:20]}", "", "A b"]
)
def test_an_id_or_part_of_one_is_asked_of_no_registry(name: str) -> None:
    with pytest.raises(NotFound, match="is no name, and a registry is asked for nothing else"):
        Address.of(name)


@pytest.mark.parametrize("port", ["0", "65536", "99999", "9" * 5000])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    for ask in (Address.parse, Address.of):
        name = f"//localhost:{port}/app" if ask == Address.parse else f"localhost:{port}/app:1"
        with pytest.raises(ToolkitError):
            ask(name)
    assert Address.parse("//localhost:65535/app").host == "localhost:65535"


def test_a_login_in_a_place_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidPlace, match=r"…@registry\.example/app': names no registry") as caught:
        Address.parse("//me:hunter2@registry.example/app")
    assert "hunter2" not in str(caught.value)
