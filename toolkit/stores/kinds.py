"""Which kinds of store a folder is, told by what lies at its top. Read-only, no link followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from toolkit.plumbing.folder_files import FolderFiles

CONTENT = "io.containerd.content.v1.content"  # where a containerd keeps its blobs
IMAGES = "-images"  # ends the folders of containers/storage, behind the driver
REGISTRY = ("docker/registry/v2/repositories", "registry/v2/repositories", "v2/repositories")


def kinds_at(path: Path) -> list[str]:
    """Name the schemes under which the folder can be read; a root that Docker migrated has two."""
    return list(dict.fromkeys(_kinds(FolderFiles(Path(os.path.realpath(path))))))


def _kinds(files: FolderFiles) -> Iterator[str]:
    if files.size("oci-layout") is not None:
        yield "oci"
    if files.has_folder("graph"):
        yield "graph"
    if any(files.has_folder(f"image/{name}/imagedb") for name in files.names("image")):
        yield "docker-root"
    if files.has_folder(f"containerd/daemon/{CONTENT}"):
        yield "docker-root"
    if files.has_folder(CONTENT):
        yield "containerd-root"
    if any(name.endswith(IMAGES) and files.size(f"{name}/images.json") is not None for name in files.names()):
        yield "containers-storage"
    if any(files.has_folder(name) for name in REGISTRY):
        yield "registry-root"
