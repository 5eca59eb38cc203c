"""The layers of an image laid over one another in a plain folder (formats E.4 to E.8).

A layer's whiteouts mean lower layers alone, wherever in the tar they stand. A path that leads through a
link of a lower layer, as `bin/x` where `bin` is a link to `usr/bin`, is followed inside the folder only;
through one of its own layer it is refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from toolkit.errors import MissingMember, UnsafeArchive
from toolkit.image import Finding
from toolkit.plumbing import nodes
from toolkit.plumbing.application import DEEPEST, Application, leads_through, link_target, takes_away
from toolkit.plumbing.census import Census, census
from toolkit.plumbing.foldednames import FoldedNames, folds_names
from toolkit.plumbing.foldertable import FolderTable
from toolkit.plumbing.inside import Inside
from toolkit.plumbing.nametable import NameTable
from toolkit.plumbing.odd import Odd
from toolkit.plumbing.overlaymarks import as_oci, is_overlay_whiteout, overlay_xattrs
from toolkit.plumbing.profile import HARD_LINK, PERMISSIONS, Profile
from toolkit.plumbing.removal import remove
from toolkit.plumbing.tarball import Entries
from toolkit.plumbing.tarheader import Entry
from toolkit.plumbing.tree import Tree, components
from toolkit.plumbing.whiteouts import OPAQUE, WHITEOUT, is_aufs_own
from toolkit.ports import Block

ASIDE = b".wh..wh."  # no member can be called so; see `whiteouts`
CLOSED = 0o700  # the mode of folders on their way
IMPLIED_MODE = 0o755  # of a folder that no entry describes, as in all of today's engines
AGAINST_ORDER = "is taken away by a whiteout behind it in the same layer, and stays: engines differ on that"
BEHIND_LINK = "lies behind a link of a lower layer, which was followed: engines differ on that"
LOWER_TARGET = "is a hard link to a file of a lower layer: not every engine makes one"


class Extraction:
    """An image on its way into an empty folder; a context manager."""

    def __init__(self, tree: Tree, profile: Profile, *, as_whiteout: bool = False) -> None:
        """Take what is kept of entries, and whether overlay's marks are whiteouts.

        The folder is closed to others until all is there. Raises StoreError.
        """
        self.tree, self.profile = tree, profile
        self.left_out: dict[str, Odd] = {}  # what of the entries is not kept, by its kind
        self.odd: dict[tuple[str, str], Odd] = {}  # by layer: what engines do differently
        self.unmade = NameTable()  # paths of which nothing was made, for their kind
        self.folders = FolderTable(profile)
        self.folded = FoldedNames() if folds_names(tree.handle) else None
        self._as_whiteout = as_whiteout
        self._owner = os.geteuid(), os.getegid()
        self.folders.put_implied(b"", os.fstat(tree.handle).st_mode & PERMISSIONS)
        os.fchmod(tree.handle, CLOSED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.folders.__exit__(kind, error, trace)

    def take(self, entries: Entries, subject: str) -> None:
        """Lay the next layer over those before it; raises as `Application.take` and as `Entries`."""
        layer = _Laying(self, subject)
        for entry in entries:
            for plain in as_oci(entry) if self._as_whiteout else (entry,):
                layer.take(plain, entries.body())
        remove(self.tree.folder([]), ASIDE)

    def finish(self) -> Census:
        """Count what is there, then make the folders what they are to be: some are closed afterwards."""
        found = census(self.tree)
        self.folders.settle(self.tree)
        return found

    def count(self, entry: Entry, path: bytes) -> None:
        """Count what of an entry is not kept."""
        for kind in self.profile.lost(entry, self._owner):
            self.leave_out(kind, path)

    def leave_out(self, kind: str, name: bytes) -> None:
        """Count something that is not kept."""
        self.left_out.setdefault(kind, Odd()).add(name)

    def findings(self) -> list[Finding]:
        """Return what layers hold that engines see differently."""
        return [Finding(subject, f"{odd} {what}") for (subject, what), odd in self.odd.items()]


class _Laying(Application):
    """One layer on its way."""

    def __init__(self, whole: Extraction, subject: str) -> None:
        super().__init__(whole.tree, subject)
        self._whole = whole
        self._inside = Inside(whole.tree, self._meet, DEEPEST)
        self._asked: list[bytes] = []  # the folder that was sought last
        self._found: list[bytes] = []  # and where it is

    def check(self, entry: Entry) -> None:
        """Refuse what is unsafe to unpack."""
        try:
            super().check(entry)
        except UnsafeArchive as error:
            if is_overlay_whiteout(entry) or overlay_xattrs(entry):
                error.advice = "--as-whiteout takes it for one"
            raise

    def parts_of(self, name: bytes) -> list[bytes]:
        """Return a member's path in parts; an absolute one begins at the top."""
        return _aside(components(name.lstrip(b"/"), ""))

    def located(self, parts: list[bytes]) -> list[bytes]:
        """Return where a path leads when the links of lower layers on its way are followed."""
        folder, names = parts[:-1], parts[-1:]
        if folder != self._asked:
            self._asked, self._found = folder, self._sought(folder)
        if self._found != folder:
            if names[0].startswith(WHITEOUT):
                raise UnsafeArchive("", "is a whiteout behind a link", "engines make different trees of it")
            self._notice(BEHIND_LINK, b"/".join(parts))
        if self._whole.folded:
            self._whole.folded.add([*self._found, *(name.removeprefix(WHITEOUT) for name in names)])
        return [*self._found, *names]

    def may_stand_twice(self, entry: Entry, parts: list[bytes]) -> bool:
        """Tell two entries of one folder, which engines that take them at all take alike."""
        return entry.is_directory and self._is_folder(parts)

    def is_whiteout(self, parts: list[bytes]) -> bool:
        """Tell whether a path takes away what lower layers have."""
        return parts[-1].startswith(WHITEOUT) and not is_aufs_own(parts)

    def white_out(self, entry: Entry, parts: list[bytes], parent: int) -> None:  # noqa: ARG002 - its shape
        """Take away what lower layers have; readers look at the name alone (formats E.5)."""
        if parts[-1] == OPAQUE:
            self.hide(parts[:-1])
            return
        hidden = [*parts[:-1], parts[-1].removeprefix(WHITEOUT)]
        path = b"/".join(hidden)
        if path not in self.named and path not in self.filled:
            remove(parent, hidden[-1])
            return
        self._notice(AGAINST_ORDER, path)
        if self._is_folder(hidden):
            self.hide(hidden)
            if path not in self.named:
                self.bare(path)
        elif path in self.filled:  # a link that files of the layer were put behind
            raise takes_away(path)

    def bare(self, path: bytes) -> None:
        """Forget what a lower layer says of a folder that it has no more."""
        self._whole.folders.put_implied(path, IMPLIED_MODE)

    def dress_root(self, entry: Entry) -> None:
        """Take what the entry of the top folder says, where it is asked for."""
        if self._whole.profile.top:
            self._whole.folders.put(b"", entry)

    def make_folder(self, entry: Entry, parent: int, path: bytes, *, exists: bool) -> None:
        """Make a folder, or take the one that is there; all else of it comes in the end."""
        if not exists:
            os.mkdir(path.rpartition(b"/")[2], CLOSED, dir_fd=parent)
        self._whole.folders.put(path, entry)
        self._whole.count(entry, path)

    def imply(self, parent: int, path: bytes) -> None:
        """Make a folder that has no entry."""
        os.mkdir(path.rpartition(b"/")[2], CLOSED, dir_fd=parent)
        self.bare(path)

    def make_node(self, entry: Entry, parent: int, name: bytes, body: Iterator[Block]) -> None:
        """Make what is kept of files, links, fifos and devices."""
        profile = self._whole.profile
        if entry.is_file:
            nodes.make_file(parent, name, entry, body, profile)
        elif profile.makes(entry):
            nodes.make_special(parent, name, entry, profile)
        else:
            self._whole.unmade.add(self._path(name))
        self._whole.count(entry, self._path(name))

    def make_link(self, entry: Entry, parent: int, name: bytes) -> None:  # noqa: ARG002 - its shape
        """Make a hard link; what it leads to stays as it is (CVE-2021-32760)."""
        named = _aside(link_target(entry))
        target = [*self._sought(named[:-1]), named[-1]]
        path = b"/".join(target)
        try:
            self.link_to(entry, self.tree.folder(self.folder), name, target)
        except MissingMember:
            if path not in self._whole.unmade:
                raise
            self._whole.unmade.add(self._path(name))
            self._whole.leave_out(HARD_LINK, self._path(name))
            return
        if path not in self.named:
            self._notice(LOWER_TARGET, self._path(name))

    def _sought(self, folder: list[bytes]) -> list[bytes]:
        """Return where a folder is, or would be made."""
        try:
            self.tree.folder(folder)
        except MissingMember:  # it is not there yet, or behind a link
            return self._inside.find(folder)
        return folder

    def _meet(self, link: bytes) -> None:
        """Note a link that is followed; raises where it is of this layer."""
        if link in self.named:
            raise leads_through(link)
        self.filled.add(link)

    def _notice(self, what: str, path: bytes) -> None:
        self._whole.odd.setdefault((self.subject, what), Odd()).add(path)

    def _path(self, name: bytes) -> bytes:
        return b"/".join([*self.folder, name])

    def _is_folder(self, parts: list[bytes]) -> bool:
        facts = self.tree.lstat(b"/".join(parts))
        return facts is not None and stat.S_ISDIR(facts.st_mode)


def _aside(parts: list[bytes]) -> list[bytes]:
    """Return a path, that of aufs's own files below a name of ours: they are there to be linked to."""
    return [ASIDE, *parts] if parts and is_aufs_own(parts) else parts
