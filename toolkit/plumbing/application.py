"""One layer's tar on its way into a folder: what every way of unpacking one has in common (formats E).

Names are hostile: each path is walked by handle, no component may be a link, and nothing is applied that
takes away what the same layer brings.
"""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator

from toolkit.errors import MissingMember, ToolkitError, UnsafeArchive
from toolkit.limits import limits, more_than
from toolkit.plumbing import nodes
from toolkit.plumbing.files import storing
from toolkit.plumbing.hiding import Hiding
from toolkit.plumbing.nametable import NameTable
from toolkit.plumbing.removal import remove
from toolkit.plumbing.tarheader import Entry
from toolkit.plumbing.tree import Tree, components
from toolkit.ports import Block

DEEPEST = 256  # folders of a path that is unpacked: each of them is held open


class Application(ABC):
    """One layer on its way into one folder, which nobody else can reach."""

    def __init__(self, tree: Tree, subject: str) -> None:
        self.tree, self.subject = tree, subject
        self.named = NameTable()  # paths that have an entry
        self.filled = NameTable()  # folders that something of this layer lies in
        self._hiding = Hiding(tree, self.named, self.filled, self.bare)
        self.folder: list[bytes] = []  # where the entry at hand goes to
        self._implied = 0

    def take(self, entry: Entry, body: Iterator[Block]) -> None:
        """Apply one entry.

        Raises CorruptContent, UnsafeArchive, Unsupported, or StoreError where the file system refuses; the
        tree is then half made.
        """
        subject = f"{self.subject}: {shown(entry.name)}"
        try:
            with storing(subject):
                self.check(entry)
                self._take(entry, self.parts_of(entry.name), body)
        except ToolkitError as error:
            error.subject = error.subject or subject
            raise

    def _take(self, entry: Entry, parts: list[bytes], body: Iterator[Block]) -> None:
        if len(parts) > DEEPEST:
            raise UnsafeArchive("", f"has a path of {len(parts)} names, expected at most {DEEPEST}")
        nodes.check_path(entry, parts)
        parts = self.located(parts)
        if not self.named.add(b"/".join(parts)) and not self.may_stand_twice(entry, parts):
            raise UnsafeArchive("", "stands twice in the layer, and engines choose differently")
        if not parts:
            self.dress_root(entry)
        elif not self.passes_over(entry, parts):
            parent = self._parent(parts[:-1])
            if self.is_whiteout(parts):
                self.white_out(entry, parts, parent)
            else:
                self._make(entry, parts, parent, body)

    def _make(self, entry: Entry, parts: list[bytes], parent: int, body: Iterator[Block]) -> None:
        name, path = parts[-1], b"/".join(parts)
        exists = self._make_way(entry, parent, name, path)
        if entry.is_directory:
            self.make_folder(entry, parent, path, exists=exists)
        elif entry.is_hard_link:
            self.make_link(entry, parent, name)
        else:
            self.make_node(entry, parent, name, body)

    def _make_way(self, entry: Entry, parent: int, name: bytes, path: bytes) -> bool:
        """Remove what is in the entry's way; tell whether a folder stays there for it."""
        try:
            facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(facts.st_mode) and entry.is_directory:
            return True
        if path in self.filled:
            raise takes_away(path)
        remove(parent, name)
        return False

    def _parent(self, parts: list[bytes]) -> int:
        """Return the folder an entry goes to, made where nothing is there; raises on links in its path."""
        if parts != self.folder:
            self.folder = parts
            for depth in range(len(parts)):
                self.filled.add(b"/".join(parts[: depth + 1]))
        try:
            return self.tree.folder(parts)
        except MissingMember:
            for depth in range(len(parts)):
                self._imply(self.tree.folder(parts[:depth]), parts[: depth + 1])
        return self.tree.folder(parts)

    def _imply(self, parent: int, parts: list[bytes]) -> None:
        name, path = parts[-1], b"/".join(parts)
        try:
            facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            if path in self.named:  # and was left out
                raise leads_through(name) from None
            self._implied += 1
            if self._implied > (limit := limits().entry):
                raise more_than("", "is below more than {} folders without an entry", limit) from None
            self.imply(parent, path)
            return
        if not stat.S_ISDIR(facts.st_mode):
            raise leads_through(name)

    def link_to(self, entry: Entry, parent: int, name: bytes, target: list[bytes]) -> None:
        """Give what lies at `target` a second name; raises MissingMember where nothing is there."""
        with Tree(self.tree.handle, self.subject) as targets:
            folder = targets.folder(target[:-1])
            try:
                facts = os.stat(target[-1], dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError as error:
                problem = f"is a hard link to {shown(entry.linkname)}, which is not there"
                raise MissingMember("", problem) from error
            if stat.S_ISDIR(facts.st_mode):
                raise UnsafeArchive("", f"is a hard link to the folder {shown(entry.linkname)}")
            nodes.make_link(parent, name, folder, target[-1])

    def hide(self, parts: list[bytes]) -> None:
        """Remove everything of lower layers below a folder; what this layer brought stays."""
        self._hiding.hide(parts)

    # What a subclass does in its own way.

    def check(self, entry: Entry) -> None:
        """Refuse what is unsafe to unpack."""
        nodes.check(entry)

    def parts_of(self, name: bytes) -> list[bytes]:
        """Return a member's path in parts; raises UnsafeArchive where it leads out."""
        return components(name, "")

    def located(self, parts: list[bytes]) -> list[bytes]:
        """Return where a path leads, its last part as it is."""
        return parts

    def may_stand_twice(self, entry: Entry, parts: list[bytes]) -> bool:  # noqa: ARG002 - for subclasses
        """Tell whether a second entry of one path is as good as the first."""
        return False

    def passes_over(self, entry: Entry, parts: list[bytes]) -> bool:  # noqa: ARG002 - for subclasses
        """Tell whether nothing becomes of an entry."""
        return False

    @abstractmethod
    def bare(self, path: bytes) -> None:
        """Take note of a folder that is hidden, and is there again for what this layer has in it."""

    @abstractmethod
    def is_whiteout(self, parts: list[bytes]) -> bool:
        """Tell whether a path takes away what lower layers have."""

    @abstractmethod
    def white_out(self, entry: Entry, parts: list[bytes], parent: int) -> None:
        """Take away what the whiteout means."""

    @abstractmethod
    def dress_root(self, entry: Entry) -> None:
        """Take what the entry of the top folder says."""

    @abstractmethod
    def make_folder(self, entry: Entry, parent: int, path: bytes, *, exists: bool) -> None:
        """Make a folder, or take the one that is there."""

    @abstractmethod
    def make_node(self, entry: Entry, parent: int, name: bytes, body: Iterator[Block]) -> None:
        """Make a file, symbolic link, fifo or device."""

    @abstractmethod
    def make_link(self, entry: Entry, parent: int, name: bytes) -> None:
        """Make a hard link; see `link_to`."""

    @abstractmethod
    def imply(self, parent: int, path: bytes) -> None:
        """Make a folder that has no entry."""


def link_target(entry: Entry) -> list[bytes]:
    """Return what a hard link names, in parts; raises UnsafeArchive."""
    target = components(entry.linkname.lstrip(b"/"), "")
    if not target:
        raise UnsafeArchive("", "is a hard link to the root folder")
    return target


def takes_away(path: bytes) -> UnsafeArchive:
    """Return the refusal to remove what the same layer brought."""
    problem = f"takes away {shown(path)}, which the same layer brings"
    return UnsafeArchive("", problem, "engines make different trees of it")


def leads_through(name: bytes) -> UnsafeArchive:
    """Return the refusal of a path with something in it that is no folder."""
    return UnsafeArchive("", f"leads through {shown(name)}, which is a link or a file")


def shown(name: bytes) -> str:
    """Return a name as text for a message."""
    return name[:200].decode(errors="backslashreplace")
