"""A whole tree copied by handle: owners, modes, times, xattrs, and hard links inside the tree."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from toolkit.plumbing.files import storing
from toolkit.plumbing.nodes import NEW_FILE
from toolkit.plumbing.profile import PERMISSIONS
from toolkit.plumbing.sharing import copy_range
from toolkit.plumbing.tree import FOLDER, Tree
from toolkit.plumbing.walk import walk


def copy_tree(source: Tree, target: Tree) -> None:
    """Copy everything below `source` into the empty folder `target`; sockets have no place in a layer.

    The top folder itself is left as it is, as Docker's vfs does. Raises StoreError.
    """
    first_names: dict[tuple[int, int], bytes] = {}
    for path, facts in walk(source):
        with storing(f"{target.subject}/{path.decode(errors='backslashreplace')}"):
            inode = (facts.st_dev, facts.st_ino)
            if inode in first_names:
                _link(target, first_names[inode], path)
            elif not stat.S_ISSOCK(facts.st_mode):
                _copy(source, target, path, facts)
                if facts.st_nlink > 1 and not stat.S_ISDIR(facts.st_mode):
                    first_names[inode] = path
    for path, facts in walk(source):
        if stat.S_ISDIR(facts.st_mode):
            os.utime(target.folder(path.split(b"/")), ns=(facts.st_mtime_ns, facts.st_mtime_ns))


def _copy(source: Tree, target: Tree, path: bytes, facts: os.stat_result) -> None:
    *folder, name = path.split(b"/")
    here, there = source.folder(folder), target.folder(folder)
    if stat.S_ISREG(facts.st_mode):
        _copy_file(here, there, name, facts)
    elif stat.S_ISDIR(facts.st_mode):
        _copy_folder(here, there, name, facts)
    else:
        _copy_special(here, there, name, facts)


def _copy_file(here: int, there: int, name: bytes, facts: os.stat_result) -> None:
    old = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    try:
        new = os.open(name, NEW_FILE, 0o600, dir_fd=there)
        try:
            copy_range(old, new, 0, facts.st_size)
            _dress(old, new, facts)
            os.utime(new, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
        finally:
            os.close(new)
    finally:
        os.close(old)


def _copy_folder(here: int, there: int, name: bytes, facts: os.stat_result) -> None:
    os.mkdir(name, 0o700, dir_fd=there)
    old = os.open(name, FOLDER, dir_fd=here)
    try:
        new = os.open(name, FOLDER, dir_fd=there)
        try:
            _dress(old, new, facts)
        finally:
            os.close(new)
    finally:
        os.close(old)


def _dress(old: int, new: int, facts: os.stat_result) -> None:
    os.fchown(new, facts.st_uid, facts.st_gid)
    for key in os.listxattr(old):
        os.setxattr(new, key, os.getxattr(old, key))
    os.fchmod(new, facts.st_mode & PERMISSIONS)


def _copy_special(here: int, there: int, name: bytes, facts: os.stat_result) -> None:
    if stat.S_ISLNK(facts.st_mode):
        os.symlink(os.readlink(name, dir_fd=here), name, dir_fd=there)
    else:
        os.mknod(name, stat.S_IFMT(facts.st_mode) | 0o600, facts.st_rdev, dir_fd=there)
    os.chown(name, facts.st_uid, facts.st_gid, dir_fd=there, follow_symlinks=False)
    old, new = (b"/proc/self/fd/%d/%b" % (folder, name) for folder in (here, there))
    with suppress(FileNotFoundError):  # no /proc: such nodes hardly ever have xattrs
        for key in os.listxattr(old, follow_symlinks=False):
            os.setxattr(new, key, os.getxattr(old, key, follow_symlinks=False), follow_symlinks=False)
    if not stat.S_ISLNK(facts.st_mode):
        os.chmod(name, facts.st_mode & PERMISSIONS, dir_fd=there)
    os.utime(name, ns=(facts.st_mtime_ns, facts.st_mtime_ns), dir_fd=there, follow_symlinks=False)


def _link(target: Tree, first: bytes, path: bytes) -> None:
    *folder, name = path.split(b"/")
    *first_folder, first_name = first.split(b"/")
    with Tree(target.handle, target.subject) as firsts:
        os.link(
            first_name,
            name,
            src_dir_fd=firsts.folder(first_folder),
            dst_dir_fd=target.folder(folder),
            follow_symlinks=False,
        )
