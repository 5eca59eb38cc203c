from __future__ import annotations

import io
import itertools
import json
import tarfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, Picture, blob, image, index, layout, sha256, written
from toolkit.bundles import open_bundle
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, MissingMember, NotFound, UsageError
from toolkit.mirror.connected.building import Plan, Stored, stored
from toolkit.mirror.records.baseline import Baseline
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.lock import Locked
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.stores.layout import LayoutStore

NIGHT = date(2026, 11, 27)
BASE = image(ONE)
APP, TOOL = image(ONE, TWO), image(TWO)
MULTI = index(APP, TOOL)
PICTURES = {"base:1": BASE, "app:1": APP, "multi:1": MULTI}


def locked(name: str, picture: Picture) -> Locked:
    return Locked(name, name, "docker://example.org", Digest.parse(picture.digest))


ALL = tuple(locked(name, picture) for name, picture in PICTURES.items())


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    source = open_bundle(written(tmp_path / "in.tar", layout(*PICTURES.items())))
    found = LayoutStore(tmp_path / "store")
    copy(source, found, list(PICTURES))
    return found


def planned(
    images: Sequence[Stored], baseline: Baseline, format_name: str = "universal"
) -> tuple[Increment, Plan]:
    increment = Increment.of("plant-7", 7, NIGHT, [each.blobs for each in images], baseline)
    return increment, Plan.of(increment, [each.image for each in images], format_name)


def content(plan: Plan, store: LayoutStore) -> bytes:
    return b"".join(bytes(piece) for piece in plan.pieces(store.blobs))


def known(*images: Stored) -> Baseline:
    blobs = frozenset(blob.digest for each in images for blob in each.blobs.blobs)
    return Baseline("confirmed", frozenset(each.blobs.top for each in images), blobs)


def test_an_image_consists_of_its_documents_and_layers(store: LayoutStore) -> None:
    (found,) = stored(store, [locked("vendor/multi:2", MULTI)])
    sizes = {str(each.digest): each.size for each in found.blobs.blobs}
    assert sizes == {digest: len(raw) for digest, raw in MULTI.blobs.items()}
    assert found.blobs.name == "vendor/multi:2"
    assert found.image.names == ("vendor/multi:2",)


def test_an_image_that_was_not_fetched_is_not_found(store: LayoutStore) -> None:
    with pytest.raises(NotFound, match=r"^image other:1: is not in oci:.* as sha256:.*; fetch it first"):
        list(stored(store, [locked("other:1", image(b"other"))]))


def test_an_image_of_which_something_is_lost_is_not_whole(store: LayoutStore) -> None:
    store.folder.path(Digest.parse(sha256(APP.raw))).unlink()
    with pytest.raises(CorruptContent, match=r"is not whole: fetch it again|is not there"):
        list(stored(store, [locked("app:1", APP)]))


@pytest.mark.parametrize("format_name", ["universal", "docker", "oci"])
def test_a_set_that_requires_nothing_is_a_whole_bundle(
    store: LayoutStore, tmp_path: Path, format_name: str
) -> None:
    _, plan = planned(list(stored(store, ALL)), Baseline.full(), format_name)
    path = tmp_path / "set.tar"
    path.write_bytes(content(plan, store))
    assert path.stat().st_size == plan.total
    report = verify(open_bundle(path))
    assert report.ok, report.findings
    assert {str(image.top.digest) for image in report.images} == {each.digest for each in PICTURES.values()}


def test_what_is_required_is_left_out_documents_too(store: LayoutStore) -> None:
    base, app, multi = stored(store, ALL)
    increment, plan = planned([base, app, multi], known(base, app))
    assert [image.name for image in increment.new] == ["multi:1"]
    with tarfile.open(fileobj=io.BytesIO(content(plan, store))) as tar:
        names = [member.name for member in tar if member.name.startswith("blobs/sha256/")]
    new = {MULTI.digest, TOOL.digest, sha256(TOOL.config)}
    assert set(names) == {blob(digest) for digest in new}
    assert {str(each.digest) for each in increment.requires} == set(MULTI.blobs) - new


def test_the_increment_stands_behind_index_json_which_lists_the_new_images(store: LayoutStore) -> None:
    base, app, multi = stored(store, ALL)
    increment, plan = planned([base, app, multi], known(base))
    with tarfile.open(fileobj=io.BytesIO(content(plan, store))) as tar:
        assert tar.getnames()[:3] == ["oci-layout", "index.json", "increment.json"]
        found = tar.extractfile("increment.json")
        listed = tar.extractfile("index.json")
        assert found is not None
        assert listed is not None
        assert Increment.parse(found.read(), "increment.json") == increment
        assert [each["digest"] for each in json.load(listed)["manifests"]] == [APP.digest, MULTI.digest]


def test_every_blob_and_document_is_found_by_its_place(store: LayoutStore) -> None:
    base, app, multi = stored(store, ALL)
    increment, plan = planned([base, app, multi], known(base))
    raw = content(plan, store)
    assert {digest for digest, _, _ in plan.blobs} == {each.digest for each in increment.contains}
    assert [offset for _, offset, _ in plan.blobs] == sorted(offset for _, offset, _ in plan.blobs)
    for digest, offset, size in plan.blobs:
        assert sha256(raw[offset : offset + size]) == str(digest)
    assert list(plan.files) == ["oci-layout", "index.json", "increment.json"]
    offset, size = plan.files["increment.json"]
    assert raw[offset : offset + size] == bytes(increment)


def test_the_order_of_the_images_changes_no_byte(store: LayoutStore) -> None:
    images = list(stored(store, ALL))
    sets = {content(planned(order, Baseline.full())[1], store) for order in itertools.permutations(images)}
    assert len(sets) == 1


@pytest.mark.parametrize("format_name", ["universal", "docker", "oci"])
def test_a_set_of_nothing_new_is_a_few_kilobytes(store: LayoutStore, format_name: str) -> None:
    images = list(stored(store, ALL))
    increment, plan = planned(images, known(*images), format_name)
    assert not increment.contains
    assert plan.blobs == ()
    assert len(content(plan, store)) == plan.total <= 8_192


def test_wrong_bytes_in_the_store_end_the_set(store: LayoutStore) -> None:
    _, plan = planned(list(stored(store, ALL)), Baseline.full())
    path = store.folder.path(Digest.parse(sha256(ONE)))
    path.write_bytes(ONE[:-1] + b"!")
    with pytest.raises(Mismatch, match=f"blob {sha256(ONE)}: digest is .*; the store was damaged"):
        content(plan, store)
    path.write_bytes(ONE[:-1])
    with pytest.raises(Mismatch, match="size is"):
        content(plan, store)
    path.unlink()
    with pytest.raises(MissingMember, match="is not there"):
        content(plan, store)


@pytest.mark.parametrize("format_name", ["docker-v1", "docker-v1.2", "dir"])
def test_a_format_without_digests_carries_no_set(store: LayoutStore, format_name: str) -> None:
    with pytest.raises(UsageError, match=f"format {format_name}: is no layout, and a set is one"):
        planned(list(stored(store, ALL)), Baseline.full(), format_name)


def test_two_names_of_one_image_carry_it_once(store: LayoutStore) -> None:
    images = list(stored(store, [locked("app:1", APP), locked("vendor/app:1", APP)]))
    increment, plan = planned(images, Baseline.full())
    assert [each.name for each in increment.new] == ["app:1", "vendor/app:1"]
    assert sorted(str(digest) for digest, _, _ in plan.blobs) == sorted(APP.blobs)
