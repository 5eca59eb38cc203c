"""Roots that the real podman wrote, read at rest: the image IDs, diffIDs and digests that it tells."""

from __future__ import annotations

import gzip
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.archives import LAYER, Picture, image, layout, sha256, unpacked, written
from tests.layers import device, file, folder, hard_link, layer, symlink
from toolkit.bundles import create_bundle, open_bundle
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.reading import Reading
from toolkit.stores.containers_storage.store import ContainersStorage

from .conftest import started
from .engines import Podman

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from toolkit.image import ProvenImage

    from .engines import Containerd, Dockerd

pytestmark = [pytest.mark.engine, pytest.mark.root]

CAPABILITY = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)  # cap_net_raw+ep, as the kernel keeps it
BASE = layer(
    folder("bin"),
    file("bin/ping", b"ping" * 3000, mode=0o4755, xattrs={"security.capability": CAPABILITY}),
    hard_link("bin/ping6", "bin/ping"),
    symlink("sh", "bin/ping"),
    folder("etc", mode=0o1777, uid=3_000_000, gid=4_000_000),
    file("etc/gone", b"deleted above"),
    file("etc/hidden/deep", b"hidden above"),
    device("console", 5, 1),
    file("é" * 70, b"a long name, and not of ASCII"),
)
UPPER = layer(
    folder("etc", mode=0o1777, uid=3_000_000, gid=4_000_000),
    file("etc/.wh.gone", b""),
    folder("etc/hidden"),
    file("etc/hidden/.wh..wh..opq", b""),
    file("etc/hidden/new", b"alone here"),
    file("bin/ping", b"another"),
)
HISTORY = [{"created": "2024-01-02T03:04:05Z", "created_by": f"RUN {number}"} for number in range(2)]
ODD = image(BASE, UPPER, history=HISTORY)
PULLED = image(
    *(gzip.compress(raw, mtime=0) for raw in (BASE, UPPER)),
    diff_ids=[sha256(BASE), sha256(UPPER)],
    media_types=[f"{LAYER}+gzip"] * 2,
    history=HISTORY,
    config={"Env": ["PULLED=1"]},
)


@pytest.fixture(params=["vfs", "overlay"])
def podman(request: pytest.FixtureRequest) -> Iterator[Podman]:
    yield from started(lambda: Podman(request.param))


def exported(podman: Podman, name: str, path: Path, *, allow_rebuilt: bool = False) -> ProvenImage:
    """Carry an image out of a root at rest into a bundle that verifies."""
    (found,) = copy(
        ContainersStorage(podman.root, reading=Reading(allow_rebuilt=allow_rebuilt)),
        create_bundle(path, "universal"),
        [name],
    )
    verify(open_bundle(path), [name])
    return found


def same_as_podman(podman: Podman, found: ProvenImage, name: str) -> dict[str, Any]:
    """Compare image ID and diffIDs with what podman tells, and return that."""
    told = podman.inspect(name)
    (picture,) = found.images()
    assert str(picture.config.image_id) == f"sha256:{told['Id']}"
    assert [str(diff_id) for diff_id in picture.config.diff_ids] == told["RootFS"]["Layers"]
    return told


def pulled(podman: Podman, picture: Picture, folder: Path) -> str:
    """Let podman pull an image out of a layout, with its layers as they are there."""
    unpacked(folder, layout(("app:1", picture)))
    return podman.podman("pull", "--quiet", f"oci:{folder}:app:1").strip()


def test_what_podman_loaded_keeps_its_manifest(podman: Podman, tmp_path: Path) -> None:
    podman.load(written(tmp_path / "odd.tar", layout(("localhost/odd:1", ODD))))
    found = exported(podman, "localhost/odd:1", tmp_path / "out.tar")
    told = same_as_podman(podman, found, "localhost/odd:1")
    assert str(found.top.digest) == told["Digest"] == ODD.digest
    assert found.findings == ()


def test_a_manifest_that_wrongly_says_gzip_is_kept_and_engines_load_it(
    podman: Podman, dockerd: Dockerd, containerd: Containerd, tmp_path: Path
) -> None:
    """Podman calls the layers of a Docker archive gzip, and stores them as they are."""
    odd = open_bundle(written(tmp_path / "odd.tar", layout(("localhost/odd:1", ODD))))
    copy(odd, create_bundle(tmp_path / "docker.tar", "docker-v1.2"), ["localhost/odd:1"])
    podman.load(tmp_path / "docker.tar")
    found = exported(podman, "localhost/odd:1", tmp_path / "out.tar")
    told = same_as_podman(podman, found, "localhost/odd:1")
    assert str(found.top.digest) == told["Digest"]
    (note,) = found.findings
    assert "has a manifest that calls layers compressed that are not" in note.problem
    dockerd.load(tmp_path / "out.tar")
    assert dockerd.images() == {"localhost/odd:1": f"sha256:{told['Id']}"}
    containerd.load(tmp_path / "out.tar")
    assert containerd.images() == {"localhost/odd:1": told["Digest"]}


def test_what_podman_pulled_compressed_is_the_same_image_not_compressed(
    podman: Podman, tmp_path: Path
) -> None:
    image_id = pulled(podman, PULLED, tmp_path / "layout")
    found = exported(podman, f"sha256:{image_id}", tmp_path / "out.tar")
    told = same_as_podman(podman, found, image_id)
    assert told["Digest"] == PULLED.digest
    assert [blob.size for blob in found.blobs] == [len(BASE), len(UPPER)]
    assert PULLED.digest in found.findings[0].problem


def test_what_podman_built_keeps_its_manifest_and_its_steps_are_not_listed(
    podman: Podman, tmp_path: Path
) -> None:
    context = unpacked(
        tmp_path / "context",
        {"Dockerfile": b"FROM scratch\nCOPY a /a\nENV X=1\nCOPY a /b\nLABEL y=2\n", "a": b"some text"},
    )
    podman.build(context, "app:1")
    source = ContainersStorage(podman.root)
    assert [(line.names, line.problem) for line in source.listings()] == [(("localhost/app:1",), "")]
    assert {line.names for line in source.listings()} == {(name,) for name in podman.images()}
    found = exported(podman, "localhost/app:1", tmp_path / "out.tar")
    assert str(found.top.digest) == same_as_podman(podman, found, "localhost/app:1")["Digest"]


def test_dangling_images_are_listed_as_podman_does_and_lists_are_told(podman: Podman, tmp_path: Path) -> None:
    podman.load(written(tmp_path / "odd.tar", layout(("localhost/odd:1", ODD))))
    podman.podman("untag", "localhost/odd:1")
    podman.podman("manifest", "create", "localhost/list:1")
    source = ContainersStorage(podman.root)
    assert [(line.names, line.id) for line in source.listings()] == [((), sha256(ODD.config))]
    (told,) = source.remarks()
    assert told.subject == "image localhost/list:1"
    assert "is a list of manifests" in told.problem


def test_without_tar_splits_the_same_files_can_be_made_anew(podman: Podman, tmp_path: Path) -> None:
    podman.load(written(tmp_path / "odd.tar", layout(("localhost/odd:1", ODD))))
    for split in (podman.root / f"{podman.driver}-layers").glob("*.tar-split.gz"):
        split.unlink()
    found = exported(podman, "localhost/odd:1", tmp_path / "out.tar", allow_rebuilt=True)
    (picture,) = found.images()
    assert sha256(ODD.config) != str(picture.config.image_id)
    other = Podman("vfs")
    with other:
        other.load(tmp_path / "out.tar")
        assert other.images()["localhost/odd:1"] == str(picture.config.image_id)
        mounted = other.podman("image", "mount", "localhost/odd:1").strip()
        assert sorted(os.listdir(mounted)) == sorted(["bin", "console", "etc", "sh", "é" * 70])
        assert os.listdir(f"{mounted}/etc") == ["hidden"]
        assert os.listdir(f"{mounted}/etc/hidden") == ["new"]
        other.podman("image", "unmount", "localhost/odd:1")


def test_a_root_on_a_read_only_mount_is_read(podman: Podman, tmp_path: Path) -> None:
    podman.load(written(tmp_path / "odd.tar", layout(("localhost/odd:1", ODD))))
    podman.podman("images")
    mount = tmp_path / "mount"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "--bind", "-o", "ro", podman.root, mount], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("needs the right to mount")
    try:
        (found,) = copy(
            ContainersStorage(mount), create_bundle(tmp_path / "out.tar", "oci"), ["localhost/odd:1"]
        )
    finally:
        subprocess.run(["umount", mount], check=True)
    assert str(found.top.digest) == ODD.digest
