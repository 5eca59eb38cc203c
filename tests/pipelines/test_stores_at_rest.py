"""ExportImage over every store at rest that engines wrote: the engine's own image ID, done once."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from pipelines import ExportImage
from tests.pipelines.conftest import build
from tests.stores.facts import DIFF_IDS, IMAGE_ID
from toolkit.cli import main

STORES = {
    "docker-1.9.1-vfs": ("graph", "ubuntu:14.04"),
    "docker-20.10-overlay2": ("docker-root", "ubuntu:14.04"),
    "docker-20.10-vfs": ("docker-root", "ubuntu:14.04"),
    "docker-29-overlay2": ("docker-root", "ubuntu:14.04"),
    "docker-29-containerd": ("docker-root", "ubuntu:14.04"),
    "docker-29-containerd/containerd/daemon": ("containerd-root", "ubuntu:14.04"),
    "podman-4.3-overlay": ("containers-storage", "localhost/ubuntu:14.04"),
    "podman-4.3-vfs": ("containers-storage", "localhost/ubuntu:14.04"),
}
BASE = DIFF_IDS[0]


@pytest.mark.parametrize("store", STORES)
def test_a_store_at_rest_becomes_one_verified_bundle(home: Path, engine_stores: Path, store: str) -> None:
    scheme, tag = STORES[store]
    task = ExportImage(tag=tag, source=f"{scheme}:{engine_stores / store}", bundle=str(home / "b.tar"))
    assert build(task) == "SUCCESS"
    report = json.loads((home / "b.tar.json").read_text())
    (platform,) = report["images"][0]["platforms"]
    assert report["verdict"] == "verified"
    assert platform["image_id"] == IMAGE_ID
    assert [layer["diff_id"] for layer in platform["layers"]] == [f"sha256:{hex_}" for hex_ in DIFF_IDS]
    before = (home / "b.tar").stat()
    assert build(task) == "SUCCESS"
    assert (home / "b.tar").stat() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the tree has files of many owners")
def test_layers_are_made_anew_only_where_the_settings_allow_it(
    home: Path, engine_stores: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", str(engine_stores / "docker-20.10-vfs"), str(root)], check=True)
    (root / "image/vfs/layerdb/sha256" / BASE / "tar-split.json.gz").unlink()
    task = ExportImage(tag="ubuntu:14.04", source=f"docker-root:{root}", bundle=str(home / "b.tar"))
    assert build(task) != "SUCCESS"
    assert not (home / "b.tar").exists()
    with (tmp_path / "luigi.cfg").open("a") as file:
        file.write("allow_rebuilt = yes\n")
    assert build(task) == "SUCCESS"
    report = json.loads((home / "b.tar.json").read_text())
    assert report["images"][0]["platforms"][0]["image_id"] != IMAGE_ID
    assert any("is made anew of its files" in finding["problem"] for finding in report["findings"])


def test_a_short_id_is_taken_and_names_the_file_as_the_command_does(home: Path, engine_stores: Path) -> None:
    source = f"docker-root:{engine_stores / 'docker-20.10-vfs'}"
    short = IMAGE_ID.removeprefix("sha256:")[:12]
    assert main(["export", short, "--from", source, "--quiet"]) == 0
    written = home / "bundles" / f"{short}.tar"
    by_command = written.read_bytes()
    written.unlink()
    assert build(ExportImage(tag=short, source=source)) == "SUCCESS"
    assert written.read_bytes() == by_command
    report = json.loads(written.with_name(f"{written.name}.json").read_text())
    assert report["reference"] == short
    assert report["resolved"] == report["images"][0]["platforms"][0]["image_id"] == IMAGE_ID
