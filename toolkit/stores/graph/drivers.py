"""Storage drivers of the legacy era: where each keeps a layer's files (formats A.9).

aufs keeps a layer's own changes; all others keep the whole tree the layer results in. Those of btrfs,
zfs and devicemapper are file systems of their own: a folder where none is mounted looks like a layer
without files, and is told from one by what else the root records.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import MissingMember, StoreError, ToolkitError, UnsafeArchive, Unsupported
from toolkit.plumbing.files import storing
from toolkit.plumbing.folder_files import must_be_folders
from toolkit.plumbing.tree import Tree
from toolkit.stores.trees.mounts import MOUNT, is_stub


@dataclass(frozen=True, slots=True)
class Driver:
    """One storage driver: its name, its folder of a layer, and the rule its layersize follows."""

    name: str
    folder: str  # below the root, with {id}
    whole_tree: bool  # the folder holds the merged tree, not the layer's own changes
    size_rule: str  # formats A.4, Docker 1.5 to 1.9
    mount: str = ""  # what to do where a layer is not mounted; empty where nothing has to be
    record: str = ""  # below the root, with {id}: what is there of a layer also while it is not mounted


AUFS = Driver("aufs", "aufs/diff/{id}", whole_tree=False, size_rule="S3")
OVERLAY = Driver("overlay", "overlay/{id}/root", whole_tree=True, size_rule="S5")
VFS = Driver("vfs", "vfs/dir/{id}", whole_tree=True, size_rule="S5")
BTRFS = Driver(
    "btrfs",
    "btrfs/subvolumes/{id}",
    whole_tree=True,
    size_rule="S5",
    mount=MOUNT["btrfs"],
    record="btrfs/subvolumes/{id}",
)
ZFS = Driver(
    "zfs",
    "zfs/graph/{id}",
    whole_tree=True,
    size_rule="S5",
    mount=MOUNT["zfs"],
    record="zfs/graph/{id}",
)
DEVICEMAPPER = Driver(
    "devicemapper",
    "devicemapper/mnt/{id}/rootfs",
    whole_tree=True,
    size_rule="S5",
    mount=MOUNT["devicemapper"],
    record="devicemapper/metadata/{id}",
)
DRIVERS = {driver.name: driver for driver in (AUFS, OVERLAY, VFS, BTRFS, ZFS, DEVICEMAPPER)}
MOVED = re.compile(r"(?:/[^/\0]{1,255}){1,64}")  # what the 0.6 to 0.7 migration left in diff/<id>


def driver_named(name: str, place: str) -> Driver:
    """Return the driver; raises Unsupported with the ones we read."""
    if name not in DRIVERS:
        known = ", ".join(sorted(DRIVERS))
        raise Unsupported(place, f"uses the storage driver {name!r}, expected one of {known}")
    return DRIVERS[name]


def holds(root: Path, driver: Driver, layer_id: str) -> bool:
    """Tell whether the driver has a layer: its folder, what the migration left, or a record of it."""
    places = filter(None, (driver.folder, driver.record))
    return any(os.path.lexists(root / place.format(id=layer_id)) for place in places)


def layer_tree(root: Path, driver: Driver, layer_id: str) -> Tree:
    """Open the folder that holds a layer's files; raises MissingMember naming it, or StoreError (7).

    StoreError says that the layer is not mounted: nothing is wrong with the store, or the question.
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
                raise _without_tree(root, driver, layer_id) from error
            return Tree(top.folder([part.encode() for part in target.split("/")]), f"{root}/{target}")


def stands_for_a_tree(root: Path, driver: Driver, tree: Tree) -> bool:
    """Tell whether a layer's folder may only be where its tree would be."""
    return is_stub(tree, root / driver.folder.partition("{id}")[0], driver.name)


def not_mounted(root: Path, driver: Driver, layer_id: str) -> StoreError:
    """Return the sentence for a layer that is there, and whose tree is not."""
    problem = f"its {driver.name} tree {root / driver.folder.format(id=layer_id)} is not mounted"
    return StoreError(f"layer {layer_id[:12]}", problem, driver.mount)


def _without_tree(root: Path, driver: Driver, layer_id: str) -> ToolkitError:
    """Return the sentence for a folder that is not there: gone, or only not mounted.

    Gone is what the driver has no record of although it has records of others. Raises UnsafeArchive where
    a link is in the way.
    """
    folder, record = (root / place.format(id=layer_id) for place in (driver.folder, driver.record))
    with storing(folder):
        must_be_folders(folder, root)
    if driver.mount and (os.path.lexists(record) or not _names(record.parent)):
        return not_mounted(root, driver, layer_id)
    return MissingMember(
        f"layer {layer_id[:12]}", f"its folder {folder} is not there", "the store is incomplete"
    )


def _names(folder: Path) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)
    return []


def _moved_to(path: Path, layer_id: str) -> str | None:
    if not path.is_symlink():
        return None
    with storing(path):
        text = os.readlink(path)
    inside = f"graph/{layer_id}/layer"
    if not MOVED.fullmatch(text) or not text.endswith("/" + inside):
        raise UnsafeArchive(str(path), f"is a link to {text[:200]!r}, expected a folder or …/{inside}")
    return inside
