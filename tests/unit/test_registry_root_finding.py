from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, sha256
from tests.registries import Registry
from toolkit.digest import Digest
from toolkit.stores.registry_root.disk import LAYERS, Disk
from toolkit.stores.registry_root.finding import Found, find, linking, repositories

APP, OTHER = image(ONE), image(TWO)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    found = Registry(tmp_path / "registry")
    for name, picture in (("app:1", APP), ("b/app:1", APP), ("c/other:1", OTHER)):
        found.push(name, picture)
    return found


def test_a_name_leads_to_its_repository_and_digest(registry: Registry) -> None:
    disk = Disk(registry.folder, "x")
    assert find(disk, "b/app:1") == Found("b/app", Digest.parse(APP.digest), ("b/app:1",))
    assert find(disk, sha256(OTHER.config)) == Found("c/other", Digest.parse(OTHER.digest))


def test_a_repository_with_a_broken_link_links_nothing_and_hides_no_other(registry: Registry) -> None:
    layer = APP.layers[0]
    registry.write(registry.layer("app", layer), b"../..")
    disk = Disk(registry.folder, "x")
    assert list(repositories(disk)) == ["app", "b/app", "c/other"]
    assert list(linking(disk, LAYERS, Digest.parse(layer))) == ["b/app"]
