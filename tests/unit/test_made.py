"""What an image is in the store that is not carried as it is: the records, and nights that count on them."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zstandard

from tests.archives import LAYER, ONE, TWO, Picture, encode, image, index, layout, sha256, tar, unpacked
from tests.mirrors import ConnectedSide, increment_of
from tests.webregistry import MemoryRegistry
from toolkit.digest import Digest
from toolkit.errors import InvalidDocument, StoreError, ToolkitError
from toolkit.mirror.connected.made import AS_THEY_ARE, Made, MadeImage
from toolkit.mirror.connected.running import Ran
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.keeping import needs_in, prunable, prune
from toolkit.mirror.records.lock import Locked
from toolkit.operations.verify import verify
from toolkit.platform import Platform

GZIP = f"{LAYER}+gzip"
BASE, OWN = tar({"base": b"b" * 50_000}), tar({"own": b"o" * 20_000})
APP = image(
    gzip.compress(BASE, mtime=0), OWN, diff_ids=[sha256(BASE), sha256(OWN)], media_types=[GZIP, LAYER]
)
PLAIN = image(BASE, TWO)
ARM, S390 = image(ONE, architecture="arm64"), image(TWO, architecture="s390x")
MULTI = index(APP, ARM, S390)
TOP, OTHER = Digest.of(b"top"), Digest.of(b"other")
LOCKED = Locked("app:1", "app:1", "docker://x", Digest.of(b"app"))
BOTH = (Platform("linux", "arm64"), Platform("linux", "amd64"))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "made", "zstd")


@pytest.fixture
def side(tmp_path: Path) -> Iterator[ConnectedSide]:
    with MemoryRegistry() as web:
        web.push("app:1", APP).push("plain:1", PLAIN).push("multi:1", MULTI)
        yield ConnectedSide(web, tmp_path / "home")


class Carried(NamedTuple):
    """One platform of an image, read with the libraries of Python and of zstd alone."""

    image_id: str
    tars: list[str]
    packed: set[str]


def in_volume(ran: Ran) -> dict[str, list[Carried]]:
    """What the one volume of a set holds, by name without its host; platforms that are not there are passed."""
    [volume] = ran.finished.record.volumes
    with tarfile.open(ran.folder / volume.name) as archive:
        blobs = {
            f"sha256:{Path(member.name).name}": found.read()
            for member in archive
            if member.name.startswith("blobs/sha256/") and (found := archive.extractfile(member))
        }
        listed = archive.extractfile("index.json")
        assert listed is not None
        tops = json.loads(listed.read())["manifests"]
    return {
        top["annotations"]["io.containerd.image.name"].rpartition("/")[2]: list(
            _platforms(top["digest"], blobs)
        )
        for top in tops
    }


def _platforms(digest: str, blobs: dict[str, bytes]) -> Iterator[Carried]:
    body = json.loads(blobs[digest])
    for child in body.get("manifests", []):
        if child["digest"] in blobs:
            yield from _platforms(child["digest"], blobs)
    if "layers" in body:
        layers = [blobs[layer["digest"]] for layer in body["layers"]]
        config = blobs[body["config"]["digest"]]
        yield Carried(sha256(config), [sha256(plain(each)) for each in layers], {*map(how, layers)})


def how(blob: bytes) -> str:
    return {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}.get(blob[:2], "none")


def plain(blob: bytes) -> bytes:
    if how(blob) == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(blob)
    return gzip.decompress(blob) if how(blob) == "gzip" else blob


def same(picture: Picture, compression: str) -> Carried:
    """What a picture is on the other side, by its own config."""
    diff_ids = json.loads(picture.config)["rootfs"]["diff_ids"]
    return Carried(sha256(picture.config), diff_ids, {compression})


def packed(compression: str, **more: Any) -> dict[str, Any]:
    return {"bundle": {"compression": compression}, **more}


def test_a_record_is_read_as_it_was_written(made: Made) -> None:
    assert made.top(LOCKED) is None
    made.keep(LOCKED, TOP)
    assert made.top(LOCKED) == TOP
    assert [path.name for path in made.folder.iterdir()] == [f"{LOCKED.digest.hex}-zstd.json"]  # type: ignore[union-attr]
    assert list(made.records()) == [MadeImage.parse(bytes(next(made.records())), "made")]


def test_another_compression_or_other_platforms_are_another_image(made: Made) -> None:
    narrowed = replace(LOCKED, platforms=BOTH)
    made.keep(LOCKED, TOP)
    made.keep(narrowed, OTHER)
    assert (made.top(LOCKED), made.top(narrowed)) == (TOP, OTHER)
    assert made.top(replace(LOCKED, platforms=BOTH[::-1])) == OTHER
    assert made.top(replace(LOCKED, platforms=BOTH[:1])) is None
    assert made.top(replace(LOCKED, platforms=BOTH[:1], index=TOP)) == TOP  # of which one manifest is carried
    assert Made(made.folder, "gzip").top(LOCKED) is None


def test_where_layers_stay_an_image_is_as_it_is_locked_unless_it_was_made(made: Made) -> None:
    keeps = Made(made.folder)
    assert keeps.top(LOCKED) == AS_THEY_ARE.top(LOCKED) == LOCKED.digest
    keeps.keep(LOCKED, LOCKED.digest)
    assert list(keeps.records()) == []
    keeps.keep(LOCKED, TOP)
    assert (keeps.top(LOCKED), made.top(LOCKED)) == (TOP, None)


GOOD = {"lading": "made", "version": 1, "digest": str(LOCKED.digest), "compression": "zstd", "platforms": []}
HOSTILE = {
    "nothing": b"",
    "no JSON": b"{",
    "endless": b" " * ((16 << 20) + 1),
    "deep": b"[" * 100_000,
    "another kind": encode({**GOOD, "lading": "lock", "made": str(TOP)}),
    "a later version": encode({**GOOD, "version": 2, "made": str(TOP)}),
    "no digest": encode({**GOOD, "made": "../../etc/passwd"}),
    "an unknown compression": encode({**GOOD, "compression": "lzma", "made": str(TOP)}),
    "numbers for platforms": encode({**GOOD, "platforms": [1], "made": str(TOP)}),
    "of another image": encode({**GOOD, "digest": str(OTHER), "made": str(TOP)}),
    "of other platforms": encode({**GOOD, "platforms": ["linux/amd64"], "made": str(TOP)}),
    "half of it": encode({**GOOD, "made": str(TOP)})[:100],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_record_that_says_something_else_is_none_and_is_replaced(made: Made, what: str) -> None:
    made.keep(LOCKED, TOP)
    [path] = made.folder.iterdir()  # type: ignore[union-attr]
    path.write_bytes(HOSTILE[what])
    assert made.top(LOCKED) is None
    made.keep(LOCKED, OTHER)
    assert made.top(LOCKED) == OTHER


def test_no_link_is_followed_to_a_record(made: Made, tmp_path: Path) -> None:
    made.keep(LOCKED, TOP)
    [path] = made.folder.iterdir()  # type: ignore[union-attr]
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert made.top(LOCKED) is None


def test_a_record_without_its_members_is_told_by_name() -> None:
    with pytest.raises(InvalidDocument, match="compression"):
        MadeImage.parse(encode({**GOOD, "compression": "lzma", "made": str(TOP)}), "x.json")


def _keep_many(folder: Path, worker: int) -> None:
    made = Made(folder, "zstd")
    for number in range(50):
        made.keep(LOCKED, (TOP, OTHER)[(number + worker) % 2])
        assert made.top(LOCKED) in {TOP, OTHER}


def test_several_processes_record_one_image_and_it_is_whole_at_any_time(made: Made) -> None:
    assert made.folder
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_keep_many, args=(made.folder, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert made.top(LOCKED) in {TOP, OTHER}
    assert len(list(made.folder.iterdir())) == 1


def test_what_is_not_there_any_more_is_forgotten_and_what_says_nothing(made: Made) -> None:
    assert made.folder
    lost = replace(LOCKED, digest=OTHER)
    made.keep(LOCKED, TOP)
    made.keep(lost, OTHER)
    (made.folder / "odd.json").write_bytes(b"{")
    (made.folder / ".half.part").write_bytes(b"{")
    made.forget(lambda digest: digest == TOP)
    assert sorted(path.name for path in made.folder.iterdir()) == [
        ".half.part",
        f"{LOCKED.digest.hex}-zstd.json",
    ]
    Made(made.folder / "none").forget(lambda _: False)


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_layers_are_packed_as_wished_and_the_images_are_the_same(
    side: ConnectedSide, compression: str
) -> None:
    job = side.job("app:1", "plain:1", **packed(compression))
    ran = side.run(job)
    assert in_volume(ran) == {
        "app:1": [same(APP, compression)],
        "plain:1": [same(PLAIN, compression)],
    }
    assert verify(side.store).ok
    side.sleep()
    side.asked()
    again = side.run(job)
    assert side.asked() == {"HEAD manifests": 2}
    assert not increment_of(again).new
    assert not increment_of(again).contains
    assert [image.digest for image in increment_of(again).images] == [
        image.digest for image in increment_of(ran).images
    ]


def test_an_image_that_is_packed_as_wished_keeps_its_digest(side: ConnectedSide) -> None:
    ran = side.run(side.job("plain:1", **packed("none")))
    assert [str(image.digest) for image in increment_of(ran).new] == [PLAIN.digest]
    assert "Made on the way" not in page(ran)


def test_the_page_says_which_digests_are_others(side: ConnectedSide) -> None:
    assert "1 image with other digests than where they come from" in page(
        side.run(side.job("app:1", "plain:1", **packed("none")))
    )


def page(ran: Ran) -> str:
    return (ran.folder / f"{increment_of(ran).name}.html").read_text()


def test_platforms_of_an_index_are_packed_and_the_others_are_not_there(side: ConnectedSide) -> None:
    wanted = {"reference": "multi:1", "platforms": ["linux/amd64", "linux/arm64"]}
    job = side.job(wanted, **packed("zstd"))
    assert in_volume(side.run(job)) == {"multi:1": [same(APP, "zstd"), same(ARM, "zstd")]}
    side.sleep()
    assert increment_of(side.run(job)).contains == ()


def test_one_manifest_of_an_index_and_one_name_of_two_platforms(side: ConnectedSide) -> None:
    amd = {"reference": "multi:1", "platforms": ["linux/amd64"], "rename": "amd/multi"}
    arm = {"reference": "multi:1", "platforms": ["linux/arm64"], "rename": "arm/single"}
    job = side.job(amd, arm, **packed("gzip"))
    assert in_volume(side.run(job)) == {"multi:1": [same(APP, "gzip")], "single:1": [same(ARM, "gzip")]}
    side.sleep()
    side.asked()
    assert increment_of(side.run(job)).contains == ()
    assert side.asked() == {"HEAD manifests": 2}


def test_another_compression_is_another_set_even_on_the_same_day(side: ConnectedSide) -> None:
    assert in_volume(side.run(side.job("app:1", **packed("zstd")))) == {"app:1": [same(APP, "zstd")]}
    gzipped = side.run(side.job("app:1", **packed("gzip")), since="full")
    assert (in_volume(gzipped), increment_of(gzipped).number) == ({"app:1": [same(APP, "gzip")]}, 2)
    side.sleep()
    as_it_is = side.run(side.job("app:1"))
    assert [str(image.digest) for image in increment_of(as_it_is).new] == [APP.digest]
    side.sleep()
    back = side.run(side.job("app:1", **packed("zstd")), since="full")
    assert in_volume(back) == {"app:1": [same(APP, "zstd")]}


def test_a_record_that_is_lost_costs_a_fetch_and_nothing_else(side: ConnectedSide) -> None:
    job = side.job("app:1", **packed("zstd"))
    side.run(job)
    for path in (side.site.folder / "made").iterdir():
        path.write_bytes(b"{")
    side.sleep()
    assert increment_of(side.run(job)).contains == ()
    assert {one.wanted.compression for one in side.site.made().records()} == {"zstd"}
    assert str(side.site.made("zstd").top(side.resolved(job).images[0])) != APP.digest


def test_a_record_that_leads_to_nothing_is_as_if_it_was_not_there(side: ConnectedSide) -> None:
    job = side.job("app:1", **packed("zstd"))
    [locked] = side.resolved(job).images
    side.site.made("zstd").keep(locked, TOP)
    assert in_volume(side.run(job)) == {"app:1": [same(APP, "zstd")]}


def test_what_a_job_allows_is_asked_once_the_sizes_are_known(side: ConnectedSide) -> None:
    """The tars are 70 KB, and 1 KB packed."""
    side.web.push("large:1", image(BASE, OWN))
    job = side.job("large:1", policy={"max_bundle": "50KB"}, **packed("zstd"))
    assert in_volume(side.run(job))["large:1"][0].packed == {"zstd"}
    side.web.push("small:1", APP)
    small = image(
        *(gzip.compress(each, mtime=0) for each in (BASE, OWN)),
        diff_ids=[sha256(BASE), sha256(OWN)],
        media_types=[GZIP, GZIP],
    )
    side.web.push("small:1", small)
    side.sleep()
    with pytest.raises(StoreError, match=r"expected at most 50000, which policy\.max_bundle says"):
        side.run(side.job("small:1", policy={"max_bundle": "50KB"}, **packed("none")), since="full")


def test_pruning_removes_the_records_that_lead_to_nothing_and_no_other(side: ConnectedSide) -> None:
    job = side.job("app:1", "plain:1", **packed("zstd", policy={"keep": {"images": 1}}))
    side.run(job)
    side.run(side.job("app:1", "plain:1", **packed("gzip")))
    locked = side.resolved(job).images
    assert {one.wanted.compression for one in side.site.made().records()} == {"gzip", "zstd"}
    tops = {side.site.made(name).top(each) for name in ("zstd", "gzip") for each in locked}
    assert tops <= needs_in(side.home).tops
    review = prunable(side.home, job).review
    assert not review.lines  # the names stay: they mean the images that are packed with gzip now
    prune(side.home, review, side.now, b"raw")
    assert {one.wanted.compression for one in side.site.made().records()} == {"gzip"}
    side.sleep()
    side.asked()
    assert side.run(side.job("app:1", "plain:1", **packed("gzip"))).outcome.images_new == 0
    assert side.asked() == {"HEAD manifests": 2}


def test_two_sites_of_one_home_pack_as_each_of_them_wishes(side: ConnectedSide, tmp_path: Path) -> None:
    drop = unpacked(tmp_path / "drop", layout(("app:1", APP)))
    side.run(side.job("app:1", **packed("zstd")))
    text = f'site = "other"\nsources = ["oci:{drop}"]\nimages = ["app:1"]\n[policy]\nmin_free = "1"'
    side.run(Job.parse(text.encode(), "job", tmp_path))
    assert [each.name for each in (side.home / "mirror").iterdir() if (each / "made").exists()] == ["plant-7"]
    assert verify(side.store).ok


def test_what_fails_while_it_is_packed_leaves_no_record(side: ConnectedSide) -> None:
    side.web.blobs["app", APP.layers[0]] = gzip.compress(BASE + b"more", mtime=0)
    with pytest.raises(ToolkitError):
        side.run(side.job("app:1", **packed("zstd")))
    assert list(side.site.made("zstd").records()) == []


def test_a_layer_that_many_images_have_is_fetched_and_packed_once(side: ConnectedSide) -> None:
    tags = {f"many:{number}": image(BASE, tar({f"own{number}": b"x" * number})) for number in range(1, 7)}
    for name, picture in tags.items():
        side.web.push(name, picture)
    job = side.job({"repo": "many", "tags": ["*"]}, **packed("zstd"))
    ran = side.run(job)
    assert in_volume(ran) == {name: [same(picture, "zstd")] for name, picture in tags.items()}
    asked = [one.path for one in side.web.asked if one.method == "GET" and sha256(BASE) in one.path]
    assert 2 <= len(asked) <= 4  # three at a time look at its first bytes, and one fetches it
    side.sleep()
    side.web.push("many:7", image(BASE, tar({"own7": b"y"})))
    side.web.asked.clear()
    newer = side.run(job)
    assert not [one.path for one in side.web.asked if sha256(BASE) in one.path]
    assert len(increment_of(newer).requires) == 1
    assert verify(side.store).ok


def test_a_record_of_a_layer_is_never_believed(side: ConnectedSide) -> None:
    job = side.job("plain:1", **packed("zstd"))
    side.run(job)
    folder = side.site.folder / "made"
    layers = [folder / f"{sha256(each).partition(':')[2]}-zstd.json" for each in (BASE, TWO)]
    first, second = (json.loads(path.read_bytes()) for path in layers)
    layers[0].write_bytes(encode({**first, "made": second["made"]}))
    layers[1].write_bytes(encode({**second, "made": PLAIN.digest}))
    side.web.push("newer:1", image(BASE, TWO, created="2020-01-01T00:00:00Z"))
    side.sleep()
    ran = side.run(side.job("newer:1", **packed("zstd")), since="full")
    assert in_volume(ran)["newer:1"][0].tars == [sha256(BASE), sha256(TWO)]
    assert json.loads(layers[0].read_bytes()) == first


def test_a_layer_that_is_gone_from_the_store_is_fetched_again(side: ConnectedSide) -> None:
    side.run(side.job("plain:1", **packed("zstd")))
    path = side.site.folder / "made" / f"{sha256(BASE).partition(':')[2]}-zstd.json"
    blob = json.loads(path.read_bytes())["made"].partition(":")[2]
    (side.store.path / "blobs/sha256" / blob).unlink()
    side.sleep()
    ran = side.run(side.job("plain:1", **packed("zstd")), since="full")
    assert in_volume(ran) == {"plain:1": [same(PLAIN, "zstd")]}
