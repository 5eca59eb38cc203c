from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, sha256
from tests.registries import Registry
from toolkit.bundles.modern import blob_name
from toolkit.digest import Digest
from toolkit.errors import MissingMember
from toolkit.stores.registry_root.disk import Disk
from toolkit.stores.registry_root.repository import Repository

APP, OTHER = image(ONE), image(TWO)


@pytest.fixture
def app(tmp_path: Path) -> Repository:
    registry = Registry(tmp_path)
    registry.push("app:1", APP)
    registry.push("other:1", OTHER)
    return Repository(Disk(tmp_path, "x"), "app")


def test_a_repository_gives_out_its_own_blobs_alone(app: Repository) -> None:
    own, foreign = Digest.parse(APP.layers[0]), Digest.parse(OTHER.layers[0])
    assert (app.size(own), app.size(foreign)) == (len(ONE), None)
    config = Digest.parse(sha256(OTHER.config))
    assert app.read(blob_name(config), 1000) is None


def test_a_manifest_is_described_by_what_it_says_itself(app: Repository) -> None:
    top = app.described(Digest.parse(APP.digest))
    assert (top.media_type, top.size) == (APP.media_type, len(APP.raw))


def test_a_manifest_of_another_repository_is_refused(app: Repository) -> None:
    with pytest.raises(MissingMember, match="is not linked in repository app, so the registry gives it"):
        app.described(Digest.parse(OTHER.digest))
