"""`lading mirror explain`, with a registry of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, image
from tests.webregistry import MemoryRegistry

from .conftest import Lading

APP = image(ONE)


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        for tag in ("2.50.0", "2.51.0-rc1", "2.51.0", "2.51.0-alpine", "latest"):
            web.push(f"team/app:{tag}", APP)
        yield web


def written(tmp_path: Path, images: str) -> str:
    path = tmp_path / "mirror.toml"
    path.write_text(f"site = 'plant-7'\nimages = [{images}]\n")
    return str(path)


def test_every_tag_is_told_with_its_reason(lading: Lading, web: MemoryRegistry, tmp_path: Path) -> None:
    app = f"{web.host}/team/app"
    job = written(
        tmp_path,
        f"'redis:7.2', {{repo = '{app}', tags = ['>=2 <3', '!*-rc*', 'latest 1'], rename = 'x/{{name}}'}}",
    )
    ran = lading("mirror", "explain", job)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "redis:7.2: in, named by the job",
        f"{app}: 1 of 5 tags, as x/app",
        "TAG             IN    WHY",
        "2.51.0-alpine   no    >=2 <3: is the variant alpine",
        "2.51.0          yes   in the range >=2 <3, and among the 1 highest",
        "2.51.0-rc1      no    excluded by !*-rc*",
        "2.50.0          no    in the range >=2 <3, but not among the 1 highest",
        "latest          no    >=2 <3: is no version",
        "",
    ]
    assert [asked.path for asked in web.asked if "/manifests/" in asked.path or "/blobs/" in asked.path] == []


def test_machines_get_the_same(lading: Lading, web: MemoryRegistry, tmp_path: Path) -> None:
    app = f"{web.host}/team/app"
    job = written(
        tmp_path,
        f"{{repo = '{app}', tags = ['2.50.*', 'gone'], rename = 'x/{{name}}', platforms = 'linux/amd64'}}",
    )
    ran = lading("--json", "mirror", "explain", job)
    assert ran.code == 0
    assert (ran.json["site"], ran.json["job"], ran.json["schema"]) == ("plant-7", job, 1)
    (one,) = ran.json["images"]
    tags = {tag["tag"]: tag["in"] for tag in one.pop("tags")}
    assert tags == {
        "2.50.0": True,
        **dict.fromkeys(("2.51.0-rc1", "2.51.0", "2.51.0-alpine", "latest"), False),
    }
    assert one == {
        "repo": app,
        "platforms": ["linux/amd64"],
        "places": [f"docker://{web.host}"],
        "images": [{"origin": f"{app}:2.50.0", "name": "x/app:2.50.0"}],
        "idle_rules": ["gone"],
        "clashes": [],
        "error": None,
    }


def test_a_repository_that_is_not_there_is_a_gap(lading: Lading, web: MemoryRegistry, tmp_path: Path) -> None:
    there, gone = f"{web.host}/team/app", f"{web.host}/team/gone"
    job = written(
        tmp_path, f"{{repo = '{gone}', tags = '*'}}, {{repo = '{there}', tags = ['1.*', '2.5?.0']}}"
    )
    ran = lading("mirror", "explain", job)
    assert ran.code == 8
    assert f"{there}: 2 of 5 tags" in ran.out
    assert [line.partition(":")[0] for line in ran.err.splitlines()] == ["error", "warning", "error"]
    assert f"error: {gone}: its tags are not known: " in ran.err
    assert f"warning: {there}: the rule 1.* takes none of its tags" in ran.err
    assert ran.last == f"error: {job}: has 1 of 2 images whose tags could not be listed"


def test_two_images_of_one_name_are_refused(lading: Lading, web: MemoryRegistry, tmp_path: Path) -> None:
    app = f"{web.host}/team/app"
    job = written(
        tmp_path,
        f"{{reference = 'x:2.50.0', rename = 'y'}}, {{repo = '{app}', tags = '2.5?.0', rename = 'y'}}",
    )
    ran = lading("mirror", "explain", job)
    assert ran.code == 2
    assert f"error: {app}: y:2.50.0 is already x:2.50.0, and would be {app}:2.50.0 too" in ran.err
    assert ran.last.endswith("gives 1 of its images a name that another one has; rename one of them")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("mirror", "explian", "x"), "command 'explian': is not there; near it: explain"),
        (("mirror", "explain", "none.toml"), "none.toml: "),
        (
            ("mirror", "explain"),
            "lading mirror explain: missing argument 'JOB'; see: lading mirror explain --help",
        ),
    ],
)
def test_what_was_not_meant_is_told(lading: Lading, words: tuple[str, ...], sentence: str) -> None:
    ran = lading(*words)
    assert ran.code in {2, 3}
    assert ran.sentence.startswith(sentence)


def test_a_job_that_cannot_be_understood_is_one_sentence(lading: Lading, tmp_path: Path) -> None:
    job = written(tmp_path, "'A'")
    ran = lading("mirror", "explain", job)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {job}: images[0]: 'A': has a repository with capitals; write ")
    assert ran.err.count("\n") == 1
