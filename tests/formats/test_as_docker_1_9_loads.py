"""Our bundles by the rules of a v1 loader, Docker 0.7 to 1.9 (formats A.11), of which today's packages have none.

Every folder at the top is an image: its json and layer.tar are read, its parent is found by the name of a
folder, and it is registered under the id in its json; `repositories` is looked at when all are loaded.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.archives import EMPTY, ONE, TWO, A, B, C, encode, image, layout, v1_folder, written
from toolkit.bundles import FORMATS, create_bundle, open_bundle
from toolkit.operations.copy import copy
from toolkit.ports import Source

BUNDLES = ["docker-v1.2", *(row.name for row in FORMATS if row.serves.startswith("Docker 0.7"))]


class Loader:
    """What such an engine has after a load: v1 ID → its tar, its parent; name → v1 ID."""

    def __init__(self, bundle: Path) -> None:
        self.layers: dict[str, bytes] = {}
        self.parents: dict[str, str] = {}
        self.names: dict[str, str] = {}
        with tarfile.open(bundle) as self.archive:
            tops = sorted({name.partition("/")[0] for name in self.archive.getnames() if "/" in name})
            for folder in tops:
                self.load(folder, set(tops))
            for name, tags in json.loads(self.read("repositories")).items():
                self.names |= {f"{name}:{tag}": v1_id for tag, v1_id in tags.items()}
        assert set(self.names.values()) <= set(self.layers)

    def load(self, folder: str, tops: set[str]) -> None:
        told: dict[str, Any] = json.loads(self.read(f"{folder}/json"))
        if parent := told.get("parent"):
            assert parent in tops
            if parent not in self.layers:
                self.load(parent, tops)
        self.layers[told["id"]] = self.read(f"{folder}/layer.tar")
        self.parents[told["id"]] = parent or ""

    def read(self, name: str) -> bytes:
        found = self.archive.extractfile(name)  # follows links
        assert found is not None
        return found.read()

    def tars(self, name: str) -> list[bytes]:
        """Return an image's layers, base first."""
        found, v1_id = [], self.names[name]
        while v1_id:
            found.append(self.layers[v1_id])
            v1_id = self.parents[v1_id]
        return found[::-1]


@pytest.fixture(params=BUNDLES)
def path(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, str]:
    return tmp_path / "bundle.tar", request.param


def loaded(source: Source, path: tuple[Path, str], *names: str) -> Loader:
    copy(source, create_bundle(*path), names)
    return Loader(path[0])


def test_the_sample_is_loaded(sample: Source, path: tuple[Path, str]) -> None:
    found = loaded(sample, path, "ubuntu:14.04", "ubuntu:trusty")
    keys = [layer.key for layer in sample.image("ubuntu:14.04").layers]
    assert found.names == dict.fromkeys(["ubuntu:14.04", "ubuntu:trusty"], keys[-1])
    assert set(found.layers) == set(keys)
    for layer, tar in zip(sample.image("ubuntu:14.04").layers, found.tars("ubuntu:14.04"), strict=True):
        with sample.open(layer) as content:
            assert b"".join(map(bytes, content.blocks())) == tar


def test_an_image_whose_top_is_the_parent_of_another_is_loaded(
    tmp_path: Path, path: tuple[Path, str]
) -> None:
    folders = {**v1_folder(A, "", ONE), **v1_folder(B, A, TWO), **v1_folder(C, B)}
    names = {"base": {"1": B}, "app": {"1": C}, "root": {"1": A}}
    source = open_bundle(written(tmp_path / "v1.tar", {**folders, "repositories": encode(names)}))
    for asked in (["base:1", "app:1", "root:1"], ["app:1", "root:1", "base:1"]):
        found = loaded(source, path, *asked)
        assert found.names == {"base:1": B, "app:1": C, "root:1": A}
        assert found.tars("app:1") == [ONE, TWO, EMPTY]
        assert found.tars("base:1") == [ONE, TWO]


def test_modern_images_are_loaded(tmp_path: Path, path: tuple[Path, str]) -> None:
    pictures = {"one:1": [ONE], "two:1": [ONE, TWO], "three:1": [ONE, TWO, ONE]}
    source = open_bundle(
        written(tmp_path / "oci.tar", layout(*((name, image(*tars)) for name, tars in pictures.items())))
    )
    found = loaded(source, path, *pictures)
    assert {name: found.tars(name) for name in pictures} == pictures
