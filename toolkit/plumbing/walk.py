"""A walk over a tree by handle, in the order of Go's filepath.Walk: names sorted within each folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from toolkit.errors import UnsafeArchive
from toolkit.plumbing.tree import FOLDER, Tree

DEPTH = 1024  # folders; a path of 4096 bytes has no more than twice as many


def walk(tree: Tree) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield every path below the root with its lstat, parents first, no link followed.

    Raises CorruptContent where one goes meanwhile, UnsafeArchive or StoreError.
    """
    top = os.dup(tree.handle)
    stack = [(b"", top, _children(tree, b"", top))]
    try:
        while stack:
            prefix, handle, names = stack[-1]
            name = next(names, None)
            if name is None:
                os.close(stack.pop()[1])
                continue
            path = prefix + name
            with tree.met(path):
                facts = os.stat(name, dir_fd=handle, follow_symlinks=False)
            yield path, facts
            if stat.S_ISDIR(facts.st_mode):
                if len(stack) > DEPTH:
                    raise UnsafeArchive(tree.subject, f"has folders nested deeper than {DEPTH}")
                with tree.met(path):
                    below = os.open(name, FOLDER, dir_fd=handle)
                stack.append((path + b"/", below, _children(tree, path, below)))
    finally:
        for _, handle, _ in stack:
            os.close(handle)


def _children(tree: Tree, path: bytes, handle: int) -> Iterator[bytes]:
    with tree.met(path):
        names = os.listdir(handle)
    yield from sorted(map(os.fsencode, names))
