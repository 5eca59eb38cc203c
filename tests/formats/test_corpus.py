"""`lading import` of files that real engines wrote: `pytest --corpus DIR`, a folder of such files.

Each holds the golden image as the tool in its name saved it. Docker keeps the image ID; skopeo and podman
write the config anew when they make an OCI image (their IDs: `skopeo inspect --config --raw`, hashed).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stores.facts import DIFF_IDS, IMAGE_ID
from toolkit.bundles import create_bundle, open_bundle
from toolkit.cli import main
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.stores.layout import LayoutStore

OCI_ID = "sha256:b5d838c84eee7169c108fbba66e3bc9f7fa7dd8fac5f5779aec46182a2577d77"
ARM_ID = "sha256:2e01746e5e2ec251cde8fb509034f571c4fbb6f4e256118e2743b1f5797c88ab"
TAG, TRUSTY = "ubuntu:14.04", "ubuntu:trusty"

ENGINES = {  # file → names, image IDs
    "docker-1.9.1": ({TAG}, [IMAGE_ID]),
    "docker-20.10": ({TAG, TRUSTY}, [IMAGE_ID]),
    "docker-29-containerd": ({TAG, TRUSTY}, [IMAGE_ID]),
    "docker-29-overlay2": ({TAG, TRUSTY}, [IMAGE_ID]),
    "skopeo-oci-archive": ({TAG}, [OCI_ID]),
    "podman-oci-archive": ({f"localhost/{TAG}"}, [OCI_ID]),
    "skopeo-docker-archive": ({TAG}, [IMAGE_ID]),
    "skopeo-dir": (set(), [IMAGE_ID]),
    "podman-docker-archive": ({f"localhost/{TAG}"}, [IMAGE_ID]),
    "crane": ({f"127.0.0.1:5055/library/{TAG}"}, [IMAGE_ID]),
    "crane-legacy": ({f"127.0.0.1:5055/library/{TAG}"}, [IMAGE_ID]),
    "crane-oci-layout-multiarch": (set(), [IMAGE_ID, ARM_ID]),
}


@pytest.fixture
def engine_file(corpus: Path, request: pytest.FixtureRequest) -> Path:
    """The file of an engine; skips where the corpus does not have it."""
    path = corpus / "bundles" / f"{request.param}.tar"
    if not path.is_file():
        pytest.skip(f"needs --corpus DIR with bundles/{path.name} in it")
    return path


def told(store: LayoutStore) -> tuple[set[str], list[str], set[tuple[str, ...]]]:
    """Return the names, the image IDs and the lists of diffIDs of a store, all of it verified."""
    report = verify(store)
    assert report.ok, report.errors
    (image,) = {image.top.digest: image for image in report.images}.values()
    names = {name for line in store.listings() for name in line.names}
    pictures = image.images()
    diff_ids = {tuple(digest.hex for digest in picture.config.diff_ids) for picture in pictures}
    return names, [str(picture.config.image_id) for picture in pictures], diff_ids


@pytest.mark.parametrize(
    ("engine_file", "names", "image_ids"),
    [(name, *facts) for name, facts in ENGINES.items()],
    indirect=["engine_file"],
    ids=list(ENGINES),
)
def test_what_an_engine_wrote_is_imported_as_it_is(
    engine_file: Path, here: Path, names: set[str], image_ids: list[str]
) -> None:
    assert main(("import", str(engine_file), "--into", f"oci:{here}/store", "--quiet")) == 0
    assert told(LayoutStore(here / "store")) == (names, image_ids, {DIFF_IDS})


@pytest.mark.parametrize("engine_file", list(ENGINES), indirect=True)
def test_what_an_engine_wrote_keeps_every_byte_through_a_universal_bundle(
    engine_file: Path, here: Path
) -> None:
    source = open_bundle(engine_file)
    (line, *_) = source.listings()
    (before,) = copy(source, create_bundle(here / "u.tar"), [line.names[0] if line.names else line.id])
    (after,) = verify(open_bundle(here / "u.tar")).images
    assert after.top == before.top
    assert {digest: document.raw for digest, document in after.documents.items()} == {
        digest: document.raw for digest, document in before.documents.items()
    }
    assert set(after.blobs) == set(before.blobs)
