from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import InvalidJob
from toolkit.mirror.jobs.table import load
from toolkit.mirror.jobs.wanted import Wanted
from toolkit.platform import Platform
from toolkit.reference import Reference

AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")


def wanted(text: str, *platforms: Platform) -> Wanted:
    return Wanted.from_table(load(text.encode(), "job", Path("/etc")), platforms)


def test_a_reference_is_one_image() -> None:
    assert Wanted.parse("redis:7.2", (AMD,)) == wanted("reference = 'redis:7.2'", AMD)
    one = wanted("reference = 'redis:7.2'\nplatforms = 'linux/arm64'\nsource = 'oci:drop'", AMD)
    assert (one.platforms, one.source, one.selection) == ((ARM,), "oci:/etc/drop", None)


def test_a_repository_has_rules() -> None:
    one = wanted("repo = 'redis'\ntags = ['>=7 <8', '!*-rc*']")
    assert one.repository == "docker.io/library/redis"
    assert one.reference.familiar == "redis"
    assert one.tagged("7.2").familiar == "redis:7.2"
    assert one.selection is not None
    assert [verdict.is_in for verdict in one.selection.verdicts(["7.2", "8"])] == [True, False]
    assert wanted("repo = 'redis'\ntags = '>=7'").selection is not None


@pytest.mark.parametrize(
    ("rename", "reference", "name"),
    [
        ("vendor/{name}", "quay.io/team/app:1", "vendor/app:1"),
        ("mirror.example:5000/{repository}", "quay.io/team/app:1", "mirror.example:5000/team/app:1"),
        ("old/{registry}/{name}", "quay.io/team/app:1", "old/quay.io/app:1"),
        ("app", "quay.io/team/app:1", "app:1"),
        ("x/{name}", f"app@sha256:{'a' * 64}", f"x/app@sha256:{'a' * 64}"),
        ("x/{name}", "redis", "x/redis:latest"),
    ],
)
def test_a_rename_changes_the_repository_alone(rename: str, reference: str, name: str) -> None:
    one = wanted(f"reference = '{reference}'\nrename = '{rename}'")
    assert one.name_of(Reference.parse(reference)).familiar == name


def test_without_a_rename_the_name_stays() -> None:
    reference = Reference.parse("quay.io/team/app:1")
    assert Wanted(reference).name_of(reference) == reference


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "job: reference: is missing"),
        ("reference = 'a'\nrepo = 'b'", "job: repo: stands beside reference, expected one of the two"),
        ("repo = 'a'", "job: tags: is missing, and says which images of the repository"),
        ("reference = 'a'\ntags = ['1']", "job: tags: goes with repo, and a reference is one image"),
        ("repo = 'a:1'\ntags = ['1']", "job: repo: is 'a:1', expected a repository without tag and digest"),
        ("reference = 'A'", "job: reference: 'A': has a repository with capitals"),
        ("repo = 'a'\ntags = ['1', '^2']", "job: tags[1]: range '^2': says nothing"),
        ("repo = 'a'\ntags = ['latest 1', 'latest 2']", "job: tags: say `latest` twice"),
        ("reference = 'a'\nrename = 'b:2'", "job: rename: is 'b:2', expected a repository without tag"),
        (
            "reference = 'a'\nrename = '{tag}/b'",
            "job: rename: is '{tag}/b', expected no braces but {registry}",
        ),
        ("reference = 'a'\nrename = 'B'", "job: rename: 'B': has a repository with capitals"),
        ("reference = 'a'\nplatforms = ['linux']", "job: platforms[0]: 'linux': is not a platform"),
        ("reference = 'a'\ntag = ['1']", "job: tag: is no key of a job; near it: tags"),
        ("repository = 'a'\ntags = ['1']", "job: repo: is missing; is it repository, misspelt?"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        wanted(text)
    assert str(caught.value).startswith(sentence)
