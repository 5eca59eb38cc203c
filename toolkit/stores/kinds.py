"""Which kinds of store a folder is, told by what lies at its top. Read-only, no link followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from toolkit.plumbing.folder_files import FolderFiles

CONTENT = "io.containerd.content.v1.content"  # where a containerd keeps its blobs
IMAGES = "-images"  # ends the folders of containers/storage, behind the driver
REGISTRY = ("docker/registry/v2/repositories", "registry/v2/repositories", "v2/repositories")


BELOW = (
    "var/lib/docker", "var/lib/containers/storage", "var/lib/containerd", "var/lib/registry",
    "lib/docker", "lib/containers/storage", "lib/containerd", "lib/registry",
    "docker", "containers/storage", "storage", "containerd", "containerd/daemon", "registry",
)  # fmt: skip


def stores_at(path: Path) -> list[tuple[str, Path]]:
    """Return each kind and folder of the stores that a folder is, else of those in the usual folders below.

    A data root of Docker with images of a graph driver may have a containerd store beside them.
    """
    if kinds := kinds_at(path):
        return [(kind, path) for kind in kinds]
    found: dict[Path, list[str]] = {}
    for below in BELOW:
        folder = path / below
        if folder.is_dir() and (kinds := kinds_at(folder)):
            found.setdefault(folder, kinds)
    return [(kind, folder) for folder, kinds in found.items() for kind in kinds]


def kinds_at(path: Path) -> list[str]:
    """Name the schemes under which the folder can be read; a root that Docker migrated has two."""
    return list(dict.fromkeys(_kinds(FolderFiles(Path(os.path.realpath(path))))))


def _kinds(files: FolderFiles) -> Iterator[str]:
    if files.size("oci-layout") is not None:
        yield "oci"
    if files.has_folder("graph"):
        yield "graph"
    has_drivers = any(files.has_folder(f"image/{name}/imagedb") for name in files.names("image"))
    if has_drivers:
        yield "docker-root"
    if files.has_folder(f"containerd/daemon/{CONTENT}"):
        yield "docker-root+containerd" if has_drivers else "docker-root"
    if files.has_folder(CONTENT):
        yield "containerd-root"
    drivers = [name.removesuffix(IMAGES) for name in files.names() if name.endswith(IMAGES)]
    if any(files.has_folder(f"{driver}-layers") for driver in drivers):
        yield "containers-storage"
    if any(files.has_folder(name) for name in REGISTRY):
        yield "registry-root"
