"""Two folders compared file by file: what differs, in words.

Compared are names, types, modes, owners, sizes of files, device numbers, times of everything but
folders whose time is a clock's, link targets, groups of hard links, xattrs and contents.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

Facts = dict[str, object]


def differences(
    one: Path, other: Path, *, clock: Callable[[str], bool] = lambda _: False, times: bool = True
) -> list[str]:
    """Return one line for each fact that differs. `clock` says which paths have a time of no meaning."""
    first, second = dict(facts(one)), dict(facts(other))
    lines = [f"{path}: only in {one}" for path in first.keys() - second.keys()]
    lines += [f"{path}: only in {other}" for path in second.keys() - first.keys()]
    for path in sorted(first.keys() & second.keys()):
        for fact, value in first[path].items():
            ignored = fact == "mtime" and (not times or clock(path))
            if not ignored and second[path][fact] != value:
                lines.append(f"{path}: {fact} is {second[path][fact]!r}, expected {value!r}")
    return lines


def facts(top: Path) -> Iterator[tuple[str, Facts]]:
    """Yield every path below `top`, and `.` itself, with what is compared."""
    inodes: dict[int, list[str]] = {}
    found: dict[str, Facts] = {}
    for path in [top, *_walk(top)]:
        name = os.path.relpath(path, top)
        status = path.lstat()
        found[name] = _facts(path, status)
        if not stat.S_ISDIR(status.st_mode):
            inodes.setdefault(status.st_ino, []).append(name)
    for names in inodes.values():
        for name in names:
            found[name]["links"] = sorted(names)
    yield from found.items()


def _walk(top: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(top):
        for name in [*folders, *files]:
            yield Path(folder, name)


def _facts(path: Path, status: os.stat_result) -> Facts:
    kind = stat.S_IFMT(status.st_mode)
    return {
        "mode": stat.filemode(status.st_mode),
        "owner": (status.st_uid, status.st_gid),
        "size": None if kind == stat.S_IFDIR else status.st_size,
        "device": status.st_rdev,
        "mtime": status.st_mtime_ns,
        "target": os.readlink(path) if kind == stat.S_IFLNK else None,
        "xattrs": {
            key: os.getxattr(path, key, follow_symlinks=False)
            for key in os.listxattr(path, follow_symlinks=False)
        },
        "content": hashlib.sha256(path.read_bytes()).hexdigest() if kind == stat.S_IFREG else None,
    }
