from __future__ import annotations

import pytest

from toolkit.errors import NotFound, StoreError
from toolkit.mirror.connected.explaining import AHEAD, Explained, explain, tags_of
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.jobs.wanted import Wanted
from toolkit.ports import Source

TAGS = {
    "docker.io/library/redis": ["7.2", "latest", "8.0", "7.10", "8.0-alpine"],
    "quay.io/team/redis": ["7.2"],
}


def job(images: str, more: str = "") -> Job:
    return Job.parse(f"site = 'a'\nimages = [{images}]\n{more}".encode(), "job.toml")


def listed(wanted: Wanted) -> list[str]:
    if wanted.repository not in TAGS:
        raise NotFound(wanted.repository, "is not there")
    return TAGS[wanted.repository]


def explained(images: str, more: str = "") -> list[Explained]:
    return list(explain(job(images, more), listed))


def test_each_tag_has_its_verdict_the_highest_version_first() -> None:
    (one,) = explained("{repo = 'redis', tags = ['>=7', 'gone']}")
    assert [(each.tag, each.is_in) for each in one.verdicts] == [
        ("8.0-alpine", False),
        ("8.0", True),
        ("7.10", True),
        ("7.2", True),
        ("latest", False),
    ]
    assert [image.familiar for image in one.images] == ["redis:8.0", "redis:7.10", "redis:7.2"]
    assert one.idle == ("gone",)


def test_a_reference_is_in_and_nobody_is_asked_for_it() -> None:
    found = explained(f"'quay.io/none:1', 'redis@sha256:{'a' * 64}'")
    assert [(each.tag, each.is_in) for one in found for each in one.verdicts] == [
        ("1", True),
        (f"sha256:{'a' * 64}", True),
    ]
    assert [str(image) for one in found for image in one.images] == [
        "quay.io/none:1",
        f"docker.io/library/redis@sha256:{'a' * 64}",
    ]


def test_what_cannot_be_listed_keeps_nobody_up() -> None:
    first, second = explained("{repo = 'quay.io/none', tags = '*'}, {repo = 'redis', tags = '*'}")
    assert isinstance(first.error, NotFound)
    assert (first.verdicts, first.images) == ((), [])
    assert second.error is None
    assert len(second.images) == 5


def test_two_images_of_one_name_are_told() -> None:
    _, second = explained(
        "{repo = 'redis', tags = '7.2', rename = 'x/{name}'}, {repo = 'quay.io/team/redis', tags = '*', rename = 'x/{name}'}"
    )
    assert second.clashes == ("x/redis:7.2 is already redis:7.2, and would be quay.io/team/redis:7.2 too",)


def test_one_image_that_is_meant_twice_is_one_unless_it_would_be_two() -> None:
    _, second = explained("'redis:7.2', {repo = 'redis', tags = '7.*'}")
    assert second.clashes == ()
    for other in ("platforms = 'linux/arm64'", "source = 'oci:/x'"):
        _, second = explained(f"'redis:7.2', {{repo = 'redis', tags = '7.*', {other}}}")
        assert second.clashes == ("redis:7.2 is wanted twice, with other platforms or from another place",)


def test_many_images_stay_in_their_order() -> None:
    images = [f"{{repo = 'a{number}', tags = '*'}}" for number in range(2 * AHEAD + 1)]
    found = [one.wanted.reference.repository for one in explained(", ".join(images))]
    assert found == [f"library/a{number}" for number in range(2 * AHEAD + 1)]


def test_the_first_place_that_has_a_repository_is_asked() -> None:
    class Place:
        def __init__(self, place: str) -> None:
            self.place = place

        def tags(self, repository: str) -> list[str]:
            if self.place == "oci:/down":
                raise StoreError(self.place, "is down")
            if self.place == "oci:/none":
                raise NotFound(repository, f"is not in {self.place}")
            return [self.place]

    def opened(place: str) -> Source:
        return Place(place)  # type: ignore[return-value] # of a Source only what lists tags is asked

    def found(*sources: str) -> list[str]:
        made = job("{repo = 'redis', tags = '*'}", f"sources = {list(sources)}")
        return tags_of(made, made.images[0], opened)

    assert found("oci:/none", "oci:/here", "oci:/there") == ["oci:/here"]
    assert found() == ["docker://docker.io"]
    with pytest.raises(NotFound, match="is not in oci:/none"):
        found("oci:/none")
    with pytest.raises(StoreError, match="is down"):
        found("oci:/down", "oci:/here")
