"""Removing whatever has a name in an open folder, by handle, no link followed, no recursion."""

from __future__ import annotations

import os
import stat

from toolkit.plumbing.tree import FOLDER


def remove(parent: int, name: bytes) -> None:
    """Remove a file, a link, or a folder with all it holds; nothing where there is nothing."""
    try:
        facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(facts.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    _empty(os.open(name, FOLDER, dir_fd=parent))
    os.rmdir(name, dir_fd=parent)


def _empty(handle: int) -> None:
    """Remove everything below an open folder, and close it."""
    stack = [(b"", handle, _clear_files(handle))]
    try:
        while stack:
            name, handle, folders = stack[-1]
            if folders:
                below = folders.pop()
                stack.append((below, os.open(below, FOLDER, dir_fd=handle), []))
                stack[-1][2].extend(_clear_files(stack[-1][1]))
                continue
            os.close(stack.pop()[1])
            if stack:
                os.rmdir(name, dir_fd=stack[-1][1])
    finally:
        for _, left_open, _ in stack:
            os.close(left_open)


def _clear_files(handle: int) -> list[bytes]:
    """Remove all but the folders in an open folder; return their names."""
    folders = []
    with os.scandir(handle) as found:
        items = list(found)
    for item in items:
        if item.is_dir(follow_symlinks=False):
            folders.append(os.fsencode(item.name))
        else:
            os.unlink(item.name, dir_fd=handle)
    return folders
