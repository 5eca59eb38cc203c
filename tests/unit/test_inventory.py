from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, Picture, image, index, layout, sha256, written
from tests.sets import flip
from toolkit.bundles import open_bundle
from toolkit.digest import Digest
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.closed.shelf import Shelf
from toolkit.operations.copy import copy
from toolkit.stores.layout import LayoutStore

APP, TOOL = image(ONE, TWO), image(TWO)
MULTI = index(APP, TOOL)


def top(picture: Picture) -> Digest:
    return Digest.parse(picture.digest)


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    found = LayoutStore(tmp_path / "store")
    copy(
        open_bundle(written(tmp_path / "in.tar", layout(("app:1", APP), ("multi:1", MULTI)))),
        found,
        ["multi:1"],
    )
    return found


def test_a_store_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    inventory = Inventory(LayoutStore(tmp_path / "store"))
    assert inventory.called("app:1") is None
    assert inventory.top(top(APP)) is None
    assert not inventory.is_whole(top(APP))
    assert not inventory.is_listed(top(APP))
    assert inventory.size(top(APP)) is None
    assert not (tmp_path / "store").exists()


def test_images_are_found_by_content_listed_or_not(store: LayoutStore) -> None:
    inventory = Inventory(store)
    assert inventory.called("multi:1") == top(MULTI)
    assert inventory.is_listed(top(MULTI))
    assert not inventory.is_listed(top(APP))
    assert inventory.is_whole(top(APP))
    found = inventory.top(top(APP))
    assert found
    assert (found.media_type, found.size) == (APP.media_type, len(APP.raw))


@pytest.mark.parametrize("content", [ONE, APP.config])
def test_a_blob_that_is_no_manifest_is_no_image(store: LayoutStore, content: bytes) -> None:
    assert not Inventory(store).is_whole(Digest.parse(sha256(content)))


@pytest.mark.parametrize("digest", [sha256(ONE), sha256(APP.config), APP.digest])
def test_an_image_with_a_damaged_or_lost_blob_is_not_whole(store: LayoutStore, digest: str) -> None:
    path = store.folder.path(Digest.parse(digest))
    flip(path, 5)
    assert not Inventory(store).is_whole(top(APP))
    assert not Inventory(store).is_sound(Digest.parse(digest), path.stat().st_size)
    path.unlink()
    assert not Inventory(store).is_whole(top(APP))


def test_what_came_meanwhile_is_seen_once_it_is_renewed(store: LayoutStore, tmp_path: Path) -> None:
    inventory, other = Inventory(store), image(b"other" * 400)
    assert not inventory.is_whole(top(other))
    copy(open_bundle(written(tmp_path / "in.tar", layout(("other:1", other)))), store, ["other:1"])
    inventory.renew()
    assert inventory.is_whole(top(other))
    assert inventory.called("other:1") == top(other)


def test_a_shelf_holds_whole_images_that_nothing_lists(store: LayoutStore, tmp_path: Path) -> None:
    before, other = (store.path / "index.json").read_bytes(), image(b"other" * 400)
    bundle = open_bundle(written(tmp_path / "in.tar", layout(("other:1", other))))
    [done] = copy(bundle, Shelf(store), ["other:1"])
    assert done.names == ("other:1",)
    assert (store.path / "index.json").read_bytes() == before
    assert Inventory(store).is_whole(top(other))
    copy(
        open_bundle(written(tmp_path / "in.tar", layout(("app:1", APP)))), Shelf(store), ["app:1"]
    )  # once more
