"""Each store at rest becomes a bundle under the engine's own image ID, byte for byte, without the engine.

First the stores that engines wrote long ago, then those that the engines here write of an image of a few
hundred megabytes with everything in it that a store may keep in a form of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.engine_made import TAG, expect, lading, stores
from tests.integration.engines import Containerd, Dockerd, Podman, Registry, Skopeo
from tests.integration.oddities import NAME, OddImage, odd_image
from tests.stores.facts import DIFF_IDS, IMAGE_ID
from toolkit.stores.kinds import kinds_at

MEGABYTES = int(os.environ.get("STORE_MEGABYTES", "100"))  # of each of two layers; CI takes fewer
PREFIX = {"registry-root": "library/", "containers-storage": "localhost/"}  # as they call it
PUSHED = "things:1"  # a registry does not know its own name


def old_stores(folder: Path) -> Iterator[Path]:
    """Yield a folder for each store: those of the clone, else of the corpus."""
    if not (corpus := os.environ.get("CORPUS", "")):
        yield from (path for path in sorted(stores(folder).iterdir()) if path.is_dir())
        return
    for packed in sorted(Path(corpus).glob("stores/*.tar.zst")):
        root = folder / packed.name.removesuffix(".tar.zst")
        root.mkdir()
        unpack = f"zstd -dcq {packed} | tar -C {root} --xattrs --xattrs-include='*' -xpf -"
        subprocess.run(["sh", "-c", unpack], check=True)
        yield root


def check(place: str, name: str, image_id: str, diff_ids: tuple[str, ...], folder: Path) -> Path:
    """List, tell the history of, export and verify one image of a store."""
    bundle = folder / "bundle.tar"
    told = json.loads(lading("ls", place, "--json"))
    expect("it is listed", any(name in line["names"] for line in told["images"]), True)
    print(lading("history", place, name), end="")
    lading("export", name, "--from", place, "--platform", "linux/amd64", "-o", str(bundle), "--quiet")
    (image,) = json.loads(lading("verify", str(bundle), "--json", "--quiet"))["images"]
    (platform,) = image["platforms"]
    expect("image ID", platform["image_id"], image_id)
    expect("diffIDs", tuple(layer["diff_id"] for layer in platform["layers"]), diff_ids)
    return bundle


def in_docker(docker: Dockerd, bundle: Path, image_id: str) -> None:
    """Docker has the image under that ID, which proves every byte of its layers."""
    docker.forget()
    docker.load(bundle)
    expect("dockerd's image ID", docker.image_ids(), {image_id})


def in_dockerd(driver: str, odd: OddImage, to: Path) -> Path:
    """Let a Docker write a root, end it, and keep what it wrote."""
    with Dockerd(driver) as engine:
        engine.load(odd.path)
        subprocess.run(["cp", "-a", str(engine.stopped()), str(to)], check=True)
    return to


def in_podman(driver: str, odd: OddImage, to: Path) -> Path:
    """Let podman write a root, and keep it."""
    with Podman(driver) as engine:
        engine.load(odd.path)
        subprocess.run(["cp", "-a", str(engine.root), str(to)], check=True)
    return to


def in_containerd(bundle: Path, to: Path) -> Path:
    """Let a containerd write a root, end it, and keep what it wrote."""
    with Containerd() as engine:
        engine.load(bundle)
        subprocess.run(["cp", "-a", str(engine.stopped()), str(to)], check=True)
    return to


def in_registry(layout: Path, to: Path) -> Path:
    """Let skopeo push to a registry, and keep what that wrote."""
    with Registry() as registry, Skopeo() as skopeo:
        words = ["copy", "--quiet", "--dest-tls-verify=false"]
        skopeo.skopeo(*words, f"oci:{layout}:{NAME}", f"docker://{registry.host}/{PUSHED}")
        subprocess.run(["cp", "-a", str(registry.root), str(to)], check=True)
    return to


def main() -> None:
    """Old stores, then new ones."""
    if os.geteuid() != 0:
        raise SystemExit("needs root")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="accept-")))
        docker = stack.enter_context(Dockerd())
        (folder / "old").mkdir()
        for root in old_stores(folder / "old"):
            print(f"== {root.name}")
            (kind,) = kinds_at(root)
            name = PREFIX.get(kind, "") + TAG
            diff_ids = tuple(f"sha256:{hex_}" for hex_ in DIFF_IDS)
            in_docker(docker, check(f"{kind}:{root}", name, IMAGE_ID, diff_ids, folder), IMAGE_ID)
        odd = odd_image(folder, MEGABYTES)
        for kind, name, root in new_stores(odd, folder):
            print(f"== {root.name}")
            bundle = check(f"{kind}:{root}", name, odd.image_id, odd.diff_ids, folder)
            in_docker(docker, bundle, odd.image_id)
            print(lading("doctor", str(root), "--quiet"), end="")
            shutil.rmtree(root)


def new_stores(odd: OddImage, folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield what each engine here makes of the image: the kind of store, the name there, and the root."""
    for driver in ("overlay2", "vfs"):
        yield "docker-root", NAME, in_dockerd(driver, odd, folder / f"dockerd-{driver}")
    for driver in ("overlay", "vfs"):
        yield "containers-storage", NAME, in_podman(driver, odd, folder / f"podman-{driver}")
    layout, bundle = folder / "layout", folder / "oci.tar"
    lading("import", str(odd.path), "--into", f"oci:{layout}", "--quiet")
    lading("export", NAME, "--from", f"oci:{layout}", "-o", str(bundle), "--format", "oci", "--quiet")
    yield "containerd-root", NAME, in_containerd(bundle, folder / "containerd")
    yield "registry-root", PUSHED, in_registry(layout, folder / "registry")


main()
