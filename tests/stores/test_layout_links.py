"""A layout whose folders are links leads nowhere, and a lock file with a second name costs nobody a byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.bundles import create_bundle
from toolkit.errors import UnsafeArchive
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.stores.layout import LayoutStore
from toolkit.stores.sample import sample_store

TAG = "ubuntu:14.04"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


@pytest.mark.parametrize("name", ["blobs", ".lading"])
def test_a_layout_whose_folder_is_a_link_is_not_written_through(tmp_path: Path, name: str) -> None:
    outside, store = tmp_path / "outside", tmp_path / "store"
    (outside / "parts/.folder.part").mkdir(parents=True)
    (outside / "parts/.precious.part").write_bytes(b"precious")
    store.mkdir()
    (store / "oci-layout").write_bytes(LAYOUT)
    (store / name).symlink_to(outside)
    with pytest.raises(UnsafeArchive, match="is a link, expected a folder"):
        copy(sample_store(tmp_path / "home"), LayoutStore(store), [TAG])
    found = sorted(str(path.relative_to(outside)) for path in outside.rglob("*"))
    assert found == ["parts", "parts/.folder.part", "parts/.precious.part"]


def test_blobs_behind_a_link_are_not_read(tmp_path: Path) -> None:
    store = tmp_path / "store"
    copy(sample_store(tmp_path / "home"), LayoutStore(store), [TAG])
    (store / "blobs").rename(tmp_path / "blobs")
    (store / "blobs").symlink_to(tmp_path / "blobs")
    report = verify(LayoutStore(store))
    assert {finding.exit_code for finding in report.errors} == {6}


def test_a_temporary_name_that_is_somebodys_file_is_given_up_not_written(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / ".out.tar.part").hardlink_to(victim)
    copy(sample_store(tmp_path / "home"), create_bundle(tmp_path / "out.tar"), [TAG])
    assert victim.read_bytes() == b"precious"
    assert (tmp_path / "out.tar").stat().st_size > 250_000


def test_a_compressed_layer_that_unpacks_to_something_else_is_not_imported(tmp_path: Path) -> None:
    """Its blob is what its descriptor says; only its diffID tells."""
    import gzip
    import hashlib
    import json

    store = tmp_path / "bad"
    blobs = store / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(raw: bytes, media_type: str) -> dict[str, object]:
        hex_ = hashlib.sha256(raw).hexdigest()
        (blobs / hex_).write_bytes(raw)
        return {
            "mediaType": f"application/vnd.oci.image.{media_type}",
            "digest": f"sha256:{hex_}",
            "size": len(raw),
        }

    layer = put(gzip.compress(bytes(1024)), "layer.v1.tar+gzip")
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + "a" * 64]}
    config = put(
        json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode(), "config.v1+json"
    )
    manifest = put(
        json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]}).encode(), "manifest.v1+json"
    )
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "app:1"}
    (store / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (store / "oci-layout").write_bytes(LAYOUT)
    for sink in (LayoutStore(tmp_path / "copied"), create_bundle(tmp_path / "out.tar")):
        with pytest.raises(Exception, match="diffID is sha256:5f70bf18"):
            copy(LayoutStore(store), sink, ["app:1"])
    assert not (tmp_path / "out.tar").exists()
    assert not (tmp_path / "copied/index.json").exists() or LayoutStore(tmp_path / "copied").listings() == []
