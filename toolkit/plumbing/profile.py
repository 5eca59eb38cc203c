"""Which facts of a tar entry become facts of a file: all of them, or those that are safe with anybody.

The safe ones are content, permission bits, times and link targets (formats G.5). What the rest would do
on this machine is for whoever asks for it: a setuid program runs as its owner, a device is a disk.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.plumbing.tarheader import Entry

PERMISSIONS = 0o7777
CHARACTER_DEVICE, BLOCK_DEVICE, FIFO = "character device", "block device", "fifo"
HARD_LINK = "hard link"  # to one of those three
SETUID, SETGID, STICKY = "setuid bit", "setgid bit", "sticky bit"
OWNER, XATTR = "owner", "xattr"
NODES = {b"3": CHARACTER_DEVICE, b"4": BLOCK_DEVICE, b"6": FIFO}
BITS = {SETUID: stat.S_ISUID, SETGID: stat.S_ISGID, STICKY: stat.S_ISVTX}


@dataclass(frozen=True, slots=True)
class Profile:
    """What is kept beside what is always kept."""

    owners: bool = False  # else files belong to whoever makes them
    xattrs: bool = False
    devices: bool = False  # device nodes and fifos
    setuid: bool = False  # setuid and setgid bits, and the sticky bit of files
    top: bool = False  # what the entry `./` says of the top folder (formats E.4)

    def mode(self, entry: Entry) -> int:
        """Return the mode to set."""
        if self.setuid:
            return entry.mode & PERMISSIONS
        return entry.mode & (0o1777 if entry.is_directory else 0o777)

    def makes(self, entry: Entry) -> bool:
        """Tell whether there will be anything of an entry."""
        return self.devices or entry.type not in NODES

    def lost(self, entry: Entry, owner: tuple[int, int]) -> Iterator[str]:
        """Yield the kinds of what is left out of an entry; `owner` are the uid and gid of its maker."""
        if not self.makes(entry):
            yield NODES[entry.type]
            return
        if entry.is_hard_link:  # its facts are those of what it leads to
            return
        if not self.owners and (entry.uid, entry.gid) != owner:
            yield OWNER
        if not self.xattrs and entry.xattrs:
            yield XATTR
        if not entry.is_symlink:
            gone = entry.mode & PERMISSIONS & ~self.mode(entry)
            yield from (kind for kind, bit in BITS.items() if gone & bit)


EVERYTHING = Profile(owners=True, xattrs=True, devices=True, setuid=True, top=True)
SAFE = Profile()
