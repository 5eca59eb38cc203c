"""What is damaged in a containerd root costs the image it belongs to: one sentence, and the others come out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, blob, image
from tests.conformance import content, proven, snapshot
from tests.conftest import Told
from tests.containerds import CONTENT, META, containerd_root, extracted
from tests.stores.facts import DIFF_IDS, IMAGE_ID
from toolkit.errors import ToolkitError
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.stores.containerd.store import ContainerdStore, open_containerd
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.layout import LayoutStore

DOCKER_29 = Path(__file__).parents[1] / "data/containerd/docker-29.tar.xz"
BAD, GOOD = image(ONE, TWO), image(ONE, b"x" * 5000, architecture="arm64")
BAD_NAME, GOOD_NAME = "docker.io/library/bad:1", "docker.io/library/good:1"
LAYER = Path(CONTENT, blob(BAD.layers[1]))
MANIFEST = Path(CONTENT, blob(BAD.digest))


def edit(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[700 if len(raw) > 700 else 30] ^= 1
    path.write_bytes(raw)


def link(path: Path) -> None:
    path.rename(path.parent / "moved")
    path.symlink_to("moved")


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, tuple[Callable[[Path], object], Path, int, str]] = {
    "a layer is missing": (Path.unlink, LAYER, 5, "is not on this disk"),
    "a layer is edited": (edit, LAYER, 5, "digest is sha256:"),
    "a layer is cut short": (shorten, LAYER, 5, "size is 10239, expected 10240"),
    "a layer is a link": (link, LAYER, 6, "is a link, expected a regular file"),
    "a layer is a pipe": (pipe, LAYER, 6, "is no regular file, expected a regular file"),
    "a manifest is missing": (Path.unlink, MANIFEST, 5, "is not on this disk"),
    "a manifest is edited": (edit, MANIFEST, 5, "digest is sha256:"),
    "a manifest is a link": (link, MANIFEST, 6, "is a link, expected a regular file"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return containerd_root(tmp_path / "root", {"k8s.io": {BAD_NAME: BAD, GOOD_NAME: GOOD}})


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_one_sentence_and_the_other_image_comes_out(
    root: Path, tmp_path: Path, name: str, told: Told
) -> None:
    damage, path, code, sentence = DAMAGES[name]
    damage(root / path)
    before = snapshot(root)
    with pytest.raises(ToolkitError) as caught:
        copy(ContainerdStore(root), LayoutStore(tmp_path / "out"), [BAD_NAME])
    told("containerd-root", name, caught.value)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == code
    copy(ContainerdStore(root), LayoutStore(tmp_path / "out"), [GOOD_NAME])
    assert LayoutStore(tmp_path / "out").identify("good:1") == GOOD.digest
    assert snapshot(root) == before


def test_a_folder_of_blobs_that_is_a_link_is_not_read(root: Path) -> None:
    for name in (CONTENT, f"{CONTENT}/blobs", f"{CONTENT}/blobs/sha256"):
        link(root / name)
        with pytest.raises(ToolkitError, match="is a link, expected a folder") as caught:
            ContainerdStore(root).image(GOOD_NAME)
        assert caught.value.exit_code == 6
        assert "is a link" in ContainerdStore(root).listings()[0].problem
        (root / name).unlink()
        (root / name).parent.joinpath("moved").rename(root / name)


DATABASES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "it is missing": (Path.unlink, 5, "meta.db: is not there"),
    "it is empty": (lambda path: path.write_bytes(b""), 5, "is no bbolt database"),
    "it is cut after its meta pages": (
        lambda path: os.truncate(path, 8192),
        5,
        "is 8192 bytes, expected at least 40960",
    ),
    "it is another thing": (lambda path: path.write_bytes(b"x" * 99999), 5, "is no bbolt database"),
    "it is a link": (link, 6, "is a link, expected a regular file"),
    "it is a pipe": (pipe, 6, "is no regular file"),
    "its folder is a link": (lambda path: link(path.parent), 6, "is a link, expected a folder"),
}


@pytest.mark.parametrize("name", DATABASES)
def test_without_a_whole_database_images_come_out_by_their_digests(
    root: Path, tmp_path: Path, name: str, told: Told
) -> None:
    damage, code, sentence = DATABASES[name]
    damage(root / META)
    store = ContainerdStore(root)
    with pytest.raises(ToolkitError, match=r"names are lost with it.*by its digest") as caught:
        store.image(GOOD_NAME)
    told("containerd-root", f"meta.db: {name}", caught.value)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == code
    copy(store, LayoutStore(tmp_path / "out"), [GOOD.digest, BAD.digest])
    assert len(LayoutStore(tmp_path / "out").listings()) == 2
    report = verify(store)
    assert report.errors == []
    assert any("has lost names of images" in finding.problem for finding in report.findings)


def test_every_layer_that_docker_29_keeps_is_what_docker_1_9_made(
    engine_stores: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: layers have owners")
    extracted(DOCKER_29, tmp_path)
    legacy = GraphStore(engine_stores / "docker-1.9.1-overlay")
    blobs = tmp_path / "containerd/daemon" / CONTENT / "blobs/sha256"
    for layer, diff_id in zip(legacy.image("ubuntu:14.04").layers, DIFF_IDS, strict=True):
        if not (blobs / diff_id).exists():
            (blobs / diff_id).write_bytes(content(legacy, layer))
    store = open_containerd(tmp_path)
    for name in ("ubuntu:14.04", "ubuntu:trusty"):
        (picture,) = proven(store, name).images()
        assert str(picture.config.image_id) == IMAGE_ID
        assert [digest.hex for _, digest in picture.layers] == [*DIFF_IDS]
    (line,) = store.listings()
    assert (line.names, line.id, line.problem) == (("ubuntu:14.04", "ubuntu:trusty"), IMAGE_ID, "")
