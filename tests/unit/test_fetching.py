from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, index, sha256, tar
from tests.mirrors import ConnectedSide
from tests.webregistry import MemoryRegistry
from tests.webs import Reply
from toolkit.errors import ToolkitError
from toolkit.mirror.connected.fetching import fetch_all, survey
from toolkit.mirror.connected.offers import Offers
from toolkit.mirror.connected.sources import sources
from toolkit.mirror.records.lock import Lock, Locked
from toolkit.operations.verify import verify

SHARED = tar({"shared": bytes(3_000_000)})
PICTURES = {f"app:{number}": image(SHARED, tar({f"f{number}": b"x" * number})) for number in range(1, 7)}
ARM = image(ONE, architecture="arm64")
MULTI = index(image(ONE, TWO), ARM)


@pytest.fixture
def side(tmp_path: Path) -> Iterator[ConnectedSide]:
    with MemoryRegistry() as web:
        for name, picture in PICTURES.items():
            web.push(name, picture)
        web.push("multi:1", MULTI)
        yield ConnectedSide(web, tmp_path / "home")


def fetched(
    side: ConnectedSide, lock: Lock, images: Sequence[Locked] | None = None
) -> dict[str, ToolkitError]:
    with sources(side.settings) as opened:
        chosen = lock.images if images is None else images
        return fetch_all(side.store, chosen, Offers(opened, lock.crowded), side.events.append)


def test_a_layer_that_many_images_share_is_asked_for_once(side: ConnectedSide) -> None:
    lock = side.resolved(side.job({"repo": "app", "tags": ["*"]}))
    side.asked()
    assert fetched(side, lock) == {}
    wanted = [one.path for one in side.web.asked if one.path.endswith(sha256(SHARED))]
    assert wanted == [f"/v2/app/blobs/{sha256(SHARED)}"]
    assert verify(side.store).ok
    assert {line.names[0]: side.store.identify(line.names[0]) for line in side.store.listings()} == {
        side.name(name): picture.digest for name, picture in PICTURES.items()
    }


def test_what_is_there_is_told_from_what_is_missing_or_damaged(side: ConnectedSide) -> None:
    lock = side.resolved(side.job({"repo": "app", "tags": ["*"]}))
    assert survey(side.store, lock.images) == ([], list(lock.images))
    assert fetched(side, lock, lock.images[:4]) == {}
    there, missing = survey(side.store, lock.images)
    assert ([image.name for image in there], missing) == (
        [image.name for image in lock.images[:4]],
        list(lock.images[4:]),
    )
    lost = PICTURES["app:2"].layers[1].replace(":", "/")
    (side.store.path / "blobs" / lost).unlink()
    assert survey(side.store, lock.images)[1][0].name == side.name("app:2")
    assert fetched(side, lock) == {}
    assert survey(side.store, lock.images)[1] == []
    assert verify(side.store).ok


def test_an_image_comes_at_the_digest_that_is_locked_whatever_its_tag_became(side: ConnectedSide) -> None:
    lock = side.resolved(side.job("app:1"))
    side.web.push("app:1", PICTURES["app:2"])
    assert fetched(side, lock) == {}
    assert side.store.identify(side.name("app:1")) == PICTURES["app:1"].digest


def test_a_digest_that_a_registry_only_tells_is_never_believed(side: ConnectedSide) -> None:
    told = {"Docker-Content-Digest": PICTURES["app:2"].digest}
    side.web.odd = lambda asked: Reply(200, b"", told) if asked.method == "HEAD" else None
    lock = side.resolved(side.job("multi:1"))
    side.web.manifests["multi", PICTURES["app:2"].digest] = ("", MULTI.raw)
    [error] = fetched(side, lock).values()
    assert PICTURES["app:2"].digest in str(error)
    assert survey(side.store, lock.images)[0] == []


def test_an_image_that_fails_leaves_no_name_and_the_others_come(side: ConnectedSide) -> None:
    lock = side.resolved(side.job("app:1", "app:2", "app:3"))
    side.web.blobs["app", PICTURES["app:2"].layers[1]] = b"another"
    failed = fetched(side, lock)
    assert list(failed) == [side.name("app:2")]
    assert [line.names for line in side.store.listings()] == [(side.name("app:1"),), (side.name("app:3"),)]


def test_several_platforms_come_under_their_index_and_no_others(side: ConnectedSide) -> None:
    wanted = ["linux/arm64", "linux/s390x"]
    lock = side.resolved(side.job({"reference": "multi:1", "platforms": wanted}))
    assert fetched(side, lock) == {}
    assert side.store.identify(side.name("multi:1")) == MULTI.digest
    held = {path.name for path in (side.store.path / "blobs/sha256").iterdir()}
    assert held == {digest.partition(":")[2] for digest in (MULTI.digest, *ARM.blobs)}
    assert survey(side.store, lock.images)[1] == []


def test_one_name_of_two_platforms_is_two_images_in_the_store(side: ConnectedSide) -> None:
    arm = {"reference": "multi:1", "platforms": ["linux/arm64"], "rename": "arm/multi"}
    amd = {"reference": "multi:1", "platforms": ["linux/amd64"], "rename": "amd/multi"}
    lock = side.resolved(side.job(arm, amd))
    assert lock.crowded == {side.name("multi:1")}
    assert fetched(side, lock) == {}
    assert survey(side.store, lock.images)[1] == []
    assert len(side.store.listings()) == 2
