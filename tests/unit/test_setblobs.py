"""A set of a real bundle is a source of images, as a layout in a folder is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sets import NAME, SITE
from toolkit.bundles import create_bundle, open_bundle
from toolkit.bundles.modern import blob_name
from toolkit.bundles.ocilayout import OciImages
from toolkit.digest import Digest
from toolkit.errors import Mismatch, MissingMember, UnsafeArchive
from toolkit.mirror.media.cut import Cargo
from toolkit.mirror.media.searching import find_sets
from toolkit.mirror.media.setblobs import SetBlobs
from toolkit.mirror.media.setcheck import verify_set
from toolkit.mirror.media.volume import BlobRange
from toolkit.mirror.media.volumes import Written, write_set
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.plumbing.archive import TarIndex
from toolkit.plumbing.streams import opened
from toolkit.stores.layout import LayoutStore
from toolkit.stores.sample import sample_store

TAG = "ubuntu:14.04"
DOCUMENTS = ("oci-layout", "index.json")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    copy(sample_store(folder), create_bundle(folder / "in.tar"), [TAG])
    return folder / "in.tar"


def as_set(bundle: Path, folder: Path, volume: int = 0, *, parity: bool = False) -> list[Written]:
    """Cut a bundle into volumes."""
    folder.mkdir()
    with opened(str(bundle), "the bundle") as content:
        index = TarIndex.scan(content.handle, "the bundle")
        blobs, files = [], {}
        for name in index.names():
            member = index.member(name)
            if name.startswith("blobs/sha256/"):
                blobs.append(BlobRange(Digest.parse(f"sha256:{name[13:]}"), member.offset, member.size))
            elif name in DOCUMENTS:
                files[name] = member.offset, member.size
        cargo = Cargo.of(SITE, NAME, content.size, blobs, files)
        return write_set(folder, cargo, content.blocks(), volume, parity=parity)


def blobs_of(folder: Path) -> SetBlobs:
    [volumes] = find_sets([folder])
    checked = verify_set(volumes)
    assert checked.reader
    return SetBlobs(checked.reader)


@pytest.mark.parametrize("parity", [False, True])
def test_an_image_is_copied_out_of_a_set(bundle: Path, tmp_path: Path, *, parity: bool) -> None:
    files = as_set(bundle, tmp_path / "set", 20_000, parity=parity)
    assert len(files) > 3
    if parity:
        files[1].path.unlink()
    images = OciImages(blobs_of(tmp_path / "set"), "the set")
    copy(images, LayoutStore(tmp_path / "store"), [TAG])
    assert LayoutStore(tmp_path / "store").identify(TAG) == open_bundle(bundle).identify(TAG)
    assert verify(LayoutStore(tmp_path / "store")).ok


def test_a_single_volume_is_a_bundle_that_verifies(bundle: Path, tmp_path: Path) -> None:
    [file] = as_set(bundle, tmp_path / "set")
    report = verify(open_bundle(file.path))
    assert report.ok, report.errors
    assert open_bundle(file.path).identify(TAG) == open_bundle(bundle).identify(TAG)


@pytest.mark.engine
@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_skopeo_reads_a_single_volume(bundle: Path, tmp_path: Path, transport: str) -> None:
    [file] = as_set(bundle, tmp_path / "set")
    words = ["skopeo", "copy", "--insecure-policy", f"{transport}:{file.path}", f"dir:{tmp_path / 'out'}"]
    subprocess.run(words, check=True, capture_output=True)
    assert len(os.listdir(tmp_path / "out")) > 3


def test_blobs_and_documents_are_read_by_their_names(bundle: Path, tmp_path: Path) -> None:
    as_set(bundle, tmp_path / "set", 20_000)
    blobs = blobs_of(tmp_path / "set")
    assert blobs.read("oci-layout", 1000) == b'{"imageLayoutVersion":"1.0.0"}'
    for digest in blobs.digests():
        size = blobs.size(digest)
        assert size is not None
        whole = blobs.read(blob_name(digest), size)
        assert whole is not None
        assert Digest.of(whole) == digest
    assert blobs.read("blobs/sha256/none", 1000) is None
    assert blobs.read("increment.json", 1000) is None


def test_what_is_not_there_too_large_or_of_another_size_is_refused(bundle: Path, tmp_path: Path) -> None:
    as_set(bundle, tmp_path / "set", 20_000)
    blobs, stranger = blobs_of(tmp_path / "set"), Digest.of(b"stranger")
    first = next(blobs.digests())
    assert blobs.size(stranger) is None
    with pytest.raises(MissingMember), blobs.open(stranger, 8):
        pass
    with pytest.raises(Mismatch), blobs.open(first, 3):
        pass
    with pytest.raises(UnsafeArchive):
        blobs.read("index.json", 10)
