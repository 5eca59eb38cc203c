"""Graph drivers of Docker 1.10 and later: where each keeps a layer's files (formats B.2, B.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from toolkit.errors import UnsafeArchive
from toolkit.stores.trees.stored import AUFS, OVERLAY, WHOLE

CACHE_ID = re.compile(r"[a-z0-9]{1,128}")  # 64 hex digits; BuildKit has 25 letters and digits


@dataclass(frozen=True, slots=True)
class Driver:
    """One graph driver: its name, a layer's folder with {id}, what lies there, and its rule of size."""

    name: str
    folder: str  # below the data root
    form: str
    size_rule: str

    def tree(self, cache_id: str, subject: str) -> str:
        """Return a layer's folder; raises UnsafeArchive for a cache-id that is no plain name."""
        if not CACHE_ID.fullmatch(cache_id):
            problem = f"its cache-id is {cache_id[:100]!r}, expected lower-case letters and digits"
            raise UnsafeArchive(subject, problem)
        return self.folder.format(id=cache_id)


DRIVERS = {
    driver.name: driver
    for driver in (
        Driver("overlay2", "overlay2/{id}/diff", OVERLAY, "S3"),
        Driver("fuse-overlayfs", "fuse-overlayfs/{id}/diff", OVERLAY, "S3"),
        Driver("aufs", "aufs/diff/{id}", AUFS, "S3"),
        Driver("overlay", "overlay/{id}/root", WHOLE, "S5"),
        Driver("vfs", "vfs/dir/{id}", WHOLE, "S5"),
        Driver("btrfs", "btrfs/subvolumes/{id}", WHOLE, "S5"),
        Driver("zfs", "zfs/graph/{id}", WHOLE, "S5"),
        Driver("devicemapper", "devicemapper/mnt/{id}/rootfs", WHOLE, "S5"),
    )
}
