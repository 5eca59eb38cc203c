from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, index, layout, unpacked
from tests.mirrors import ConnectedSide
from tests.webregistry import MemoryRegistry, refusal
from tests.webs import Asked, Reply
from toolkit.digest import Digest
from toolkit.errors import InvalidJob, Unsupported
from toolkit.mirror.connected.resolving import by_digest, resolve
from toolkit.mirror.connected.roles import Recalls, TellsPlatforms
from toolkit.mirror.connected.sources import sources
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.records.lock import Lock
from toolkit.platform import Platform
from toolkit.stores.layout import LayoutStore

APP, ARM, TOOL = image(ONE, TWO), image(ONE, architecture="arm64"), image(TWO)
MULTI = index(APP, ARM)
ON_ARM = ["linux/arm64"]
V1_ID = "bfdf47abe467bbf67e46842388dbb27d7cc8b07cb87249dabd73e98abbd0bd71"  # of the sample, by its repositories file


@pytest.fixture
def side(tmp_path: Path) -> Iterator[ConnectedSide]:
    with MemoryRegistry() as web:
        web.push("app:1", APP).push("tool:1.0", TOOL).push("tool:1.1", APP).push("multi:1", MULTI)
        yield ConnectedSide(web, tmp_path / "home")


def resolved(side: ConnectedSide, job: Job, before: Lock | None = None) -> Lock:
    with sources(side.settings) as opened:
        return resolve(job, side.today, opened, before=before)


def digests(lock: Lock) -> dict[str, str]:
    return {image.name: str(image.digest) for image in lock.images}


def test_names_and_tags_become_digests(side: ConnectedSide) -> None:
    job = side.job("app:1", {"repo": "tool", "tags": ["1.*"], "rename": "vendor/{name}"})
    lock = resolved(side, job)
    assert digests(lock) == {
        side.name("app:1"): APP.digest,
        "vendor/tool:1.0": TOOL.digest,
        "vendor/tool:1.1": APP.digest,
    }
    assert [image.origin for image in lock.images if "tool" in image.name] == [
        side.name("tool:1.0"),
        side.name("tool:1.1"),
    ]
    assert Lock.parse(bytes(lock), "lock") == lock


def test_each_tag_costs_one_request_without_a_body(side: ConnectedSide) -> None:
    job = side.job("app:1", {"repo": "tool", "tags": ["1.*"]})
    before = resolved(side, job)
    assert side.asked() == {"GET tags": 1, "HEAD manifests": 3}
    assert resolved(side, job, before) == before
    assert side.asked() == {"GET tags": 1, "HEAD manifests": 3}
    side.web.push("tool:1.0", APP)
    assert digests(resolved(side, job, before))[side.name("tool:1.0")] == APP.digest
    assert side.asked() == {"GET tags": 1, "HEAD manifests": 3}


def test_a_registry_that_tells_no_digest_is_read(side: ConnectedSide) -> None:
    def silent(asked: Asked) -> Reply | None:
        return Reply(200, b"", {}) if asked.method == "HEAD" else None

    side.web.odd = silent
    assert digests(resolved(side, side.job("app:1"))) == {side.name("app:1"): APP.digest}


def test_tags_are_listed_once_for_several_lines_of_one_repository(side: ConnectedSide) -> None:
    old = {"repo": "tool", "tags": ["1.0"], "rename": "old/tool"}
    resolved(side, side.job({"repo": "tool", "tags": ["1.1"]}, old))
    assert side.asked()["GET tags"] == 1


def test_a_name_that_fails_is_a_gap_and_the_others_are_not(side: ConnectedSide) -> None:
    side.web.odd = lambda asked: refusal(403, "DENIED") if "/multi/" in asked.path else None
    lock = resolved(side, side.job("app:1", "multi:1", {"repo": "none", "tags": ["*"]}))
    assert digests(lock) == {side.name("app:1"): APP.digest}
    assert [gap.name for gap in lock.gaps] == [side.name("multi:1"), side.name("none")]
    assert "answered 403" in lock.gaps[0].problem
    assert {gap.since for gap in lock.gaps} == {side.today}


def test_of_one_platform_its_manifest_is_carried_and_the_index_remembered(side: ConnectedSide) -> None:
    job = side.job({"reference": "multi:1", "platforms": ON_ARM})
    before = resolved(side, job)
    [found] = before.images
    assert (str(found.digest), str(found.index)) == (ARM.digest, MULTI.digest)
    assert not any(ARM.digest in one.path for one in side.web.asked)
    side.asked()
    assert resolved(side, job, before) == before
    assert side.asked() == {"HEAD manifests": 1}
    amd = side.job({"reference": "multi:1", "platforms": ["linux/amd64"]})
    assert str(resolved(side, amd, before).images[0].digest) == APP.digest


def test_of_several_platforms_and_of_a_pinned_digest_the_index_is_carried(side: ConnectedSide) -> None:
    both = {"reference": "multi:1", "platforms": ["linux/amd64", "linux/arm64"]}
    pinned = {"reference": f"multi@{MULTI.digest}", "platforms": ON_ARM}
    lock = resolved(side, side.job(both, pinned))
    assert {str(image.digest) for image in lock.images} == {MULTI.digest}
    assert {image.index for image in lock.images} == {None}
    assert {image.narrowing for image in lock.images} == {
        (Platform("linux", "amd64"), Platform("linux", "arm64")),
        (Platform("linux", "arm64"),),
    }


def test_a_platform_that_an_image_does_not_have_is_a_gap(side: ConnectedSide) -> None:
    lock = resolved(side, side.job("app:1", {"reference": "multi:1", "platforms": ["linux/s390x"]}))
    assert "platform linux/s390x: is not in the image" in lock.gaps[0].problem


def test_places_are_asked_in_their_order(side: ConnectedSide, tmp_path: Path) -> None:
    drop = unpacked(tmp_path / "drop", layout((side.name("app:1"), TOOL)))
    job = Job.parse(
        f'site = "plant-7"\nsources = ["oci:{drop}", "oci:{tmp_path}/none", "docker://{side.web.host}"]\n'
        f'images = ["{side.name("app:1")}", "{side.name("tool:1.0")}"]'.encode(),
        "job",
    )
    lock = resolved(side, job)
    assert [image.place for image in lock.images] == [f"oci:{drop}", f"docker://{side.web.host}"]
    assert digests(lock)[side.name("app:1")] == TOOL.digest


def test_two_images_of_one_name_are_refused(side: ConnectedSide) -> None:
    with pytest.raises(InvalidJob, match="x:1 is already"):
        resolved(
            side, side.job({"reference": "app:1", "rename": "x"}, {"reference": "multi:1", "rename": "x"})
        )


def test_of_a_place_without_manifests_the_image_id_is_locked(side: ConnectedSide, tmp_path: Path) -> None:
    job = Job.parse(b'site = "a"\nsources = ["sample:"]\nimages = ["ubuntu:14.04"]', "job", tmp_path)
    assert digests(resolved(side, job)) == {"ubuntu:14.04": f"sha256:{V1_ID}"}


def test_a_place_that_tells_no_identity_says_what_to_do(side: ConnectedSide, tmp_path: Path) -> None:
    class Odd(LayoutStore):
        def identify(self, name: str) -> str:
            return f"{name} of today"

    job = Job.parse(b'site = "a"\nsources = ["oci:x"]\nimages = ["app:1"]', "job", tmp_path)
    with pytest.raises(Unsupported, match="does not tell it from others; copy it into an oci: layout first"):
        resolve(job, side.today, lambda _: Odd(tmp_path))


def test_an_image_is_asked_for_by_digest_without_its_tag() -> None:
    digest = Digest.parse(APP.digest)
    assert by_digest("redis:7.2", digest) == f"redis@{APP.digest}"


def test_a_layout_tells_what_an_index_lists_too(tmp_path: Path) -> None:
    store = LayoutStore(unpacked(tmp_path / "layout", layout(("multi:1", MULTI), ("app:1", APP))))
    assert isinstance(store, TellsPlatforms)
    assert not isinstance(store, Recalls)
    assert list(map(str, store.platforms("multi:1"))) == [APP.digest, ARM.digest]
    assert store.platforms("app:1") == {}
