"""Which kinds of store a folder is, told by what lies at its top. Read-only, no link followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from toolkit.errors import NotFound
from toolkit.plumbing.folder_files import FolderFiles

CONTENT = "io.containerd.content.v1.content"  # where a containerd keeps its blobs
DATABASE = "io.containerd.metadata.v1.bolt"  # and their names
IN_DOCKER = "containerd/daemon"  # a containerd's root, of a data root
IMAGES = "-images"  # ends the folders of containers/storage, behind the driver
REGISTRY = ("docker/registry/v2/repositories", "registry/v2/repositories", "v2/repositories")
TOLD = {  # scheme → what a store of the kind is called, what lies at its top, and where one usually is
    "oci": ("OCI image layout", "oci-layout", ""),
    "graph": ("data root of Docker 0.7 to 1.9", "graph", "/var/lib/docker"),
    "docker-root": ("data root of Docker 1.10 or later", "image/DRIVER/imagedb", "/var/lib/docker"),
    "containers-storage": (
        "root of podman, buildah or CRI-O", "DRIVER-images", "/var/lib/containers/storage",
    ),
    "containerd-root": ("store of containerd", CONTENT, "/var/lib/containerd"),
    "registry-root": ("storage of a v2 registry", "docker/registry/v2", "/var/lib/registry"),
}  # fmt: skip
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


def no_store(scheme: str, place: str) -> NotFound:
    """Return the one sentence for a folder that is no store of the kind that it was called."""
    kind, first, usual = TOLD[scheme]
    advice = f"give the folder itself, as {usual}" if usual else "give the folder itself"
    return NotFound(place, f"holds no {kind}: there is no {first} in it", advice)


def holds_containerd(path: Path) -> Path | None:
    """Return the containerd root that a folder is, or that Docker keeps in it; None where there is none.

    A Docker 29 whose images lie with a graph driver keeps one too, for what its containers need: see first
    whether there are images of a driver. Raises UnsafeArchive where a link has the name of such a folder.
    """
    files = FolderFiles(path)
    for below in ("", f"{IN_DOCKER}/"):
        if files.has_folder(f"{below}{CONTENT}") or files.has_folder(f"{below}{DATABASE}"):
            return path / below
    return None


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
