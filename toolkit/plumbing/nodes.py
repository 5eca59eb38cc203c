"""Making one file system node of one tar entry, in an open folder, no link followed.

The order is write, owner, xattrs, mode, times: a change of owner clears setuid and capabilities, and
everything else changes times (formats E.6). Modes are set through a handle on what was just made, never
by a name, which could be a link by then (CVE-2021-32760).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from toolkit.errors import UnsafeArchive
from toolkit.plumbing.files import write_all
from toolkit.plumbing.profile import EVERYTHING, Profile
from toolkit.plumbing.tarheader import BLOCK_DEVICE, CHARACTER, Entry
from toolkit.plumbing.tree import FOLDER, components
from toolkit.plumbing.whiteouts import BAD_WHITEOUTS
from toolkit.ports import Block

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
NODE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC  # a handle on a node that is not to be opened
OWNERS = range(2**32 - 1)  # 2^32-1 would mean "leave it" to the kernel
MAJORS, MINORS = range(1 << 12), range(1 << 20)  # what Linux keeps of a device number
SECOND = 10**9  # nanoseconds
OVERLAY_XATTRS = (b"trusted.overlay.", b"user.overlay.")
LONGEST_TARGET = 4095  # bytes of a symbolic link's text, on Linux


def check(entry: Entry) -> None:
    """Refuse what no engine makes the same thing of, before anything is made; raises UnsafeArchive."""
    for _, problem in faults(entry):
        raise UnsafeArchive("", problem)


def faults(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield what no engine makes the same thing of: which check fails (toolkit.checks), and how."""
    for what, owner in (("uid", entry.uid), ("gid", entry.gid)):
        if owner not in OWNERS:
            yield "owner", f"has the {what} {owner}, expected 0 to {OWNERS.stop - 1}"
    if entry.is_device and (entry.major not in MAJORS or entry.minor not in MINORS):
        yield "device", f"is the device {entry.major}:{entry.minor}, which no Linux has"
    if entry.type == CHARACTER and not entry.major and not entry.minor:
        yield "overlay", "is the device 0:0, which overlay file systems take for a whiteout"
    if entry.is_symlink and not entry.linkname:
        yield "name", "is a link to an empty name"
    if entry.is_symlink and len(entry.linkname) > LONGEST_TARGET:
        problem = f"is a link to a name of {len(entry.linkname)} bytes, expected at most {LONGEST_TARGET}"
        yield "name", problem
    for key in entry.xattrs:
        if key.startswith(OVERLAY_XATTRS):
            yield "overlay", f"has the xattr {key!r}, which overlay file systems act on"


def check_path(entry: Entry, parts: list[bytes]) -> None:
    """Refuse a path, in its components, that no engine makes the same thing of; raises UnsafeArchive."""
    if not parts and not entry.is_directory:
        raise UnsafeArchive("", "would replace the root folder")  # CVE-2021-29136
    if parts and parts[-1] in BAD_WHITEOUTS:
        raise UnsafeArchive("", "is a whiteout of nothing")
    if entry.is_hard_link:
        components(entry.linkname.lstrip(b"/"), "")


def make_file(
    parent: int, name: bytes, entry: Entry, body: Iterator[Block], profile: Profile = EVERYTHING
) -> None:
    """Make a regular file."""
    handle = os.open(name, NEW_FILE, 0o600, dir_fd=parent)
    try:
        for block in body:
            write_all(handle, block)
        _dress(handle, entry, profile)
        os.utime(handle, ns=times(entry))
    finally:
        os.close(handle)


def make_folder(parent: int, name: bytes, entry: Entry, *, exists: bool) -> None:
    """Make a folder, or give the one that is there its owner and mode; its times come last of all."""
    if not exists:
        os.mkdir(name, 0o700, dir_fd=parent)
    handle = os.open(name, FOLDER, dir_fd=parent)
    try:
        _dress(handle, entry)
    finally:
        os.close(handle)


def make_implied_folder(parent: int, name: bytes, mode: int) -> None:
    """Make a folder that no entry describes; a setgid parent passes its group and that bit on."""
    os.mkdir(name, 0o700, dir_fd=parent)
    handle = os.open(name, FOLDER, dir_fd=parent)
    try:
        os.fchmod(handle, mode | (os.fstat(handle).st_mode & stat.S_ISGID))
    finally:
        os.close(handle)


def dress_root(handle: int, entry: Entry) -> None:
    """Give the top folder what its own entry says."""
    _dress(handle, entry)


def make_special(parent: int, name: bytes, entry: Entry, profile: Profile = EVERYTHING) -> None:
    """Make a symbolic link, fifo or device."""
    if entry.is_symlink:
        os.symlink(entry.linkname, name, dir_fd=parent)
    elif entry.is_device:
        kind = stat.S_IFBLK if entry.type == BLOCK_DEVICE else stat.S_IFCHR
        os.mknod(name, kind | 0o600, os.makedev(entry.major, entry.minor), dir_fd=parent)
    else:
        os.mkfifo(name, 0o600, dir_fd=parent)
    _dress_named(parent, name, entry, profile)


def make_link(parent: int, name: bytes, target_parent: int, target: bytes) -> None:
    """Give a node a second name, a symbolic link too, and leave it as it is."""
    os.link(target, name, src_dir_fd=target_parent, dst_dir_fd=parent, follow_symlinks=False)


def dress_link(parent: int, name: bytes, entry: Entry) -> None:
    """Give a node what the header of its second name says, as Docker does."""
    _dress_named(parent, name, entry, EVERYTHING)


def times(entry: Entry) -> tuple[int, int]:
    """Return access and modification time in nanoseconds: Docker's writers keep only the latter."""
    modified = entry.mtime * SECOND + entry.mtime_ns
    return modified, modified


def _dress(handle: int, entry: Entry, profile: Profile = EVERYTHING) -> None:
    if profile.owners:
        os.fchown(handle, entry.uid, entry.gid)
    if profile.xattrs:
        for key, value in entry.xattrs.items():
            os.setxattr(handle, key, value)
    os.fchmod(handle, profile.mode(entry))


def _dress_named(parent: int, name: bytes, entry: Entry, profile: Profile) -> None:
    """Dress what cannot be opened without side effects."""
    facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
    is_ours = (facts.st_uid, facts.st_gid) == (entry.uid, entry.gid)
    if profile.owners and not is_ours:  # a second name keeps its capabilities
        os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
    if profile.xattrs:
        for key, value in entry.xattrs.items():
            os.setxattr(b"/proc/self/fd/%d/%b" % (parent, name), key, value, follow_symlinks=False)
    if not stat.S_ISLNK(facts.st_mode):
        _set_mode(parent, name, profile.mode(entry))
    os.utime(name, ns=times(entry), dir_fd=parent, follow_symlinks=False)


def _set_mode(parent: int, name: bytes, mode: int) -> None:
    """Set the mode of what has the name now, also where that is a link a moment later."""
    handle = os.open(name, NODE, dir_fd=parent)
    try:
        os.chmod(b"/proc/self/fd/%d" % handle, mode)  # of a link it is refused
    finally:
        os.close(handle)
