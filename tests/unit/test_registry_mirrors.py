from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import InvalidSetting
from toolkit.registry_mirrors import Rows, mirrors_of
from toolkit.settings import load_settings

TABLE: Rows = (
    ("docker.io", ("mirror.example:5000/cache", "other.example")),
    ("docker.io/team", ("team.example/of",)),
    ("docker.io/team/app", ("app.example/it",)),
    ("quay.io", ()),
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(*lines: str, last: str = "") -> Rows:
    Path("luigi.cfg").write_text("\n".join(["[lading]", "home = a", "[lading.mirrors]", *lines, ""]))
    Path("last.cfg").write_text(last)
    return load_settings({"LUIGI_CONFIG_PATH": "last.cfg", "PREFIX": "cache"}).mirrors


def refused(*lines: str, last: str = "") -> str:
    with pytest.raises(InvalidSetting) as caught:
        read(*lines, last=last)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (
            "docker.io = mirror.example:5000/cache, other.example",
            ("docker.io", ("mirror.example:5000/cache", "other.example")),
        ),
        ("index.docker.io: Mirror.Example b", ("docker.io", ("mirror.example", "b"))),
        ("registry-1.docker.io = a\n  b", ("docker.io", ("a", "b"))),
        ("registry.example:5000 = a", ("registry.example:5000", ("a",))),
        ("registry.example:5000/team/x=[::1]:5000/y", ("registry.example:5000/team/x", ("[::1]:5000/y",))),
        ("registry.example : a:5000", ("registry.example", ("a:5000",))),
        ("docker.io =", ("docker.io", ())),
        ("docker.io = a, a", ("docker.io", ("a",))),
        ("docker.io = a/${PREFIX}", ("docker.io", ("a/cache",))),
        ("docker.io = a/b_c/d__e.f-g", ("docker.io", ("a/b_c/d__e.f-g",))),
    ],
)
def test_a_row_is_a_registry_and_its_mirrors(line: str, row: tuple[str, tuple[str, ...]]) -> None:
    assert read(line) == (row,)


def test_two_ports_of_a_host_are_two_registries() -> None:
    assert read("h:5000 = a", "h:6000 = b", "h = c") == (
        ("h:5000", ("a",)),
        ("h:6000", ("b",)),
        ("h", ("c",)),
    )


def test_a_later_file_wins_row_by_row() -> None:
    rows = read("docker.io = a", "h:5000 = b", last="[lading.mirrors]\ndocker.io =\nh:6000 = c\n")
    assert dict(rows) == {"docker.io": (), "h:5000": ("b",), "h:6000": ("c",)}


def test_a_key_of_the_default_section_is_no_row() -> None:
    assert read("docker.io = a", last="[DEFAULT]\nregion = https://x\n") == (("docker.io", ("a",)),)


FORM = "HOST[:PORT][/REPOSITORY]"


@pytest.mark.parametrize(
    "mirror",
    ["https://m.example", "m.example/", "m.example/Cache", "m.example:70000", "m.example:", "m_x", "..", "-a", "/a", "a//b", "a/b:tag", f"a@sha256:{'a' * 64}"],
)  # fmt: skip
def test_what_is_no_mirror_is_told_by_file_row_and_number(mirror: str) -> None:
    told = f"luigi.cfg: [lading.mirrors] docker.io: has as its mirror number 2 what is none, expected {FORM}, commas between"
    assert refused(f"docker.io = a.example, {mirror}") == told


@pytest.mark.parametrize("name", ["docker.io/", "Docker.io/Library", "h:70000", "x y", "*.example", "../x"])
def test_what_names_no_registry_is_told(name: str) -> None:
    told = f"luigi.cfg: [lading.mirrors] {name}: is no name of a registry, expected {FORM}"
    assert refused(f"{name} = a.example") == told


def test_a_password_in_a_row_is_never_told() -> None:
    for line in ("docker.io = me:hunter2@m.example", "https://me:hunter2@docker.io = m"):
        assert "hunter2" not in refused(line)


def test_the_file_that_is_told_is_the_one_with_the_row() -> None:
    told = refused("docker.io = a", last="[lading.mirrors]\ndocker.io = https://b\n")
    assert told.startswith("last.cfg: [lading.mirrors] docker.io: ")
    assert refused("docker.io = //a", last="[lading]\nhome=x\n").startswith("luigi.cfg: [lading.mirrors]")


def test_what_cannot_be_filled_in_is_told() -> None:
    told = refused("docker.io = %(other)s")
    assert told.startswith("[lading.mirrors] docker.io: cannot be filled in (")


def test_two_names_of_a_registry_are_one_row_too_many() -> None:
    told = "[lading.mirrors] docker.io: has two rows, under two names; make them one"
    assert refused("docker.io = a", "index.docker.io = b") == told


@pytest.mark.parametrize(
    ("repository", "mirrors"),
    [
        (
            "docker.io/library/ubuntu",
            ["mirror.example:5000/cache/library/ubuntu", "other.example/library/ubuntu"],
        ),
        ("docker.io/team/other", ["team.example/of/other"]),
        ("docker.io/team/app", ["app.example/it"]),
        ("docker.io/team/app/part", ["app.example/it/part"]),
        ("docker.io/teams/app", ["mirror.example:5000/cache/teams/app", "other.example/teams/app"]),
        ("quay.io/team/app", []),
        ("elsewhere.example/app", []),
    ],
)
def test_the_longest_row_counts_alone(repository: str, mirrors: list[str]) -> None:
    assert mirrors_of(TABLE, repository) == mirrors
