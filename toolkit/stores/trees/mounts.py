"""Layers of btrfs, zfs and devicemapper are file systems of their own: are they mounted?"""

from __future__ import annotations

import os
from pathlib import Path

from toolkit.plumbing.files import storing
from toolkit.plumbing.tree import Tree

BTRFS = "btrfs"
LEFT_OUT = 2  # inode of a subvolume's folder in a snapshot (btrfs: BTRFS_EMPTY_SUBVOL_DIR_OBJECTID)
OR_SAVE = "or start that Docker and let it save the image"
MOUNT = {
    BTRFS: "mount the btrfs file system that has the subvolumes: a snapshot of the root leaves them out",
    "zfs": f"mount the dataset of each of its layers there, read-only, {OR_SAVE}",
    "devicemapper": "activate the thin device (devicemapper/metadata/ID tells its device_id) of each of its "
    f"layers and mount it at devicemapper/mnt/ID, read-only, {OR_SAVE}",
}  # driver → what to do where a layer is not mounted


def is_stub(tree: Tree, around: Path, driver: str) -> bool:
    """Tell whether a layer's folder may only be where its tree would be: empty, and nothing is mounted.

    `around` is the folder that has those of all layers. A snapshot of a btrfs root has an empty folder
    for each subvolume in it, on a device of its own.
    """
    if driver not in MOUNT:
        return False
    with storing(tree.subject):
        outside, own = os.stat(around), os.fstat(tree.handle)
        is_mounted = own.st_dev != outside.st_dev and (driver != BTRFS or own.st_ino != LEFT_OUT)
        return not is_mounted and not os.listdir(tree.handle)
