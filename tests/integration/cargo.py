"""Images to carry into engines: what each kind of image is made of, and the IDs that it must have there."""

from __future__ import annotations

import gzip
import json
import lzma
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from tests.archives import (
    CONFIG,
    LAYER,
    MANIFEST,
    ONE,
    TWO,
    Picture,
    encode,
    image,
    index,
    layout,
    sha256,
    written,
)
from tests.pictures import docker_saved
from toolkit.bundles import create_bundle, open_bundle
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.ports import Source
from toolkit.reference import same
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.sample import sample_store

from .loading import NAMELESS, Held

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.image import ProvenImage

SAVED = Path(__file__).parent.parent / "data/vectors/docker2010-save-duplayer.tar"
SAVED_ID = "sha256:eeafda41c7f4b5c15f5d9f6d3bc0ce8db290cb30d63c712070ecafe91bb97e50"
SAMPLE_ID = "sha256:192ecff0be21839de44a855480f6306150b7fb833f9071f6653900c8d5e415f0"

PACKED: dict[str, Callable[[bytes], bytes]] = {"zstd": zstandard.compress, "xz": lzma.compress}
DOCKER_TYPES = {
    MANIFEST: "application/vnd.docker.distribution.manifest.v2+json",
    CONFIG: "application/vnd.docker.container.image.v1+json",
    LAYER: "application/vnd.docker.image.rootfs.diff.tar",
}
HISTORY = [{"created": "2024-01-02T03:04:05Z", "created_by": f"RUN {number}"} for number in range(3)]


@dataclass
class Cargo:
    """Images to carry: a source, the names in it, and the image IDs that Docker gave where it did."""

    source: Source
    names: list[str]
    known: dict[str, str] = field(default_factory=dict)

    def bundle(self, path: Path, format_name: str = "universal") -> dict[str, ProvenImage]:
        """Write a bundle and return what went in, by name."""
        asked = [name or self.source.listings()[0].id for name in self.names]
        copied = copy(self.source, create_bundle(path, format_name), asked)
        images = {name: _called(copied, name) for name in self.names}
        for name, image_id in self.known.items():
            assert image_id_of(images[name]) == image_id
        return images


def _called(images: list[ProvenImage], name: str) -> ProvenImage:
    """Return the one image of a name; where none has it, as one without a name, the only one."""
    found = [each for each in images if any(same(stored, name) for stored in each.names)] or images
    (one,) = found
    return one


def image_id_of(proven: ProvenImage) -> str:
    return shown(proven).image_id


def diff_ids_of(proven: ProvenImage) -> list[str]:
    return list(shown(proven).diff_ids)


def shown(proven: ProvenImage) -> Held:
    """Return what an engine shows of an image: of several platforms, the one for linux/amd64."""
    picture = proven.preferred()
    assert picture is not None
    return Held.of_config(picture.config.raw)


def expected(path: Path, format_name: str, images: dict[str, ProvenImage]) -> dict[str, Held]:
    """Return what every engine must have of a bundle: a dir has no names; rule R makes images of v1 layers."""
    if format_name == "dir":
        (proven,) = {image.top.digest: image for image in images.values()}.values()
        return {NAMELESS: shown(proven)}
    if format_name != "docker-v1":
        return {name: shown(proven) for name, proven in images.items()}
    bundle = open_bundle(path)
    asked = {name: name or bundle.listings()[0].id for name in images}
    return {name: shown(verify(bundle, [ask]).images[0]) for name, ask in asked.items()}


def several(folder: Path) -> Cargo:
    """Two images, one's top layer being the other's parent, under five names; and one beside them."""
    sample_store(folder / "home")
    root = shutil.copytree(folder / "home/sample", folder / "root", symlinks=True)
    path = root / "repositories-aufs"
    table = json.loads(path.read_bytes())["Repositories"]
    chain = [layer.key for layer in GraphStore(root).image("ubuntu:14.04").layers]
    table["base"] = {"1": chain[2], "latest": chain[2]}
    table["registry.example:5000/team/root"] = {"2.1": chain[0]}
    path.write_text(json.dumps({"Repositories": table}))
    tags = ["ubuntu:14.04", "ubuntu:trusty"]
    names = [*tags, "base:1", "base:latest", "registry.example:5000/team/root:2.1"]
    return Cargo(GraphStore(root), names, dict.fromkeys(tags, SAMPLE_ID))


def repeated(folder: Path) -> Cargo:
    """An image that Docker 20.10.24 made, with one layer twice, under two names."""
    names = ["v1id:x", "v1id:y"]
    return in_layout(folder, docker_saved(SAVED), *names, known=dict.fromkeys(names, SAVED_ID))


def platforms(folder: Path) -> Cargo:
    """An index of two platforms; one layer stands twice, and some are compressed."""
    gz = gzip.compress(ONE, mtime=0)
    here = image(
        gz,
        TWO,
        gz,
        diff_ids=[sha256(ONE), sha256(TWO), sha256(ONE)],
        media_types=[f"{LAYER}+gzip", LAYER, f"{LAYER}+gzip"],
        history=HISTORY,
        config={"Cmd": ["/bin/sh"]},
    )
    return in_layout(folder, index(image(TWO, architecture="arm64"), here), "app:1")


def schema2(folder: Path, *names: str) -> Cargo:
    """An image whose documents are of Docker's own types, as a containerd keeps what a registry sent."""
    picture = image(ONE, TWO, history=HISTORY[:2])
    raw = picture.raw
    for oci, docker in DOCKER_TYPES.items():
        raw = raw.replace(oci.encode(), docker.encode())
    blobs = {**picture.blobs, sha256(raw): raw}
    return in_layout(folder, Picture(raw, DOCKER_TYPES[MANIFEST], blobs), *(names or ("app:1", "app:2")))


def nameless(folder: Path) -> Cargo:
    """An image without a name."""
    return in_layout(folder, image(ONE, TWO, history=HISTORY[:2]), NAMELESS)


def empty(folder: Path) -> Cargo:
    """An image without layers."""
    return in_layout(folder, image(config={"Cmd": ["/bin/sh"]}), "app:1")


def packed(folder: Path, compression: str) -> Cargo:
    """A docker archive whose layers are compressed."""
    config = encode(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [sha256(ONE), sha256(TWO)]},
        }
    )
    item = {"Config": "config.json", "RepoTags": ["app:1"], "Layers": ["1.tar", "2.tar"]}
    layers = {name: PACKED[compression](body) for name, body in (("1.tar", ONE), ("2.tar", TWO))}
    files = {"config.json": config, **layers, "manifest.json": encode([item])}
    return Cargo(open_bundle(written(folder / "packed.tar", files)), ["app:1"])


def in_layout(
    folder: Path,
    picture: Picture,
    *names: str,
    known: dict[str, str] | None = None,
) -> Cargo:
    path = written(folder / "layout.tar", layout(*((name, picture) for name in names)))
    return Cargo(open_bundle(path), list(names), known or {})


CARGOES: dict[str, Callable[[Path], Cargo]] = {
    "several": several,
    "repeated": repeated,
    "platforms": platforms,
    "schema2": schema2,
    "schema2-once": lambda folder: schema2(folder, "app:1"),
    "nameless": nameless,
    "empty": empty,
    "zstd": partial(packed, compression="zstd"),
    "xz": partial(packed, compression="xz"),
}
