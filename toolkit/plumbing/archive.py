"""TarIndex: the members of a seekable outer archive, found in one pass over its headers.

Names in manifests are looked up here and nowhere else: no member name ever becomes a path on disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, MissingMember, UnsafeArchive
from toolkit.limits import above, limits
from toolkit.plumbing.files import storing
from toolkit.plumbing.tarball import Entries, Entry, FileReader

MAX_HOPS = 8
MAX_NAMES = 32 << 20  # bytes of names and link targets together
MAX_DEPTH = 32  # folders in a name
SMALL = 64 << 20  # bytes; a message tells the digest of content up to this
ADVICE = "no image archive has one; lading import --rootfs takes a root file system"
FILE, DIRECTORY, SYMLINK, HARD_LINK = "file", "directory", "symlink", "hardlink"
KINDS = {b"0": FILE, b"1": HARD_LINK, b"2": SYMLINK, b"5": DIRECTORY}


@dataclass(frozen=True, slots=True)
class Member:
    """One member: where its body lies in the file, in bytes, or what it links to."""

    name: str  # cleaned
    kind: str  # file, directory, symlink or hardlink
    offset: int
    size: int
    target: str = ""  # of a link, as it stands


class TarIndex:
    """Members by cleaned name, links resolved within the index.

    Any number of threads may read at once; the file stays its owner's to close.
    """

    def __init__(
        self, handle: int, subject: str, members: Mapping[str, Member], findings: tuple[str, ...] = ()
    ) -> None:
        self.subject = subject
        self.findings = findings  # what is odd about the archive, one sentence each
        self._handle, self._members = handle, members

    @classmethod
    def scan(cls, handle: int, subject: str, limit: int | None = None) -> TarIndex:
        """Read all headers of an open file.

        Raises CorruptContent where it is no whole tar, or where bytes that nobody reads are not zero, and
        UnsafeArchive for a name that stands twice, leads outside or lies below a file or link, for devices,
        and above `limit` members: as many as a bundle may have, unless given.
        """
        with storing(subject):
            size = os.fstat(handle).st_size
        limit = limits().member if limit is None else limit
        walk = Entries(FileReader(handle, 0, size, subject), subject, limit=limit, allow_junk=False)
        members: dict[str, Member] = {}
        names = 0
        for entry in walk:
            member = _member(entry, subject)
            if member is None:
                continue
            names += len(member.name) + len(member.target)
            before = members.setdefault(member.name, member)
            if before is not member and not before.kind == member.kind == DIRECTORY:
                both = " and as ".join(_described(handle, each) for each in (before, member))
                problem = f"holds {member.name!r} twice, as {both}"
                raise UnsafeArchive(subject, problem, "tools differ on which one counts")
            if names > MAX_NAMES:
                raise UnsafeArchive(subject, f"has more than {MAX_NAMES} bytes of names")
        _refuse_shadowed(members, subject)
        return cls(handle, subject, members, tuple(_findings(walk, members)))

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def names(self) -> list[str]:
        """Return all cleaned names but those of directories, in the order of the archive."""
        return [member.name for member in self._members.values() if member.kind != DIRECTORY]

    def directories(self) -> list[str]:
        """Return the directories, those without an entry of their own too, sorted."""
        found = {member.name for member in self._members.values() if member.kind == DIRECTORY}
        for name in self._members:
            found.update(_parents(name))
        return sorted(found)

    def entry(self, name: str) -> Member | None:
        """Return what stands under this name itself, a link unresolved; None if nothing does."""
        return self._members.get(clean(name, self.subject))

    def resolve(self, name: str) -> str:
        """Follow links, of folders on the way too, and return the name of the member they lead to.

        Raises MissingMember, or UnsafeArchive for links that lead outside or never end.
        """
        hops = 0
        done: list[str] = []
        ahead = _parts(clean(name, self.subject))
        while ahead:
            part = ahead.pop()
            if part == "..":
                if not done:
                    raise UnsafeArchive(self.subject, f"{name!r} leads outside of the archive through a link")
                done.pop()
                continue
            member = self._members.get("/".join((*done, part)))
            if member is None or not member.target:
                done.append(part)
                continue
            hops += 1
            if hops > MAX_HOPS:
                raise UnsafeArchive(self.subject, f"{name!r} follows more than {MAX_HOPS} links")
            ahead += _parts(member.target)
            if member.kind == HARD_LINK:
                done.clear()  # its target counts from the root
        found = "/".join(done)
        if found not in self._members:
            through = f" (which links to {found!r})" if hops else ""
            raise MissingMember(self.subject, f"has no member {name!r}{through}")
        return found

    def member(self, name: str) -> Member:
        """Return the file under this name, links followed; raises as `resolve`."""
        member = self._members.get(self.resolve(name))
        if member is None or member.kind != FILE:
            raise MissingMember(self.subject, f"member {name!r} is a directory, expected a file")
        return member

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a small file; raises UnsafeArchive above `limit` bytes."""
        member = self.member(name)
        if member.size > limit:
            raise above(self.subject, f"member {name!r} has {member.size} bytes", limit)
        reader = FileReader(self._handle, member.offset, member.size, self.subject)
        content = reader.read(member.size)
        if len(content) != member.size:
            problem = f"member {name!r} ends after {len(content)} bytes, expected {member.size}"
            raise CorruptContent(self.subject, problem, "the file changed while it was read")
        return content


def clean(name: str, subject: str) -> str:
    """Return a member name without `.` and doubled or final slashes; a backslash is an ordinary character.

    Raises UnsafeArchive for names that are absolute, empty, or hold `..` or a NUL.
    """
    if len(name) > (limit := limits().path):
        raise above(subject, f"member name {name[:200]!r} is {len(name)} characters", limit)
    parts = name.split("/")
    if len(parts) > MAX_DEPTH:
        raise UnsafeArchive(subject, f"member name {name[:200]!r} is deeper than any tool writes")
    if not name or name.startswith("/") or "\0" in name or ".." in parts:
        problem = f"member name {name[:200]!r} is not a plain path inside the archive"
        raise UnsafeArchive(subject, problem, "it may be an attempt to reach other files")
    return "/".join(part for part in parts if part not in ("", "."))


def _member(entry: Entry, subject: str) -> Member | None:
    """Return the member an entry stands for; None for the root itself."""
    name = clean(entry.name.decode(errors="surrogateescape"), subject)
    kind = KINDS.get(entry.type)
    if kind is None:
        raise UnsafeArchive(
            subject,
            f"member {name!r} is a device or a pipe",
            ADVICE,
        )
    if not name:
        if kind == DIRECTORY:
            return None
        raise UnsafeArchive(subject, f"the root of the archive is a {kind}, expected a directory")
    target = entry.linkname.decode(errors="surrogateescape") if kind in (SYMLINK, HARD_LINK) else ""
    if kind == HARD_LINK:
        target = clean(target, subject)
    elif kind == SYMLINK and (not target or target.startswith("/")):
        problem = f"member {name!r} is a link to {target[:200]!r}, which is not in the archive"
        raise UnsafeArchive(subject, problem)
    return Member(name, kind, entry.data_offset, entry.size, target)


def _parts(path: str) -> list[str]:
    """Return the components, the last one first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _parents(name: str) -> Iterator[str]:
    while (cut := name.rfind("/")) > 0:
        name = name[:cut]
        yield name


def _refuse_shadowed(members: Mapping[str, Member], subject: str) -> None:
    """Refuse members below a file or link: unpacking would put them elsewhere, or nowhere."""
    for name in members:
        for parent in _parents(name):
            above = members.get(parent)
            if above is None:
                continue
            if above.kind != DIRECTORY:
                raise UnsafeArchive(subject, f"member {name!r} lies below {parent!r}, which is no directory")
            break  # what is above that directory is looked at in its own turn


def _findings(walk: Entries, members: Mapping[str, Member]) -> Iterator[str]:
    if walk.end != "whole":
        yield f"the end of the archive is {walk.end}, expected two zero blocks; it may have been cut short"
    hard = [member.name for member in members.values() if member.kind == HARD_LINK]
    if hard:
        others = f", and {len(hard) - 1} others are" if len(hard) > 1 else ""
        yield f"member {hard[0]!r} is a hard link{others}; containerd ignores hard links"


def _described(handle: int, member: Member) -> str:
    what = f"{member.kind} at byte {member.offset}"
    if member.kind != FILE or member.size > SMALL:
        return what
    content = FileReader(handle, member.offset, member.size).read(member.size)
    return f"{what} ({Digest.of(content)})"
