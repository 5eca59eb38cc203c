"""Storage drivers of the legacy era: where each keeps a layer's files (formats A.9).

aufs keeps a layer's own changes; overlay and vfs keep the whole tree the layer results in.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import MissingMember, UnsafeArchive, Unsupported
from toolkit.plumbing.files import storing
from toolkit.plumbing.tree import Tree


@dataclass(frozen=True, slots=True)
class Driver:
    """One storage driver: its name, its folder of a layer, and the rule its layersize follows."""

    name: str
    folder: str  # below the root, with {id}
    whole_tree: bool  # the folder holds the merged tree, not the layer's own changes
    size_rule: str  # formats A.4, Docker 1.5 to 1.9


AUFS = Driver("aufs", "aufs/diff/{id}", whole_tree=False, size_rule="S3")
OVERLAY = Driver("overlay", "overlay/{id}/root", whole_tree=True, size_rule="S5")
VFS = Driver("vfs", "vfs/dir/{id}", whole_tree=True, size_rule="S5")
DRIVERS = {driver.name: driver for driver in (AUFS, OVERLAY, VFS)}
MOVED = re.compile(r"(?:/[^/\0]{1,255}){1,64}")  # what the 0.6 to 0.7 migration left in diff/<id>


def driver_named(name: str, place: str) -> Driver:
    """Return the driver; raises Unsupported with the ones we read."""
    if name not in DRIVERS:
        known = ", ".join(sorted(DRIVERS))
        raise Unsupported(place, f"uses the storage driver {name!r}, expected one of {known}")
    return DRIVERS[name]


def holds(root: Path, driver: Driver, layer_id: str) -> bool:
    """Tell whether the driver has a folder, or what the migration left, for a layer."""
    return os.path.lexists(root / driver.folder.format(id=layer_id))


def layer_tree(root: Path, driver: Driver, layer_id: str) -> Tree:
    """Open the folder that holds a layer's files; raises MissingMember naming it.

    `aufs/diff/<id>` may be an absolute link that the migration from 0.6 left. It is read as text and
    its target looked for inside this root: on this machine the path it names is somebody else's.
    """
    below = driver.folder.format(id=layer_id)
    subject = f"{root}/{below}"
    with Tree(root) as top:
        try:
            return Tree(top.folder([part.encode() for part in below.split("/")]), subject)
        except MissingMember as error:
            target = _moved_to(root / below, layer_id)
            if target is None:
                raise MissingMember(
                    f"layer {layer_id[:12]}", f"its folder {subject} is not there", "the store is incomplete"
                ) from error
            return Tree(top.folder([part.encode() for part in target.split("/")]), f"{root}/{target}")


def _moved_to(path: Path, layer_id: str) -> str | None:
    if not path.is_symlink():
        return None
    with storing(path):
        text = os.readlink(path)
    inside = f"graph/{layer_id}/layer"
    if not MOVED.fullmatch(text) or not text.endswith("/" + inside):
        raise UnsafeArchive(str(path), f"is a link to {text[:200]!r}, expected a folder or …/{inside}")
    return inside
