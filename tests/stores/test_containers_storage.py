"""The roots that podman 4.3 wrote of the golden image (tests/golden/README.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import proven, snapshot
from tests.stores.conftest import clone
from tests.stores.facts import DIFF_IDS, IMAGE_ID
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import CorruptContent
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.stores.containers_storage.store import ContainersStorage
from toolkit.stores.kinds import kinds_at

MANIFEST = "sha256:f6ed8f387afeb6df073b6740e966b3ccfab7884376e86725122c067426b1f07a"
SIZES = [2388480, 1021952, 5120, 1024]  # bytes of each layer's tar
NAMES = ("localhost/ubuntu:14.04", "localhost/ubuntu:trusty")


@pytest.fixture(scope="module", params=["overlay", "vfs"])
def root(engine_stores: Path, request: pytest.FixtureRequest) -> Path:
    """A root as podman left it."""
    return engine_stores / f"podman-4.3-{request.param}"


def test_podmans_root_gives_dockers_image(root: Path) -> None:
    source, before = ContainersStorage(root), snapshot(root)
    (line,) = source.listings()
    assert (line.names, line.id, line.size, line.problem) == (NAMES, IMAGE_ID, sum(SIZES), "")
    for name in NAMES:
        found = proven(source, name)
        (picture,) = found.images()
        assert str(picture.config.image_id) == IMAGE_ID
        assert [diff_id.hex for diff_id in picture.config.diff_ids] == list(DIFF_IDS)
        assert [blob.size for blob in found.blobs] == SIZES
        assert str(found.top.digest) == MANIFEST
    assert snapshot(root) == before


def test_what_podman_calls_gzip_and_is_not_is_told(root: Path) -> None:
    findings = proven(ContainersStorage(root), NAMES[0]).findings
    (finding,) = findings
    assert "has a manifest that calls layers compressed that are not" in finding.problem
    assert finding.severity == "note"  # every loaded image has it, and engines do not mind


def test_what_podman_stores_is_told_alike_by_the_store_and_by_a_bundle_of_it(
    root: Path, tmp_path: Path
) -> None:
    store, sink = ContainersStorage(root), create_bundle(tmp_path / "app.tar", "universal")
    copy(store, sink, NAMES, strict=True)
    bundle = open_bundle(tmp_path / "app.tar")
    at_rest, carried = (verify(place, NAMES, strict=True) for place in (store, bundle))
    assert (at_rest.ok, carried.ok) == (True, True)
    assert at_rest.findings == carried.findings


def test_an_outline_has_the_sizes_of_the_tars(root: Path) -> None:
    outline = ContainersStorage(root).outline(NAMES[0])
    assert [layer.size for layer in outline.layers] == SIZES


# ── the list of images is lost ──


@pytest.mark.parametrize("driver", ["overlay", "vfs"])
@pytest.mark.parametrize("text", [None, "", '[{"id":"5b32'])
def test_without_their_list_images_come_out_by_their_ids(
    engine_stores: Path, tmp_path: Path, driver: str, text: str | None
) -> None:
    root = clone(engine_stores / f"podman-4.3-{driver}", tmp_path / "root")
    path = root / f"{driver}-images/images.json"
    path.unlink() if text is None else path.write_text(text)
    store = ContainersStorage(root)
    (line,) = store.listings()
    assert (line.names, line.id) == ((), IMAGE_ID)
    (remark,) = store.remarks()
    assert "has lost the names of its images" in remark.problem
    report = verify(store, [IMAGE_ID])
    assert report.ok
    assert [str(digest) for digest in report.images[0].images()[0].config.diff_ids] == [
        f"sha256:{hex_}" for hex_ in DIFF_IDS
    ]
    with pytest.raises(CorruptContent, match="names are lost with it"):
        store.image("ubuntu:14.04")
    assert kinds_at(root) == ["containers-storage"]
