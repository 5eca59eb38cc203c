"""A bundle goes into oci: and graph: and comes out again: the same layers, the same v1 json, the same ID."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.engine_made import TAG, expect, luigi, stores
from tests.stores.facts import DIFF_IDS, IDS, IMAGE_ID


def contents(bundle: Path) -> tuple[set[str], dict[str, bytes], set[str]]:
    """Return the digests of the layers, the v1 jsons, and the configs' digests, read by another tar reader."""
    with tarfile.open(bundle) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        raw = {name: file.read() for name, file in files.items() if file}
    blobs = {
        hashlib.sha256(content).hexdigest()
        for name, content in raw.items()
        if name.startswith("blobs/sha256/")
    }
    jsons = {
        hashlib.sha256(content).hexdigest(): content
        for name, content in raw.items()
        if name.endswith("/json")
    }
    return blobs, jsons, {name.rpartition("/")[2] for name in raw if name.startswith("blobs/sha256/")}


def main() -> None:
    """Two stores, there and back."""
    folder = Path(tempfile.mkdtemp(prefix="accept-"))
    source = f"graph:{stores(folder / 'stores')}/docker-1.9.1-aufs"
    luigi("ExportImage", "--tag", TAG, "--source", source, home=folder / "first")
    first = folder / "first/bundles/ubuntu_14.04.tar"
    told = contents(first)
    expect("layers in the bundle", set(DIFF_IDS) <= told[0], True)
    expect("image ID among the blobs", IMAGE_ID.removeprefix("sha256:") in told[2], True)
    expect("v1 jsons", len(told[1]), len(IDS))
    for store in (f"oci:{folder}/layout", f"graph:{folder}/root", f"graph+vfs:{folder}/vfs"):
        print(f"== {store.partition(':')[0]}")
        home = folder / store.partition(":")[0]
        luigi("ImportBundle", "--bundle", str(first), "--store", store, home=home)
        luigi("ExportImage", "--tag", TAG, "--source", store, home=home)
        again = home / "bundles/ubuntu_14.04.tar"
        expect("the layers are the same", contents(again)[0] >= set(DIFF_IDS), True)
        expect("the image ID is the same", IMAGE_ID.removeprefix("sha256:") in contents(again)[2], True)
        expect("v1 json bytes are the same", contents(again)[1] == told[1], True)
        if not store.startswith("graph+vfs"):  # vfs writes another layersize, by its own rule
            expect("the bundle's bytes are the same", again.read_bytes() == first.read_bytes(), True)
    subprocess.run(["rm", "-rf", folder], check=True)


if os.geteuid() != 0:
    raise SystemExit("needs root")
main()
