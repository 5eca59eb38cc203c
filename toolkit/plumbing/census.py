"""How much there is in a tree: files, folders, links, bytes."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.plumbing.files import storing
from toolkit.plumbing.tree import FOLDER, Tree


@dataclass(frozen=True, slots=True)
class Census:
    """What lies below the top of a tree. A node with several names is one; the others are hard links."""

    files: int
    folders: int
    symlinks: int
    hard_links: int
    specials: int  # devices, fifos
    size: int  # bytes of all files


def census(tree: Tree) -> Census:
    """Count everything; no name of the tree leads out of it. Raises StoreError."""
    names: Counter[tuple[int, int]] = Counter()  # by type, and by how many names such a node has
    sizes: Counter[int] = Counter()  # of files, a name at a time, by how many they have
    with storing(tree.subject):
        for facts in _everything(tree):
            kind = stat.S_IFMT(facts.st_mode)
            links = 1 if kind == stat.S_IFDIR else facts.st_nlink
            names[kind, links] += 1
            if kind == stat.S_IFREG:
                sizes[links] += facts.st_size
    nodes: Counter[int] = Counter()
    for (kind, links), count in names.items():
        nodes[kind] += count // links
    files, folders, symlinks = (nodes[kind] for kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK))
    return Census(
        files, folders, symlinks,
        hard_links=names.total() - nodes.total(),
        specials=nodes.total() - files - folders - symlinks,
        size=sum(size // links for links, size in sizes.items()),
    )  # fmt: skip


def _everything(tree: Tree) -> Iterator[os.stat_result]:
    """Yield the lstat of all that is below the top; the names of a folder are never all in memory."""
    handles = [os.dup(tree.handle)]
    waiting = [os.scandir(handles[-1])]
    try:
        while waiting:
            item = next(waiting[-1], None)
            if item is None:
                waiting.pop().close()
                os.close(handles.pop())
                continue
            yield item.stat(follow_symlinks=False)
            if item.is_dir(follow_symlinks=False):
                handles.append(os.open(item.name, FOLDER, dir_fd=handles[-1]))
                waiting.append(os.scandir(handles[-1]))
    finally:
        for items in waiting:
            items.close()
        for handle in handles:
            os.close(handle)
