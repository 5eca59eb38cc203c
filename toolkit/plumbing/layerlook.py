"""What lies inside a layer, looked at entry by entry: what is unsafe, and what is worth telling.

Nothing is unpacked and no body is kept. Of each kind of oddity the number is known and the first name, so
that a layer of two million odd entries costs as much as one of two; a path costs sixteen bytes.
Source: formats E.2 to E.8, F.4, G.5.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from toolkit.errors import UnsafeArchive
from toolkit.image import Finding
from toolkit.limits import limits
from toolkit.plumbing import nodes
from toolkit.plumbing.odd import Odd
from toolkit.plumbing.oddities import ODDITIES
from toolkit.plumbing.pathtable import FILE, FOLDER, IMPLIED, WHITED, PathTable, Room, key
from toolkit.plumbing.programs import machine
from toolkit.plumbing.tarheader import DIRECTORY, FIFO, REGULAR, Entry
from toolkit.plumbing.tree import components
from toolkit.plumbing.whiteouts import AUFS_OWN, BAD_WHITEOUTS, OPAQUE, WHITEOUT

LONGEST_PART = 255  # bytes of one name in a path; Linux takes no longer ones
SETUID = 0o6000  # or setgid
FEW_OWNERS = 16  # bits of an owner's number that an engine without root has
CAPABILITY = b"security.capability"
CAPABILITIES = {(1, 12), (2, 20), (3, 24)}  # revision, bytes (linux/capability.h)
CHECKPOINT = (b"config.dump", b"spec.dump", b"checkpoint")  # what podman and CRI-O make one of
KEPT, KEPT_BYTES = 10_000, 1 << 20  # of paths that are held against the layers below: how many, how long
DOTS = frozenset((b"", b".", b".."))


@dataclass(slots=True)
class Below:
    """Paths that the layers below must have something at; of too many, the first."""

    paths: dict[int, bytes] = field(default_factory=dict)  # by their keys
    all_kept: bool = True
    size: int = 0  # bytes of them all

    def add(self, path: bytes) -> None:
        """Take one more."""
        self.size += len(path)
        if len(self.paths) < KEPT and self.size <= KEPT_BYTES:
            self.paths[key(path)] = path
        else:
            self.all_kept = False

    def sought(self, there: Iterable[array[int]]) -> tuple[Odd, Odd]:
        """Return those that one of these layers has, and those that none has."""
        left = set(self.paths)
        for keys in there:
            left.difference_update(keys)
        found = Odd(), Odd()
        for each, path in self.paths.items():
            found[each in left].add(path)
        return found


@dataclass(frozen=True, slots=True)
class Inside:
    """What is kept of a layer that was looked into, to be held against the layers it stands upon."""

    subject: str
    machines: Mapping[str, int]  # what programs and libraries run on, and how many
    hidden: Below  # what whiteouts take away
    linked: Below  # what hard links lead to, and the layer did not have before them
    there: array[int] | None  # the keys of all its paths; None where they are too many


class LayerLook:
    """One layer; `take` its entries in order, then ask."""

    def __init__(self, subject: str) -> None:
        self.paths = PathTable()
        self._subject = subject
        self._machines: Counter[str] = Counter()
        self._hidden, self._linked = Below(), Below()
        self._implied, self._most = 0, limits().entry  # folders that have no entry
        self._odd: dict[str, Odd] = {}
        self._raw_folder: bytes | None = b""  # that the last entry was in, as it stood, with its slash
        self._folder = b""  # the same, cleaned

    def take(self, entry: Entry, first: bytes) -> None:
        """Look at one entry; `first` are the first bytes of its body."""
        if not _is_plain(entry):
            self._look_at_facts(entry)
        path = self._path(entry)
        if path is None:
            return
        self._look_at_name(entry, path)
        if b".wh." not in path or not self._is_whiteout(entry, path):
            self._place(entry, path)
        if first and (runs_on := machine(first)):
            self._machines[runs_on] += 1

    def findings(self) -> list[Finding]:
        """Return what was found, the gravest first."""
        if all(map(self.paths.marks, CHECKPOINT)):
            self._note("checkpoint", CHECKPOINT[0])
        found = ((oddity, self._odd[kind]) for kind, oddity in ODDITIES.items() if kind in self._odd)
        return [oddity.finding(self._subject, str(odd)) for oddity, odd in found]

    def inside(self, room: Room) -> Inside:
        """Return what the layers above are held against; its paths if there is room for them.

        Comes last: the paths are given away.
        """
        there = room.take(self.paths.emptied())
        return Inside(self._subject, self._machines, self._hidden, self._linked, there)

    def _note(self, kind: str, name: bytes) -> None:
        self._odd.setdefault(kind, Odd()).add(name)

    def _look_at_facts(self, entry: Entry) -> None:
        bad = {kind for kind, _ in nodes.faults(entry)}
        facts = {
            "device": entry.is_device and "overlay" not in bad,
            "fifo": entry.type == FIFO,
            "setuid": entry.mode & SETUID and entry.is_file,
            "owner": (entry.uid | entry.gid) >> FEW_OWNERS,
            "sparse": entry.sparse,
            "xattr": entry.xattrs and "overlay" not in bad and not entry.xattrs.keys() <= {CAPABILITY},
        }
        for kind in (f"bad {kind}" for kind in bad):
            self._note(kind, entry.name)
        for kind, holds in facts.items():
            if holds and kind not in bad:
                self._note(kind, entry.name)
        if (value := entry.xattrs.get(CAPABILITY)) is not None:
            is_one = (int.from_bytes(value[3:4]), len(value)) in CAPABILITIES
            self._note("capability" if is_one else "bad capability", entry.name)

    def _path(self, entry: Entry) -> bytes | None:
        """Return the cleaned path; None of one that leads out, and of the top folder itself."""
        name = entry.name.rpartition(b"/")[2]
        before = entry.name[: len(entry.name) - len(name)]
        if before == self._raw_folder and name not in DOTS and len(name) <= LONGEST_PART:
            return self._folder + name
        try:
            parts = components(entry.name.lstrip(b"/"), "")
        except UnsafeArchive:
            self._note("escape", entry.name)
            return None
        if not parts:
            if not entry.is_directory:
                self._note("root", entry.name)
            return None
        if before.startswith(b"/"):
            self._note("absolute", entry.name)
        folder = b"".join(part + b"/" for part in parts[:-1])
        if folder != self._folder:
            self._enter(parts[:-1], entry.name)
        is_clean = name not in DOTS and not before.startswith(b"/")
        self._raw_folder, self._folder = before if is_clean else None, folder
        return folder + parts[-1]

    def _enter(self, parts: list[bytes], name: bytes) -> None:
        """Take note that a path, and all above it, are used as folders."""
        for depth in range(len(parts), 0, -1):
            if self._implied >= self._most:
                self._note("too deep", name)
                return
            before = self.paths.mark(b"/".join(parts[:depth]), IMPLIED)
            self._implied += not before
            if before & FILE:
                self._note("path", name)
            if before & IMPLIED:
                return  # what is above was noted with it

    def _look_at_name(self, entry: Entry, path: bytes) -> None:
        if len(path) > LONGEST_PART and max(map(len, path.split(b"/"))) > LONGEST_PART:
            self._note("long name", entry.name)
        try:
            is_odd = not entry.name.decode().isprintable()
        except UnicodeDecodeError:
            is_odd = True
        if is_odd:
            self._note("odd name", entry.name)

    def _is_whiteout(self, entry: Entry, path: bytes) -> bool:
        """Take note of a whiteout; readers look at its name alone, whatever it is (formats E.5)."""
        folder, slash, name = path.rpartition(b"/")
        if name in BAD_WHITEOUTS:
            self._note("bad whiteout", entry.name)
        elif path.startswith(AUFS_OWN) and path != OPAQUE:
            self._note("aufs", entry.name)
        elif not name.startswith(WHITEOUT):
            return False
        else:
            if entry.size:
                self._note("full whiteout", entry.name)
            if name != OPAQUE:
                self._hide(folder + slash + name.removeprefix(WHITEOUT), entry.name)
        return True

    def _hide(self, path: bytes, name: bytes) -> None:
        if self.paths.mark(path, WHITED) & ~WHITED:
            self._note("own whiteout", name)
        else:
            self._hidden.add(path)

    def _place(self, entry: Entry, path: bytes) -> None:
        """Take note of a path; of two entries for one, engines take the first, the last, or neither."""
        is_folder = entry.type == DIRECTORY
        before = self.paths.mark(path, FOLDER if is_folder else FILE)
        if before & WHITED:
            self._note("own whiteout", entry.name)
        if before & FILE:
            self._note("path" if is_folder else "duplicate", entry.name)
        elif before & (FOLDER if is_folder else FOLDER | IMPLIED):
            self._note("duplicate folder" if is_folder else "path", entry.name)
        if entry.is_hard_link:
            self._look_at_link(entry)

    def _look_at_link(self, entry: Entry) -> None:
        try:
            target = b"/".join(components(entry.linkname.lstrip(b"/"), ""))
        except UnsafeArchive:
            self._note("link outside", entry.name)
            return
        marks = self.paths.marks(target)
        if not target or marks & (FOLDER | IMPLIED):
            self._note("link to folder", entry.name)
        elif not marks & FILE:
            self._linked.add(target)


def _is_plain(entry: Entry) -> bool:
    """Tell a file or folder of a common owner, with nothing special about it: nearly every entry."""
    special = (entry.uid | entry.gid) >> FEW_OWNERS or entry.mode & SETUID or entry.xattrs or entry.sparse
    return not special and entry.type in (REGULAR, DIRECTORY)
