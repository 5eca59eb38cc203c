"""What lower layers have in a folder, removed; what the layer at hand brought stays (formats E.5).

A folder is gone through once however many whiteouts mean it, and its names are never all in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from toolkit.errors import UnsafeArchive
from toolkit.plumbing.nametable import NameTable
from toolkit.plumbing.removal import remove
from toolkit.plumbing.tree import Tree

Level = tuple[list[bytes], Iterator[bytes]]  # a folder, and the folders in it that are still to be seen


class Hiding:
    """The hiding that one layer does in a tree."""

    def __init__(
        self, tree: Tree, named: NameTable, filled: NameTable, bare: Callable[[bytes], object]
    ) -> None:
        """Take the paths that have an entry in the layer, and those that something of it lies in.

        `bare` is called with each folder that stays for what lies in it alone.
        """
        self._tree, self._named, self._filled, self._bare = tree, named, filled, bare
        self._done = NameTable()

    def hide(self, parts: list[bytes]) -> None:
        """Remove everything of lower layers below a folder.

        Raises UnsafeArchive for a link that the layer's own files were put behind.
        """
        levels = self._entered(parts)
        while levels:
            here, folders = levels[-1]
            name = next(folders, None)
            if name is None:
                levels.pop()
                continue
            below = [*here, name]
            if (path := b"/".join(below)) not in self._named:
                self._bare(path)
            levels += self._entered(below)

    def _entered(self, parts: list[bytes]) -> list[Level]:
        """Clear a folder of what lies right in it; return it as a level, none where that was done."""
        if not self._done.add(b"/".join(parts)):
            return []
        while self._clear(parts):  # whoever removes names while he reads them may miss some
            pass
        return [(parts, self._folders(parts))]

    def _clear(self, parts: list[bytes]) -> bool:
        """Remove what is not of this layer; tell whether there was anything."""
        found, folder = False, self._tree.folder(parts)
        with os.scandir(folder) as items:
            for item in items:
                name = os.fsencode(item.name)
                path = b"/".join([*parts, name])
                if path not in self._named and path not in self._filled:
                    remove(folder, name)
                    found = True
                elif path in self._filled and not item.is_dir(follow_symlinks=False):
                    raise UnsafeArchive("", "takes away a link that the same layer puts files behind")
        return found

    def _folders(self, parts: list[bytes]) -> Iterator[bytes]:
        """Yield the folders in a folder; between two of them the tree may be anywhere."""
        handle = os.dup(self._tree.folder(parts))
        try:
            with os.scandir(handle) as items:
                for item in items:
                    if item.is_dir(follow_symlinks=False):
                        yield os.fsencode(item.name)
        finally:
            os.close(handle)
