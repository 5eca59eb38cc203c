"""Where engines keep their stores on a disk: the usual folders, as the disk's own system sees them.

A disk of another machine is read where it is mounted: a link on it, as `/var/lib/docker -> /data/docker`, is
meant from its own top, and followed there; never into the machine that reads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from toolkit.errors import StoreError, UnsafeArchive
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.plumbing.inside import Inside
from toolkit.stores.kinds import known_at

DEEPEST = 64  # folders on the way to a store
REMAPPED = "[0-9]*.[0-9]*"  # what userns-remap calls a data root, below the usual one
USUAL = (
    "docker", "containers/storage", "storage", "containerd", "containerd/daemon", "registry",
    "docker-registry", f"docker/{REMAPPED}", "rancher/k3s/agent/containerd", "rancher/rke2/agent/containerd",
)  # fmt: skip
PERSONAL = ("docker", "containers/storage")  # of engines that run without root
BELOW = (
    *(f"var/lib/{name}" for name in USUAL),
    "var/snap/docker/common/var-lib-docker",
    *(f"{home}/.local/share/{name}" for home in ("home/*", "root") for name in PERSONAL),
    *(f"lib/{name}" for name in USUAL),
    *(f".local/share/{name}" for name in PERSONAL),
    *USUAL,
    REMAPPED,
)


def stores_at(path: Path) -> list[tuple[str, Path]]:
    """Return each kind and folder of the stores that a folder is, else of those in the usual folders below.

    A data root of Docker with images of a graph driver may have a containerd store beside them.
    """
    if kinds := known_at(path):
        return [(kind, path) for kind in kinds]
    found: dict[Path, list[str]] = {}
    for _, folder in _usual(path):
        if folder not in found and folder.is_dir() and (kinds := known_at(folder)):
            found[folder] = kinds
    return [(kind, folder) for folder, kinds in found.items() for kind in kinds]


def lost_link(path: Path) -> str:
    """Name a usual folder that is a link to what is not on the disk, and that; empty where none is."""
    for below, folder in _usual(path):
        if folder != path / below and not os.path.lexists(folder):
            return f"{path / below} leads to {folder}, which is not there"
    return ""


def _usual(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the usual folders by name, and where links lead from there; they may be there or not."""
    with closing(FolderFiles(path).tree("")) as tree:
        inside = Inside(tree, lambda _: None, DEEPEST)

        def at(below: str) -> str:
            parts = inside.find([os.fsencode(part) for part in below.split("/") if part])
            return "/".join(map(os.fsdecode, parts))

        for pattern in BELOW:
            # Not there: behind a file, or a loop of links; of all homes those that are not ours to see.
            with suppress(UnsafeArchive, *([StoreError] if "*" in pattern else [])):
                for below in _fitting(path, pattern, at):
                    yield below, path / at(below)


def _fitting(path: Path, pattern: str, at: Callable[[str], str]) -> Iterator[str]:
    """Yield what fits a pattern, one part of which may have wildcards."""
    parts = pattern.split("/")
    wild = next((number for number, part in enumerate(parts) if "*" in part), None)
    if wild is None:
        yield pattern
        return
    for name in FolderFiles(path).names(at("/".join(parts[:wild]))):
        if fnmatchcase(name, parts[wild]):
            yield "/".join([*parts[:wild], name, *parts[wild + 1 :]])
