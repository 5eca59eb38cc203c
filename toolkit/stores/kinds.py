"""Which kinds of store a folder is, told by what lies at its top. Read-only, no link followed.

One that lost the folder which says what its images are is known by what is left.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from toolkit.errors import MissingMember, NotFound, ToolkitError, UnsafeArchive
from toolkit.plumbing.folder_files import FolderFiles

CONTENT = "io.containerd.content.v1.content"  # where a containerd keeps its blobs
DATABASE = "io.containerd.metadata.v1.bolt"  # and their names
IN_DOCKER = "containerd/daemon"  # a containerd's root, of a data root
IMAGES = "-images"  # ends the folders of containers/storage, behind the driver
PODMANS = ("overlay", "vfs")  # its drivers
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
LINKS = "l"  # of overlay2, to its layers
DOCKER = (
    ("overlay2", "fuse-overlayfs", "aufs/diff", "vfs/dir", "btrfs/subvolumes"),
    "neither image/DRIVER/imagedb nor, of a Docker before 1.10, graph",
)
REMAINS = {  # scheme → folders of layers that such a store alone has, and what says of which images they are
    "containers-storage": (("overlay-layers", "vfs-layers"), "no DRIVER-images"),
    "docker-root": DOCKER,
    "graph": DOCKER,
    "registry-root": (("docker/registry/v2/blobs",), "no docker/registry/v2/repositories"),
}


def no_store(scheme: str, place: str, path: Path) -> ToolkitError:
    """Return the one sentence for a folder that is no store of the kind that it was called, or is none now.

    That is MissingMember where layers are there, and what says of which images they are is not.
    """
    if left := remains(FolderFiles(path), scheme):
        problem = f"has {REMAINS[scheme][1]}, though {left} is there: of which images that was is lost"
        return MissingMember(place, problem, "bring it back from a backup of the whole root")
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
        if _is_containerd(files, below):
            return path / below
    return None


def _is_containerd(files: FolderFiles, below: str = "") -> bool:
    return files.has_folder(f"{below}{CONTENT}") or files.has_folder(f"{below}{DATABASE}")


def docker_beside(containerd: Path) -> Path | None:
    """Return the data root that a containerd is Docker's own in, where images lie with a graph driver."""
    path = Path(os.path.abspath(containerd))
    if not path.match(IN_DOCKER):
        return None
    root = path.parents[1]
    files = FolderFiles(Path(os.path.realpath(root)))
    with suppress(ToolkitError):
        contents = (f"image/{name}/imagedb/content/sha256" for name in image_drivers(files))
        return root if any(files.names(content) for content in contents) else None
    return None


def kinds_at(path: Path) -> list[str]:
    """Name the schemes under which the folder can be read; a root that Docker migrated has two."""
    return list(dict.fromkeys(_kinds(FolderFiles(Path(os.path.realpath(path))))))


def known_at(path: Path) -> list[str]:
    """Name the schemes as `kinds_at`; of what is a store no more the one that tells what it lost."""
    files = FolderFiles(Path(os.path.realpath(path)))
    return kinds_at(path) or [scheme for scheme in REMAINS if remains(files, scheme)][:1]


def image_drivers(files: FolderFiles) -> list[str]:
    """Name the graph drivers of which a Docker data root has records."""
    folders = [name for name in files.names("image") if not _is_file(files, f"image/{name}")]
    records = ("imagedb", "layerdb")
    return [name for name in folders if any(files.has_folder(f"image/{name}/{each}") for each in records)]


def _is_file(files: FolderFiles, name: str) -> bool:
    try:
        return files.size(name) is not None
    except UnsafeArchive:
        return False


def remains(files: FolderFiles, scheme: str) -> str:
    """Return the folder, if any, by which one knows a store of this kind that cannot be read any more."""
    folders = REMAINS[scheme][0] if scheme in REMAINS else ()
    return next((folder for folder in folders if set(files.names(folder)) - {LINKS}), "")


def _kinds(files: FolderFiles) -> Iterator[str]:
    if files.size("oci-layout") is not None:
        yield "oci"
    if files.has_folder("graph"):
        yield "graph"
    has_drivers = bool(image_drivers(files))
    if has_drivers:
        yield "docker-root"
    if files.has_folder(f"containerd/daemon/{CONTENT}"):
        yield "docker-root+containerd" if has_drivers else "docker-root"
    if _is_containerd(files):
        yield "containerd-root"
    drivers = [name.removesuffix(IMAGES) for name in files.names() if name.endswith(IMAGES)]
    if any(name in PODMANS or files.has_folder(f"{name}-layers") for name in drivers):
        yield "containers-storage"
    if any(files.has_folder(name) for name in REGISTRY):
        yield "registry-root"
