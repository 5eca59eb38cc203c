"""Where a path leads inside a tree when the links in it are followed: never out of it (formats E.4).

The kernel follows none of them: each link's text is read and walked by handle, `..` goes no higher than
the top, and an absolute target begins there, as in a chroot.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from toolkit.errors import MissingMember, UnsafeArchive
from toolkit.plumbing.tree import Tree

HOPS = 40  # links that one path may lead through, as in Linux
STEPS = 2_000_000  # names that the links of one tree may add to paths, together


class Inside:
    """The way through the links of one tree."""

    def __init__(self, tree: Tree, meet: Callable[[bytes], object], deepest: int) -> None:
        """Call `meet` with the path of each link before it is followed; no path is longer than `deepest`."""
        self._tree, self._meet, self._deepest = tree, meet, deepest
        self._steps = 0

    def find(self, parts: list[bytes]) -> list[bytes]:
        """Return the path without links that `parts` lead to, whether anything is there or not.

        Raises UnsafeArchive where there are too many links on the way, and what `meet` raises.
        """
        found: list[bytes] = []
        waiting, hops = parts[::-1], 0
        while waiting:
            part = waiting.pop()
            if part == b"..":  # in a link's text alone
                del found[-1:]
            elif (target := self._link(found, part)) is None:
                found.append(part)
                if len(found) > self._deepest:
                    raise UnsafeArchive("", f"leads more than {self._deepest} folders down")
            else:
                hops += 1
                if hops > HOPS:
                    raise UnsafeArchive("", f"leads through more than {HOPS} links")
                self._meet(b"/".join([*found, part]))
                if target.startswith(b"/"):
                    found.clear()
                waiting += self._names(target)[::-1]
        return found

    def _link(self, folder: list[bytes], name: bytes) -> bytes | None:
        """Return the text of a link; None of what is none, or is not there."""
        try:
            handle = self._tree.folder(folder)
            facts = os.stat(name, dir_fd=handle, follow_symlinks=False)
        except (FileNotFoundError, MissingMember):
            return None
        return os.readlink(name, dir_fd=handle) if stat.S_ISLNK(facts.st_mode) else None

    def _names(self, target: bytes) -> list[bytes]:
        names = [name for name in target.split(b"/") if name not in {b"", b"."}]
        self._steps += len(names)
        if self._steps > STEPS:
            raise UnsafeArchive("", f"lies behind links of more than {STEPS} names together")
        return names
