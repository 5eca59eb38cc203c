"""`[lading] referrers`: what refers to an image is in the bundle, and goes on from there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import ExportImage, ImportBundle
from tests.archives import ONE, artifact, image, sha256, signature
from tests.pipelines.conftest import build
from tests.webregistry import MemoryRegistry

APP = image(ONE)
SBOM = artifact(APP, b"sbom")
TAG, SIGNED = signature(APP)


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        web.push("team/app:1", APP).push("team/app", SBOM).push(f"team/app:{TAG}", SIGNED)
        web.lists_referrers = 1
        yield web


def wanted(home: Path, word: str) -> None:
    (home.parent / "luigi.cfg").write_text(f"[lading]\nreferrers = {word}\n")


def report(home: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((home / "app.tar.json").read_bytes())
    return found


def test_they_are_exported_verified_and_imported(home: Path, web: MemoryRegistry) -> None:
    wanted(home, "yes")
    export = ExportImage(
        tag="team/app:1", source=f"docker://{web.host}/team/app", bundle=str(home / "app.tar")
    )
    assert build(export) == "SUCCESS"
    assert report(home)["referrers"] == "yes"
    assert report(home)["verdict"] == "verified"
    with MemoryRegistry() as closed:
        into = ImportBundle(bundle=str(home / "app.tar"), store=f"docker://{closed.host}")
        assert build(into) == "SUCCESS"
    for one in (APP, SBOM, SIGNED):
        assert closed.manifests["team/app", one.digest] == (one.media_type, one.raw)
    assert closed.manifests["team/app", TAG][1] == SIGNED.raw
    assert list((home / "layers").iterdir()) == []


def test_a_bundle_without_them_is_made_again_when_they_are_wanted(home: Path, web: MemoryRegistry) -> None:
    place, bundle = f"docker://{web.host}/team/app", home / "app.tar"
    for word, there in (("no", False), ("yes", True)):
        wanted(home, word)
        assert build(ExportImage(tag="team/app:1", source=place, bundle=str(bundle))) == "SUCCESS"
        name = f"blobs/{sha256(b'sbom').replace(':', '/')}".encode()
        assert (name in bundle.read_bytes()) is there
