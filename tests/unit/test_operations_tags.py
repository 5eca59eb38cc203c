from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, layout, unpacked
from toolkit.errors import NotFound
from toolkit.operations.tags import tags
from toolkit.stores.layout import LayoutStore


def test_a_store_is_asked_by_the_names_in_it(tmp_path: Path) -> None:
    names = ("redis:7", "docker.io/library/redis:8", "quay.io/team/redis:9", "redis")
    folder = unpacked(tmp_path, layout(*((name, image(ONE, TWO, config={"Cmd": [name]})) for name in names)))
    store = LayoutStore(folder)
    assert sorted(tags(store, "docker.io/library/redis")) == ["7", "8", "latest"]
    assert tags(store, "quay.io/team/redis") == ["9"]
    with pytest.raises(NotFound, match=r"^repository quay\.io/redis: has no image in oci:"):
        tags(store, "quay.io/redis")
